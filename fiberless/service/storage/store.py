"""`Store`: all of storage, one room a subject, and how it is opened."""

from typing import Final

from sqlalchemy import Table, select

from fiberless.errors import UsageError
from fiberless.service.settings import Settings
from fiberless.service.storage.batch_feeder import BatchFeeder
from fiberless.service.storage.batches import BatchStore
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.engine import Database
from fiberless.service.storage.heartbeats import WorkerHeartbeats
from fiberless.service.storage.jobs import JobStore
from fiberless.service.storage.keys import KeyStore
from fiberless.service.storage.leases import LeaseStore
from fiberless.service.storage.migrate import migrate
from fiberless.service.storage.objects import ObjectStore
from fiberless.service.storage.predictions import PredictionStore
from fiberless.service.storage.retention import RetentionStore
from fiberless.service.storage.schema import BATCH, JOB, PREDICTION

__all__ = ["Store", "open_store"]

_OWNED: Final[dict[str, Table]] = {"batch": BATCH, "job": JOB, "prediction": PREDICTION}


class Store:
    """Storage of the service. Safe to share between threads, not across a fork.

    Parameters
    ----------
    database : Database
    blobs : BlobStore

    Attributes
    ----------
    jobs : JobStore
        Jobs as callers see them.
    leases : LeaseStore
        Jobs as workers see them.
    predictions : PredictionStore
    objects : ObjectStore
        Predictions by the object's name or place.
    batches : BatchStore
        Batches as callers see them.
    batch_feeder : BatchFeeder
        Batches as those see them who run them.
    keys : KeyStore
        API keys.
    heartbeats : WorkerHeartbeats
    retention : RetentionStore
        What is old, to be deleted.

    """

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self.database = database
        self.blobs = blobs
        self.jobs = JobStore(database, blobs)
        self.leases = LeaseStore(database, blobs)
        self.predictions = PredictionStore(database, blobs)
        self.objects = ObjectStore(database)
        self.batches = BatchStore(database, blobs)
        self.batch_feeder = BatchFeeder(database)
        self.keys = KeyStore(database)
        self.heartbeats = WorkerHeartbeats(database)
        self.retention = RetentionStore(database, blobs)

    def check_owner(self, kind: str, name: str, *, owner: str) -> None:
        """Pass if the job, batch or prediction of this id is the owner's.

        Raises
        ------
        UsageError
            `not-found`, in the same words for an absent one and for another's.

        """
        table = _OWNED[kind]
        statement = select(table.c.id).where(table.c.id == name, table.c.owner == owner)
        with self.database.read() as connection:
            if connection.execute(statement).first() is None:
                raise UsageError("not-found", f"there is no such {kind}")

    def close(self) -> None:
        """Close the connections."""
        self.database.close()


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
