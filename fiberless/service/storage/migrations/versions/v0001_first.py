"""Version 0001: jobs, predictions, objects and heartbeats."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "heartbeat",
        sa.Column("worker_id", sa.String(length=128), nullable=False),
        sa.Column("worker_kind", sa.String(length=16), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "object",
        sa.Column("object_id", sa.String(length=128), nullable=False),
        sa.Column("ra", sa.Double(), nullable=True),
        sa.Column("dec", sa.Double(), nullable=True),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_object")),
    )
    op.create_index(op.f("ix_object_dec_ra"), "object", ["dec", "ra"], unique=False)
    op.create_table(
        "prediction",
        sa.Column("id", sa.String(length=34), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("object_id", sa.String(length=128), nullable=True),
        sa.Column("ra", sa.Double(), nullable=True),
        sa.Column("dec", sa.Double(), nullable=True),
        sa.Column("redshift", sa.Double(), nullable=True),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("document_key", sa.String(length=64), nullable=False),
        sa.Column("arrays_key", sa.String(length=64), nullable=False),
        sa.Column("cutout_key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
    )
    op.create_index(op.f("ix_prediction_dec_ra"), "prediction", ["dec", "ra"], unique=False)
    op.create_index(
        op.f("ix_prediction_object_id_created"), "prediction", ["object_id", "created"], unique=False
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=34), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("hinted", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("target_ra", sa.Double(), nullable=True),
        sa.Column("target_dec", sa.Double(), nullable=True),
        sa.Column("cutout_key", sa.String(length=64), nullable=True),
        sa.Column("progress_stage", sa.String(length=32), nullable=False),
        sa.Column("progress_done", sa.Integer(), nullable=False),
        sa.Column("progress_total", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("prediction_id", sa.String(length=34), nullable=True),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["prediction.id"], name=op.f("fk_job_prediction_id_prediction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_lease_owner"), "job", ["lease_owner"], unique=False)
    op.create_index(op.f("ix_job_phase_hinted"), "job", ["phase", "hinted"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=34), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
            name=op.f("fk_idempotency_key_job_id_job"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_key")),
    )


def downgrade() -> None:
    """Back to the version before."""
    op.drop_table("idempotency_key")
    op.drop_index(op.f("ix_job_phase_hinted"), table_name="job")
    op.drop_index(op.f("ix_job_lease_owner"), table_name="job")
    op.drop_table("job")
    op.drop_index(op.f("ix_prediction_object_id_created"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_dec_ra"), table_name="prediction")
    op.drop_table("prediction")
    op.drop_index(op.f("ix_object_dec_ra"), table_name="object")
    op.drop_table("object")
    op.drop_table("heartbeat")
