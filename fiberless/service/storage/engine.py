"""`Database`: how SQLite and PostgreSQL are opened, their clock, and how their failures are told."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import URL, Connection, Double, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from fiberless.errors import TransientError

__all__ = ["NOW", "Database", "Upsert"]

Upsert: TypeAlias = sqlite.Insert | postgresql.Insert
"""An INSERT that knows ON CONFLICT; both dialects spell it alike."""


class _DatabaseNow(FunctionElement[float]):
    """Seconds since 1970-01-01 UTC by the database's clock, never by a client's."""

    type = Double()
    inherit_cache = True


NOW: Final = _DatabaseNow()
"""The time of the statement; all times of the database are in these seconds."""


@compiles(_DatabaseNow, "sqlite")
def _sqlite_now(_element: _DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_DatabaseNow, "postgresql")
def _postgresql_now(_element: _DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class Database:
    """A pool of connections to one database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of SQLite or PostgreSQL.
    timeout_seconds : float
        Longest wait for a connection or a lock; after it the transaction fails.

    """

    def __init__(self, url: str, *, timeout_seconds: float = 2.0) -> None:
        self._writer = _open_engine(make_url(url), timeout_seconds=timeout_seconds)
        self._reader = self._writer.execution_options(fiberless_read_only=True)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._writer.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads, and so waits for no writer.

        Raises
        ------
        TransientError
            `storage-unavailable` if the database does not answer in time.

        """
        with _storage_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that may write: committed at the end, rolled back on any exception.

        Raises
        ------
        TransientError
            `storage-unavailable` if the database does not answer in time, or is full.

        """
        with _storage_errors(), self._writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> Upsert:
        """INSERT in the database's own dialect."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    def use_write_ahead_log(self) -> None:
        """Switch a SQLite file to WAL, for good; outside of any transaction, as SQLite demands."""
        with _storage_errors(), self._writer.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is None:
                raise TransientError("storage-unavailable", "the database connection is closed")
            try:
                raw.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                raise TransientError("storage-unavailable", "the database is locked") from error

    def close(self) -> None:
        """Close all connections."""
        self._writer.dispose()


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise TransientError("storage-unavailable", "the database does not answer") from error


def _open_engine(url: URL, *, timeout_seconds: float) -> Engine:
    match url.get_backend_name():
        case "sqlite":
            return _open_sqlite(url, timeout_seconds=timeout_seconds)
        case "postgresql":
            return _open_postgresql(url, timeout_seconds=timeout_seconds)
        case other:
            raise ValueError(f"the database must be SQLite or PostgreSQL, not {other}")


def _open_postgresql(url: URL, *, timeout_seconds: float) -> Engine:
    milliseconds = round(timeout_seconds * 1000)
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=56,
        pool_pre_ping=True,
        pool_timeout=timeout_seconds,
        connect_args={
            "connect_timeout": max(2, round(timeout_seconds)),
            "options": f"-c lock_timeout={milliseconds} -c statement_timeout={10 * milliseconds}",
        },
    )


def _open_sqlite(url: URL, *, timeout_seconds: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite in memory cannot be shared by processes; give a file")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=8, max_overflow=56, pool_timeout=timeout_seconds)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin its own, deferred, transactions
        connection.execute(f"PRAGMA busy_timeout={round(timeout_seconds * 1000)}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("fiberless_read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
