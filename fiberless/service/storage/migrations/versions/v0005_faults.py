"""Version 0005: jobs that were at hand when a device broke, and why a worker took itself out."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """To this version."""
    op.add_column("job", sa.Column("suspected", sa.Integer(), server_default="0", nullable=False))
    op.add_column("heartbeat", sa.Column("trouble", sa.String(length=256), nullable=True))


def downgrade() -> None:
    """Back to the version before."""
    op.drop_column("heartbeat", "trouble")
    op.drop_column("job", "suspected")
