"""The tables. Times are seconds since 1970 by the database's clock; changes need a migration beside them."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

__all__ = [
    "API_KEY",
    "BATCH",
    "HEARTBEAT",
    "IDEMPOTENCY",
    "JOB",
    "JOB_EVENT",
    "METADATA",
    "OBJECT",
    "PREDICTION",
]

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
    Column("owner", String(64), nullable=False, server_default=""),
    Column("created", Double, nullable=False),
    Column("object_id", String(128)),
    Column("ra", Double),
    Column("dec", Double),
    Column("redshift", Double),
    Column("model_version", String(64), nullable=False),
    Column("document_key", String(64), nullable=False),
    Column("arrays_key", String(64), nullable=False),
    Column("cutout_key", String(64), nullable=False),
    Column("cell", BigInteger),
    Index(None, "owner", "object_id", "created"),
    Index(None, "owner", "cell"),
)
"""`cell` is the HEALPix cell of the position, see `positions.cell_of`."""

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
    Column("hinted", Double, key="published", nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_owner", String(64), key="lease_token"),
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
    Column("batch_id", String(34)),
    Column("batch_row", Integer),
    Column("row_name", String(128)),
    Column("target_object_id", String(128)),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("suspected", Integer, nullable=False, server_default="0"),
    Index(None, "phase", "published"),
    Index(None, "lease_token"),
    Index(None, "batch_id", "batch_row"),
    Index(None, "batch_id", "phase", "ended"),
    Index(None, "owner", "created"),
    Index(None, "prediction_id"),
)
"""`owner` is the caller; `lease_token` names the claim of the worker that holds the job, and `published` the
time when workers were last told of it. These two have other names in the database."""

JOB_EVENT: Final = Table(
    "job_event",
    METADATA,
    Column("job_id", String(34), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("progress_stage", String(32), nullable=False),
    Column("progress_done", Integer, nullable=False),
    Column("progress_total", Integer, nullable=False),
)
"""What a job was after each change since it was written down; written by `change_jobs` only."""

BATCH: Final = Table(
    "batch",
    METADATA,
    Column("id", String(34), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("queue", String(16), nullable=False),
    Column("created", Double, nullable=False),
    Column("touched", Double, nullable=False),
    Column("options", JSON, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("next_row", Integer, nullable=False),
    Column("idempotency_key", String(255)),
    Column("body_sha256", String(64), nullable=False),
    UniqueConstraint("owner", "idempotency_key"),
    Index(None, "owner", "created"),
    Index(None, "state", "created"),
)
"""Batches; their rows are jobs. `next_row` is the first that was not let into the queue yet."""

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
    Column("owner", String(64), primary_key=True),
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
    Column("trouble", String(256)),
)
"""`trouble` is why the worker took itself out; NULL while it works."""

API_KEY: Final = Table(
    "api_key",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("note", String(128), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("last_used", Double),
)
