from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from fiberless.service.storage import migrations
from fiberless.service.storage.engine import Database
from fiberless.service.storage.migrate import migrate
from fiberless.service.storage.positions import cell_of
from fiberless.service.storage.schema import METADATA

NEWEST = ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()


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
        assert MigrationContext.configure(connection).get_current_heads() == (NEWEST,)
    for database in databases:
        database.close()


def test_a_database_up_to_date_is_left_alone(database):
    migrate(database)
    migrate(database)


def test_predictions_stored_before_get_the_cells_of_their_positions(database):
    with database.write() as connection:
        _upgrade_to(connection, "0003")
        connection.execute(
            text(
                "INSERT INTO prediction (id, created, ra, dec, model_version, document_key, arrays_key, "
                "cutout_key) VALUES ('p_1', 0, 187.5, 2.25, 'm', '', '', ''), "
                "('p_2', 0, NULL, NULL, 'm', '', '', '')"
            )
        )
    migrate(database)
    with database.read() as connection:
        cells = {row.id: row.cell for row in connection.execute(text("SELECT id, cell FROM prediction"))}
    assert cells == {"p_1": int(cell_of(187.5, 2.25)), "p_2": None}


def test_the_newest_version_can_be_undone(database):
    migrate(database)
    with database.write() as connection:
        command.downgrade(_config(connection), "0003")
        assert "cell" not in {column["name"] for column in inspect(connection).get_columns("prediction")}
        command.upgrade(_config(connection), "head")


def _config(connection):
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


def _upgrade_to(connection, version):
    command.upgrade(_config(connection), version)
