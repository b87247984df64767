"""`LeaseRenewer`: a thread that renews the leases of a worker's batches and leaves its heartbeat."""

import secrets
import threading

import structlog

from fiberless.errors import TransientError
from fiberless.service.storage import Store

__all__ = ["LeaseRenewer"]

_log = structlog.get_logger(__name__)


class LeaseRenewer:
    """Renews what a worker holds.

    Parameters
    ----------
    worker_kind : str
        `predict` or `fetch`; what readiness asks for.
    lease_seconds : float
        How long a claim holds without renewal; renewed every third of it.

    """

    def __init__(self, store: Store, *, worker_kind: str, worker_id: str, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._store = store
        self._worker_kind = worker_kind
        self._worker_id = worker_id
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._renew_forever, name="lease-renewer", daemon=True)

    def start(self) -> None:
        """Leave the first heartbeat and begin."""
        self._store.heartbeats.beat(self._worker_kind, self._worker_id)
        self._thread.start()

    def hold(self) -> str:
        """Fresh token for one claim, renewed from now on."""
        lease_token = f"{self._worker_kind}-{secrets.token_hex(16)}"
        with self._lock:
            self._held.add(lease_token)
        return lease_token

    def drop(self, lease_token: str) -> None:
        """Renew a token no more."""
        with self._lock:
            self._held.discard(lease_token)

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _renew_forever(self) -> None:
        while not self._closing.wait(self.lease_seconds / 3):
            try:
                self._renew()
            except TransientError as error:
                _log.warning("leases not renewed", reason=error.detail)

    def _renew(self) -> None:
        with self._lock:
            held = sorted(self._held)
        for lease_token in held:
            self._store.leases.renew(lease_token, self.lease_seconds)
        self._store.heartbeats.beat(self._worker_kind, self._worker_id)
