"""`Store`: the whole of storage behind one door, and how it is opened."""

from fiberless.service.settings import Settings
from fiberless.service.storage.batch_feed import BatchFeed
from fiberless.service.storage.batches import BatchBook
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.engine import Database
from fiberless.service.storage.jobs import JobBook
from fiberless.service.storage.keys import KeyBook
from fiberless.service.storage.leases import Leases
from fiberless.service.storage.migrate import migrate
from fiberless.service.storage.objects import ObjectBook
from fiberless.service.storage.ownership import Ownership
from fiberless.service.storage.predictions import Archive
from fiberless.service.storage.retention import Retained
from fiberless.service.storage.roster import Roster

__all__ = ["Store", "open_store"]


class Store(BatchBook, BatchFeed, JobBook, Leases, Archive, ObjectBook, Roster, KeyBook, Ownership, Retained):
    """Batches, jobs, leases, predictions and keys. Safe to share between threads, not across a fork."""


def open_store(settings: Settings) -> Store:
    """Bring the database up to date and open it with its blob store.

    Raises
    ------
    TransientError
        `storage-unavailable` if the database does not answer.

    """
    database = Database(settings.resolved_database_url, timeout_seconds=settings.database_timeout_seconds)
    migrate(database)
    return Store(database, BlobStore(settings.resolved_blob_url))
