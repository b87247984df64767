"""`migrate`: brings a database to the newest schema; safe when several processes start at once."""

import time
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from fiberless.errors import TransientError
from fiberless.service.storage.engine import Database

__all__ = ["migrate"]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK_ID: Final = 0x66696265726C65  # "fiberle", any number that is ours in PostgreSQL
_PATIENCE_SECONDS: Final = 30.0


def migrate(database: Database) -> None:
    """Create or upgrade the tables; does nothing to a database that is up to date.

    Raises
    ------
    TransientError
        `storage-unavailable` if the database stays locked or does not answer.

    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with database.read() as connection:
        if _revision(connection) == head:
            return
    _patiently(database, config)


def _patiently(database: Database, config: Config) -> None:
    """Upgrade, waiting for others that do the same longer than a lock may normally take."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _upgrade(database, config)
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _upgrade(database: Database, config: Config) -> None:
    if database.dialect == "sqlite":
        database.use_write_ahead_log()
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
