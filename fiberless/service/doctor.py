"""`examine`: what a service needs on this machine, checked part by part; nothing is started."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from fiberless import __version__
from fiberless.contract import QUEUE_PREDICT
from fiberless.contract.manifest import read_manifest, resolve_version, verify_files
from fiberless.errors import FatalError, FiberlessError
from fiberless.service.file_systems import network_file_system
from fiberless.service.launcher.broker import find_redis_server
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings
from fiberless.service.storage import Store, open_store

__all__ = ["Finding", "examine"]

_LITTLE_SPACE_BYTES: Final = 2**30
_PREDICTIONS_READ: Final = 100


@dataclass(frozen=True)
class Finding:
    """What was found of one part."""

    name: str
    is_good: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Findings on program, disk, database, blobs, broker, model and access, in this order.

    A database and a blob folder are made where there are none yet.
    """
    parts: dict[str, Callable[[Settings], str]] = {
        "program": _program,
        "disk": _disk,
        "database": _database,
        "blobs": _blobs,
        "broker": _broker,
        "model": _model,
        "access": _access,
    }
    return [_found(name, check, settings) for name, check in parts.items()]


def _found(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, is_good=True, detail=check(settings))
    except (FiberlessError, OSError, ValueError) as error:
        return Finding(name, is_good=False, detail=str(error))


def _program(_settings: Settings) -> str:
    torch = "torch" if find_spec("torch") else "no torch: no model worker here"
    return f"fiberless {__version__}, Python {platform.python_version()} on {sys.platform}, {torch}"


def _disk(settings: Settings) -> str:
    folder = settings.data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < _LITTLE_SPACE_BYTES:
        raise FatalError("internal-error", f"{free / 2**20:.0f} MiB free for {settings.data_dir}")
    remote = network_file_system(folder)
    if remote and settings.database_url is None:
        raise FatalError(
            "internal-error",
            f"{settings.data_dir} lies on a network file system ({remote}), where SQLite's write-ahead log "
            "fails: set FIBERLESS_DATA_DIR to a local disk, or FIBERLESS_DATABASE_URL to PostgreSQL",
        )
    return f"{free / 2**30:.0f} GiB free for {settings.data_dir}"


def _database(settings: Settings) -> str:
    with _opened(settings) as store:
        waiting = sum(store.jobs.queue_depths().values())
        workers = len({beat.worker_kind for beat in store.heartbeats.recent() if beat.age_seconds < 30})
        return f"{store.database.dialect}, {waiting} jobs wait, {workers} of 2 kinds of workers are alive"


def _blobs(settings: Settings) -> str:
    content = b"fiberless doctor"
    with _opened(settings) as store:
        if store.blobs.get(store.blobs.put(content)) != content:
            raise FatalError("internal-error", "what is read is not what was written")
        damaged = store.predictions.damaged(newest=_PREDICTIONS_READ)
    if damaged:
        raise FatalError(
            "internal-error",
            f"files of {len(damaged)} of the newest {_PREDICTIONS_READ} predictions are lost or damaged, "
            f"of {damaged[0]} for one; asked for again, they are made again",
        )
    return "can be written and read; the newest predictions are whole"


def _broker(settings: Settings) -> str:
    if settings.redis_url is None:
        return f"`fiberless serve` starts its own, {find_redis_server().name}"
    job_queue = JobQueue(settings.redis_url)
    waiting = job_queue.waiting(QUEUE_PREDICT)
    job_queue.close()
    if waiting is None:
        raise FatalError("internal-error", "the Redis of FIBERLESS_REDIS_URL does not answer")
    return f"Redis answers, {waiting} messages wait"


def _model(settings: Settings) -> str:
    version = settings.default_model or resolve_version(settings.model_store, None)
    manifest = read_manifest(settings.model_store, version)
    verify_files(settings.model_store, manifest)
    return f"{version}, all {len(manifest.files)} files as their manifest says"


def _access(settings: Settings) -> str:
    with _opened(settings) as store:
        has_key = store.keys.has_active()
    if settings.needs_keys and not has_key:
        raise FatalError("internal-error", "keys are needed, and there is none: `fiberless keys create NAME`")
    if settings.needs_keys:
        return "with a key only"
    return "anybody on this machine" if settings.is_loopback else "anybody who reaches it"


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()
