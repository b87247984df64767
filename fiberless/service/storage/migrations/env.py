"""How Alembic runs the versions: on the connection, and in the transaction, that `migrate` hands over."""

from alembic import context

from fiberless.service.storage.schema import METADATA

__all__: list[str] = []

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
