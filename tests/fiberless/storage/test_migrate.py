from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from fiberless.storage.engine import Database
from fiberless.storage.migrate import migrate
from fiberless.storage.schema import METADATA


def test_migrations_make_the_tables_that_the_code_describes(database):
    migrate(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert set(METADATA.tables) < set(inspect(connection).get_table_names())


def test_many_processes_may_start_at_once(database_url):
    databases = [Database(database_url, timeout_seconds=20) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, databases))
    with databases[0].read() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == ("0001",)
    for database in databases:
        database.close()


def test_a_database_up_to_date_is_left_alone(database):
    migrate(database)
    migrate(database)
