"""Version 0004: positions that can be searched, and objects by owner."""

from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from alembic import op

from fiberless.service.storage.positions import cell_of

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0004"
down_revision: str | None = "0003"
_ROWS_AT_ONCE: Final = 10_000
_PREDICTION: Final = sa.table(
    "prediction", sa.column("id"), sa.column("ra"), sa.column("dec"), sa.column("cell")
)


def upgrade() -> None:
    """To this version; what is stored already gets its cells."""
    op.add_column("prediction", sa.Column("cell", sa.BigInteger(), nullable=True))
    _fill_cells(op.get_bind())
    op.drop_index(op.f("ix_prediction_dec_ra"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_object_id_created"), table_name="prediction")
    op.create_index(op.f("ix_prediction_owner_cell"), "prediction", ["owner", "cell"], unique=False)
    op.create_index(
        op.f("ix_prediction_owner_object_id_created"),
        "prediction",
        ["owner", "object_id", "created"],
        unique=False,
    )


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index(op.f("ix_prediction_owner_object_id_created"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_owner_cell"), table_name="prediction")
    op.create_index(
        op.f("ix_prediction_object_id_created"), "prediction", ["object_id", "created"], unique=False
    )
    op.create_index(op.f("ix_prediction_dec_ra"), "prediction", ["dec", "ra"], unique=False)
    op.drop_column("prediction", "cell")


def _fill_cells(connection: sa.Connection) -> None:
    """Write the cell of each position, some thousand rows at a time, in the order of their names."""
    columns = _PREDICTION.c
    last = ""
    while True:
        statement = (
            sa.select(columns.id, columns.ra, columns.dec)
            .where(columns.id > last, columns.ra.is_not(None), columns.dec.is_not(None))
            .order_by(columns.id)
            .limit(_ROWS_AT_ONCE)
        )
        rows = connection.execute(statement).all()
        if not rows:
            return
        connection.execute(
            sa.update(_PREDICTION).where(columns.id == sa.bindparam("name")).values(cell=sa.bindparam("new")),
            _with_cells(rows),
        )
        last = rows[-1].id


def _with_cells(rows: Any) -> list[dict[str, Any]]:
    cells = cell_of(np.array([row.ra for row in rows]), np.array([row.dec for row in rows]))
    return [{"name": row.id, "new": int(cell)} for row, cell in zip(rows, cells, strict=True)]
