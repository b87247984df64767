"""Version 0002: keys that callers show, and whose each prediction and object is."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """To this version; what was there belongs to the caller without a key, whose name is empty."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(length=128), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("last_used", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.add_column("prediction", sa.Column("owner", sa.String(length=64), nullable=False, server_default=""))
    op.create_index(op.f("ix_job_owner_created"), "job", ["owner", "created"], unique=False)
    op.create_index(op.f("ix_job_prediction_id"), "job", ["prediction_id"], unique=False)
    _remake_objects("'' AS owner, object_id, ra, dec, updated", has_owner=True)


def downgrade() -> None:
    """Back to the version before; objects of the caller without a key stay."""
    op.execute("DELETE FROM object WHERE owner <> ''")
    _remake_objects("object_id, ra, dec, updated", has_owner=False)
    op.drop_index(op.f("ix_job_prediction_id"), table_name="job")
    op.drop_index(op.f("ix_job_owner_created"), table_name="job")
    op.drop_column("prediction", "owner")
    op.drop_table("api_key")


def _remake_objects(columns: str, *, has_owner: bool) -> None:
    """Copy the table into one with another primary key, which SQLite cannot change in place."""
    op.execute(f"CREATE TABLE object_copy AS SELECT {columns} FROM object")  # noqa: S608  # our own words
    op.drop_index(op.f("ix_object_dec_ra"), table_name="object")
    op.drop_table("object")
    key = ["owner", "object_id"] if has_owner else ["object_id"]
    op.create_table(
        "object",
        *([sa.Column("owner", sa.String(length=64), nullable=False)] if has_owner else []),
        sa.Column("object_id", sa.String(length=128), nullable=False),
        sa.Column("ra", sa.Double(), nullable=True),
        sa.Column("dec", sa.Double(), nullable=True),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_object")),
    )
    op.create_index(op.f("ix_object_dec_ra"), "object", ["dec", "ra"], unique=False)
    op.execute("INSERT INTO object SELECT * FROM object_copy")
    op.drop_table("object_copy")
