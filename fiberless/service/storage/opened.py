"""`Opened`: the database and the blob store that every part of the store works on."""

from dataclasses import dataclass

from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.engine import Database

__all__ = ["Opened"]


@dataclass(frozen=True, eq=False)
class Opened:
    """A database and a blob store, open."""

    database: Database
    blobs: BlobStore

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
