"""Version 0003: batches of targets, and what each job went through."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """To this version."""
    _add_batches()
    _add_job_events()


def downgrade() -> None:
    """Back to the version before."""
    _drop_job_events()
    _drop_batches()


def _add_batches() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.String(length=34), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("touched", sa.Double(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("next_row", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("owner", "idempotency_key", name=op.f("uq_batch_owner_idempotency_key")),
    )
    op.create_index(op.f("ix_batch_owner_created"), "batch", ["owner", "created"], unique=False)
    op.create_index(op.f("ix_batch_state_created"), "batch", ["state", "created"], unique=False)
    op.add_column("job", sa.Column("batch_id", sa.String(length=34), nullable=True))
    op.add_column("job", sa.Column("batch_row", sa.Integer(), nullable=True))
    op.add_column("job", sa.Column("row_name", sa.String(length=128), nullable=True))
    op.create_index(op.f("ix_job_batch_id_batch_row"), "job", ["batch_id", "batch_row"], unique=False)
    op.create_index(op.f("ix_job_batch_id_phase_ended"), "job", ["batch_id", "phase", "ended"], unique=False)


def _drop_batches() -> None:
    op.drop_index(op.f("ix_job_batch_id_phase_ended"), table_name="job")
    op.drop_index(op.f("ix_job_batch_id_batch_row"), table_name="job")
    for name in ("row_name", "batch_row", "batch_id"):
        op.drop_column("job", name)
    op.drop_index(op.f("ix_batch_state_created"), table_name="batch")
    op.drop_index(op.f("ix_batch_owner_created"), table_name="batch")
    op.drop_table("batch")


def _add_job_events() -> None:
    op.add_column("job", sa.Column("target_object_id", sa.String(length=128), nullable=True))
    op.add_column("job", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "job_event",
        sa.Column("job_id", sa.String(length=34), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress_stage", sa.String(length=32), nullable=False),
        sa.Column("progress_done", sa.Integer(), nullable=False),
        sa.Column("progress_total", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "revision", name=op.f("pk_job_event")),
    )


def _drop_job_events() -> None:
    op.drop_table("job_event")
    for name in ("revision", "target_object_id"):
        op.drop_column("job", name)
