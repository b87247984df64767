"""The tables. Times are seconds since 1970 by the database's clock; changes need a migration beside them."""

from typing import Final

from sqlalchemy import (
    JSON,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

__all__ = ["HEARTBEAT", "IDEMPOTENCY", "JOB", "METADATA", "OBJECT", "PREDICTION"]

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PREDICTION: Final = Table(
    "prediction",
    METADATA,
    Column("id", String(34), primary_key=True),
    Column("created", Double, nullable=False),
    Column("object_id", String(128)),
    Column("ra", Double),
    Column("dec", Double),
    Column("redshift", Double),
    Column("model_version", String(64), nullable=False),
    Column("document_key", String(64), nullable=False),
    Column("arrays_key", String(64), nullable=False),
    Column("cutout_key", String(64), nullable=False),
    Index(None, "object_id", "created"),
    Index(None, "dec", "ra"),
)

JOB: Final = Table(
    "job",
    METADATA,
    Column("id", String(34), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("queue", String(16), nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("hinted", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", Double),
    Column("options", JSON, nullable=False),
    Column("target_ra", Double),
    Column("target_dec", Double),
    Column("cutout_key", String(64)),
    Column("progress_stage", String(32), nullable=False),
    Column("progress_done", Integer, nullable=False),
    Column("progress_total", Integer, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("prediction_id", String(34), ForeignKey("prediction.id")),
    Index(None, "phase", "hinted"),
    Index(None, "lease_owner"),
)

IDEMPOTENCY: Final = Table(
    "idempotency_key",
    METADATA,
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("job_id", String(34), ForeignKey("job.id", deferrable=True, initially="DEFERRED"), nullable=False),
)

OBJECT: Final = Table(
    "object",
    METADATA,
    Column("object_id", String(128), primary_key=True),
    Column("ra", Double),
    Column("dec", Double),
    Column("updated", Double, nullable=False),
    Index(None, "dec", "ra"),
)

HEARTBEAT: Final = Table(
    "heartbeat",
    METADATA,
    Column("worker_id", String(128), primary_key=True),
    Column("worker_kind", String(16), nullable=False),
    Column("seen", Double, nullable=False),
)
