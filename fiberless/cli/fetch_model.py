"""`fetch_version`: a model version brought from a folder, an archive or a web server into a store of models.

Only the files that the version's manifest names are taken, each under that name, and only if all their hashes
are right; nothing is unpacked that the manifest does not name.
"""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from io import BytesIO
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Final, TypeAlias

import httpx
from pydantic import ValidationError

from fiberless.contract.manifest import Manifest, list_versions, read_manifest, verify_files
from fiberless.errors import FatalError, UsageError

__all__ = ["MAX_VERSION_BYTES", "fetch_version"]

MAX_VERSION_BYTES: Final = 2 * 2**30
"""Most that one version may hold; that of the paper's sizes has about 1 GB."""
_MAX_MANIFEST_BYTES: Final = 4 * 2**20
_CHUNK_BYTES: Final = 2**20
_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip")
_CARD: Final = "card.md"

_DAMAGE: Final = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, LZMAError, zlib.error)

Reader: TypeAlias = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens a file of the version by its name, to be read in pieces; KeyError if there is no such file."""


def fetch_version(origin: str, store: Path, *, max_bytes: int = MAX_VERSION_BYTES) -> Manifest:
    """Bring a version into a store; the first one there becomes its default.

    Parameters
    ----------
    origin : a version's folder, or a .tar, .tar.gz, .tar.xz or .zip of one; a path, or an http(s) address
    store : folder of versions, made if it is not there
    max_bytes : most that is downloaded or written

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no version at the origin, if it is too large, or if the store has
        another one of that name.
    FatalError
        `model-unavailable` if the manifest cannot be read, a file is missing or its hash is wrong.

    """
    store.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetch-", dir=store) as folder, ExitStack() as resources:
        staging = Path(folder)
        read = resources.enter_context(_opened(origin, staging, max_bytes))
        manifest = _manifest(read, origin)
        if manifest.version in list_versions(store):
            return _known(store, manifest)
        _copy(read, manifest, staging / "store" / manifest.version, max_bytes)
        verify_files(staging / "store", manifest)
        (staging / "store" / manifest.version).replace(store / manifest.version)
    if not (store / "DEFAULT").exists():
        (store / "DEFAULT").write_text(f"{manifest.version}\n", encoding="utf-8")
    return manifest


def _known(store: Path, manifest: Manifest) -> Manifest:
    """The version of that name that is there, if it is the same."""
    there = read_manifest(store, manifest.version)
    if there.files != manifest.files:
        detail = f"{store / manifest.version} is another model of that name: move it away first"
        raise UsageError("invalid-parameter", detail)
    verify_files(store, there)
    return there


@contextmanager
def _opened(origin: str, staging: Path, max_bytes: int) -> Iterator[Reader]:
    if not origin.startswith(("http://", "https://")):
        with _opened_path(Path(origin)) as read:
            yield read
        return
    with httpx.Client(follow_redirects=True, timeout=30.0) as http:
        if not httpx.URL(origin).path.endswith(_ARCHIVES):
            yield lambda name: _served(http, f"{origin.rstrip('/')}/{name}")
            return
        archive = staging / PurePosixPath(httpx.URL(origin).path).name
        try:
            with _served(http, origin) as pieces:
                _write(pieces, archive, max_bytes)
        except KeyError as error:
            raise UsageError("invalid-parameter", f"there is nothing at {origin}") from error
    with _opened_path(archive) as read:
        yield read


@contextmanager
def _opened_path(path: Path) -> Iterator[Reader]:
    if path.is_dir():
        yield lambda name: _pieces(_file(path / name))
        return
    if not path.is_file():
        raise UsageError("invalid-parameter", f"there is no file or folder {path}")
    try:
        with _opened_archive(path) as read:
            yield read
    except _DAMAGE as error:
        raise UsageError("invalid-parameter", f"{path.name} is damaged: {error}") from error


@contextmanager
def _opened_archive(path: Path) -> Iterator[Reader]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            prefix = _prefix(zipped.namelist(), path)
            yield lambda name: _pieces(zipped.open(prefix + name))
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            prefix = _prefix(tar.getnames(), path)
            yield lambda name: _pieces(_member(tar, prefix + name))
    else:
        raise UsageError("invalid-parameter", f"{path} is no archive ({', '.join(_ARCHIVES)})")


def _prefix(names: list[str], path: Path) -> str:
    """What stands before the version's files in an archive."""
    found = [name for name in names if PurePosixPath(name).name == "manifest.json"]
    if len(found) != 1:
        raise UsageError("invalid-parameter", f"{path.name} holds {len(found)} manifest.json: one is needed")
    return found[0].removesuffix("manifest.json")


def _file(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise KeyError(path.name)
    return path.open("rb")


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    member = tar.getmember(name)
    stream = tar.extractfile(member) if member.isreg() else None  # no link is followed
    if stream is None:
        raise KeyError(name)
    return stream


@contextmanager
def _pieces(stream: IO[bytes]) -> Iterator[Iterator[bytes]]:
    with stream:
        yield iter(partial(stream.read, _CHUNK_BYTES), b"")


@contextmanager
def _served(http: httpx.Client, url: str) -> Iterator[Iterator[bytes]]:
    """Body of an answer, as it comes."""
    try:
        with http.stream("GET", url) as answer:
            if answer.status_code in {404, 410}:
                raise KeyError(url)
            answer.raise_for_status()
            yield answer.iter_bytes(_CHUNK_BYTES)
    except httpx.HTTPError as error:
        raise FatalError("model-unavailable", f"{url}: {error}") from error


def _manifest(read: Reader, origin: str) -> Manifest:
    stream = BytesIO()
    try:
        with read("manifest.json") as pieces:
            _pour(pieces, stream, _MAX_MANIFEST_BYTES)
        return Manifest.model_validate_json(stream.getvalue())
    except KeyError as error:
        raise UsageError("invalid-parameter", f"there is no manifest.json in {origin}") from error
    except ValidationError as error:
        raise FatalError("model-unavailable", f"manifest.json of {origin}: {error}") from error


def _copy(read: Reader, manifest: Manifest, folder: Path, max_bytes: int) -> None:
    """Write the files that a manifest names, its card and itself."""
    left = max_bytes
    for name in (*manifest.files, _CARD):
        try:
            with read(name) as pieces:
                left -= _write(pieces, folder / name, left)
        except KeyError as error:
            if name != _CARD:
                detail = f"{manifest.version}/{name} is missing"
                raise FatalError("model-unavailable", detail) from error
    text = manifest.model_dump_json(indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _write(pieces: Iterator[bytes], path: Path, max_bytes: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        return _pour(pieces, target, max_bytes)


def _pour(pieces: Iterator[bytes], target: IO[bytes], max_bytes: int) -> int:
    """Write what comes; returns the number of bytes."""
    written = 0
    for piece in pieces:
        written += len(piece)
        if written > max_bytes:
            raise UsageError("invalid-parameter", "the version, or its manifest, is larger than is allowed")
        target.write(piece)
    return written
