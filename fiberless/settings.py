"""`Settings`: everything that a process of the service reads from its environment, in one place."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Settings of the service; each is read from `FIBERLESS_<NAME>`, and an empty variable counts as unset.

    `PORT` and `DATA_DIR` are honoured as well, since hosting platforms set them.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIBERLESS_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("FIBERLESS_PORT", "PORT", "port"),
        description="Port that the API listens on; 0 takes a free one",
    )
    data_dir: Path = Field(
        default=Path("data"),
        validation_alias=AliasChoices("FIBERLESS_DATA_DIR", "DATA_DIR", "data_dir"),
        description="Folder of the database and the blobs",
    )
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; default: SQLite in data_dir")
    blob_url: str | None = Field(default=None, description="fsspec URL of the blobs; default: data_dir/blobs")
    redis_url: str | None = Field(default=None, description="Broker URL; `serve` starts its own if unset")
    model_store: Path = Field(default=Path("model_store"), description="Folder of model versions")
    default_model: str | None = Field(default=None, description="Version used when a caller names none")
    device: str = Field(default="auto", description="torch device; auto takes CUDA where there is one")
    frames_dir: Path | None = Field(default=None, description="Folder of corrected SDSS frames to cut from")
    batch_size: int = Field(default=16, ge=1, le=1024, description="Jobs predicted together, B")
    batch_wait_seconds: float = Field(default=0.015, ge=0, description="Longest wait for a batch to fill, T")
    lease_seconds: float = Field(default=20.0, gt=0, description="How long a claim holds without renewal")
    max_attempts: int = Field(default=3, ge=1, description="Claims after which a job is given up")
    sweep_seconds: float = Field(default=3.0, gt=0, description="Pause between two sweeps")
    max_upload_bytes: int = Field(default=16 * 2**20, description="Largest request body")
    resend_seconds: float = Field(default=5.0, gt=0, description="Age of a hint after which it is sent again")
    batch_deadline_seconds: float = Field(default=300.0, gt=0, description="A longer batch is taken as hung")
    database_timeout_seconds: float = Field(default=2.0, gt=0, description="Longest wait for a database lock")
    log_format: Literal["console", "json"] = Field(default="console", description="How logs are written")

    @cached_property
    def resolved_database_url(self) -> str:
        """The database to use."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'fiberless.sqlite').resolve()}"

    @cached_property
    def resolved_blob_url(self) -> str:
        """The blob store to use."""
        return self.blob_url or str((self.data_dir / "blobs").resolve())
