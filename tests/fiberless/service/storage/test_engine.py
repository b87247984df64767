import time

import pytest
from sqlalchemy import select, text

from fiberless.errors import TransientError
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.migrate import migrate


def test_the_clock_counts_seconds_since_1970(database):
    with database.read() as connection:
        assert connection.execute(select(NOW)).scalar_one() == pytest.approx(time.time(), abs=60)


def test_an_exception_rolls_back(database):
    with database.write() as connection:
        connection.execute(text("CREATE TABLE thing (number integer)"))
    with pytest.raises(KeyError):
        _insert_and_break(database)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM thing")).scalar_one() == 0


def test_sqlite_is_durable_and_lets_readers_read(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite'}", timeout_seconds=0.05)
    migrate(database)
    with database.write() as writer:
        assert writer.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert writer.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert writer.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        with database.read() as reader:
            assert reader.execute(text("SELECT count(*) FROM job")).scalar_one() == 0
    database.close()


def test_a_locked_database_is_a_passing_fault(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite'}", timeout_seconds=0.05)
    with database.write(), pytest.raises(TransientError, match="storage-unavailable"), database.write():
        pass
    database.close()


def test_a_database_that_is_not_there_is_a_passing_fault(tmp_path):
    database = Database(f"postgresql://fiberless@/none?host={tmp_path}", timeout_seconds=0.5)
    with pytest.raises(TransientError, match="storage-unavailable"), database.read():
        pass
    database.close()


def _insert_and_break(database):
    with database.write() as connection:
        connection.execute(text("INSERT INTO thing VALUES (1)"))
        raise KeyError


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match=r"database|SQLite"):
        Database(url)
