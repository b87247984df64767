"""`last_sign_of_life`: when a worker of this host left its last heartbeat; what a health check asks."""

import socket
from collections.abc import Iterable

from fiberless.service.storage.roster import Heartbeat

__all__ = ["last_sign_of_life"]


def last_sign_of_life(
    heartbeats: Iterable[Heartbeat], worker_kind: str, *, host: str | None = None
) -> float | None:
    """Age in seconds of the youngest heartbeat of a kind of worker on a host; None if there is none.

    Parameters
    ----------
    heartbeats : of all workers, see `fiberless.service.storage.roster.Roster.heartbeats`
    worker_kind : `predict` or `fetch`
    host : its name as in `worker.identity.new_worker_id`; None is this one

    """
    ending = f"@{host or socket.gethostname()}"
    ages = (
        beat.age_seconds
        for beat in heartbeats
        if beat.worker_kind == worker_kind and beat.worker_id.endswith(ending)
    )
    return min(ages, default=None)
