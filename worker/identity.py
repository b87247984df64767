"""The name of one run of a worker process, and the last heartbeat left under such a name on a host."""

import os
import secrets
import socket
from collections.abc import Iterable

from fiberless.service.storage import Heartbeat

__all__ = ["last_heartbeat_age", "new_worker_id"]


def new_worker_id(worker_kind: str) -> str:
    """Name unlike that of any other run, with the host and process for people to find it."""
    return f"{worker_kind}-{os.getpid()}-{secrets.token_hex(4)}@{socket.gethostname()}"[:128]


def last_heartbeat_age(
    heartbeats: Iterable[Heartbeat], worker_kind: str, *, host: str | None = None
) -> float | None:
    """Age in seconds of the youngest heartbeat of a kind of worker on a host; None if there is none.

    Parameters
    ----------
    heartbeats : of all workers
    worker_kind : `predict` or `fetch`
    host : its name as in `new_worker_id`; None is this one

    """
    ending = f"@{host or socket.gethostname()}"
    ages = (
        beat.age_seconds
        for beat in heartbeats
        if beat.worker_kind == worker_kind and beat.worker_id.endswith(ending)
    )
    return min(ages, default=None)
