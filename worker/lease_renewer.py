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
        self._trouble: str | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._renew_forever, name="lease-renewer", daemon=True)

    def start(self) -> None:
        """Leave the first heartbeat and begin."""
        self._beat()
        self._thread.start()

    def hold(self) -> str:
        """Fresh token for one claim, renewed from now on."""
        lease_token = f"{self._worker_kind}-{secrets.token_hex(16)}"
        with self._lock:
            self._held.add(lease_token)
        return lease_token

    def held(self) -> list[str]:
        """Tokens that are renewed now."""
        with self._lock:
            return sorted(self._held)

    def has_company(self) -> bool:
        """Whether another worker of this kind is alive and well."""
        return any(
            beat.worker_kind == self._worker_kind
            and beat.worker_id != self._worker_id
            and beat.trouble is None
            and beat.age_seconds <= self.lease_seconds
            for beat in self._store.heartbeats.recent()
        )

    def report_trouble(self, trouble: str) -> None:
        """Leave a last heartbeat, which says why this worker ends."""
        self._trouble = trouble
        self._beat()

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
        for lease_token in self.held():
            self._store.leases.renew(lease_token, self.lease_seconds)
        self._beat()

    def _beat(self) -> None:
        self._store.heartbeats.beat(self._worker_kind, self._worker_id, trouble=self._trouble)
