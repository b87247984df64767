"""`refuse_open_access`: a service that others can reach does not start without keys, unless told so."""

from fiberless.errors import UsageError
from fiberless.service.settings import Settings
from fiberless.service.storage.store import open_store

__all__ = ["refuse_open_access"]


def refuse_open_access(settings: Settings) -> None:
    """Pass if only this machine reaches the API, or the settings say who may call, or there is a key.

    Raises
    ------
    UsageError
        `invalid-parameter`; says the three ways out.
    TransientError
        `storage-unavailable`.

    """
    if settings.access != "auto" or settings.is_loopback:
        return
    store = open_store(settings)
    try:
        has_key = store.keys.has_active()
    finally:
        store.close()
    if not has_key:
        raise UsageError(
            "invalid-parameter",
            f"{settings.published_host or settings.host} can be reached from other machines, and there is no "
            "API key yet: make one with `fiberless keys create NAME`, or listen on 127.0.0.1, or let anybody "
            "call with FIBERLESS_ACCESS=anonymous",
        )
