"""`Settings`: everything that a process of the service reads from its environment, in one place."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fiberless.contract.model_stores import model_store

__all__ = ["LOOPBACK", "CutoutSourceName", "Settings"]

CutoutSourceName: TypeAlias = Literal["archive", "frames", "sdss", "hips"]

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Addresses that this machine alone reaches."""


def _words(value: Any) -> Any:
    """Words of a text with commas; `none` for no word."""
    if not isinstance(value, str):
        return value
    return () if value.strip() == "none" else tuple(word.strip() for word in value.split(","))


_AS_TEXT: Final = (
    NoDecode,
    BeforeValidator(_words),
    PlainSerializer(lambda words: None if words is None else ",".join(words) or "none"),
)


class Settings(BaseSettings):
    """Settings of the service; each is read from `FIBERLESS_<NAME>`, and an empty variable counts as unset.

    `PORT` and `DATA_DIR` are honoured as well, since hosting platforms set them.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIBERLESS_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    published_host: str | None = Field(
        default=None, description="Address at which callers reach the API, if not host; for containers"
    )
    access: Literal["auto", "keys", "anonymous"] = Field(
        default="auto",
        description="Who may call: holders of keys, anyone, or auto: anyone on loopback only",
    )
    allowed_hosts: Annotated[tuple[str, ...] | None, *_AS_TEXT] = Field(
        default=None,
        description="Names that callers know the API by, with commas; default: on loopback without keys the "
        "loopback names, host and published_host, else any",
    )
    trusted_proxies: Annotated[tuple[str, ...], *_AS_TEXT] = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-* is believed, with commas",
    )
    rate_limit_per_minute: int | None = Field(
        default=None, ge=0, description="Requests of one caller; 0: no limit; default: 600 off loopback"
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("FIBERLESS_PORT", "PORT", "port"),
        description="Port that the API listens on; 0 takes a free one",
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~@%+=-]+)*/?$",
        description="Path under which a proxy shows the service, e.g. /fiberless; default: as a proxy on "
        "this machine says in X-Forwarded-Prefix",
    )
    data_dir: Path = Field(
        default=Path("data"),
        validation_alias=AliasChoices("FIBERLESS_DATA_DIR", "DATA_DIR", "data_dir"),
        description="Folder of the database and the blobs",
    )
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; default: SQLite in data_dir")
    blob_url: str | None = Field(default=None, description="fsspec URL of the blobs; default: data_dir/blobs")
    redis_url: str | None = Field(default=None, description="Broker URL; `serve` starts its own if unset")
    model_store: Path = Field(
        default_factory=model_store,
        description="Folder of model versions; default: beside the package, else the user's own",
    )
    default_model: str | None = Field(default=None, description="Version used when a caller names none")
    device: str = Field(default="auto", description="torch device; auto takes CUDA where there is one")
    frames_dir: Path | None = Field(default=None, description="Folder of corrected SDSS frames to cut from")
    archive_dir: Path | None = Field(default=None, description="Folder of cutouts, or of a shard set")
    cutout_sources: Annotated[tuple[CutoutSourceName, ...] | None, *_AS_TEXT] = Field(
        default=None,
        description="Where images of positions come from, in order: archive, frames, sdss, hips, or none; "
        "default: the folders that are set, else sdss,hips",
    )
    sdss_url: str = Field(
        default="https://data.sdss.org/sas/dr17", description="Root of an SDSS data release, or of a mirror"
    )
    hips_url: str = Field(
        default="https://alasky.cds.unistra.fr/hips-image-services/hips2fits",
        description="hips2fits service of the source hips",
    )
    survey_hosts: Annotated[tuple[str, ...] | None, *_AS_TEXT] = Field(
        default=None,
        description="All servers that images may be fetched from, as https://host[:port], with commas; "
        "default: data.sdss.org, alasky.cds.unistra.fr and, for names, cds.unistra.fr",
    )
    sesame_url: str = Field(
        default="https://cds.unistra.fr/cgi-bin/nph-sesame",
        description="Sesame, which resolves names of objects",
    )
    survey_cache_dir: Path | None = Field(
        default=None, description="Folder of fetched frames; default: data_dir/survey"
    )
    survey_cache_bytes: int = Field(
        default=8 * 2**30, ge=2**26, description="Size above which the longest unused frames are removed"
    )
    batch_size: int = Field(default=16, ge=1, le=1024, description="Jobs predicted together, B")
    batch_wait_seconds: float = Field(default=0.015, ge=0, description="Longest wait for a batch to fill, T")
    lease_seconds: float = Field(default=20.0, gt=0, description="How long a claim holds without renewal")
    max_queued: int = Field(default=2000, ge=1, description="Most jobs that may wait, those of batches apart")
    max_queued_per_owner: int | None = Field(
        default=None,
        ge=1,
        description="Most jobs of one owner that may wait; default: half of max_queued where keys are needed",
    )
    max_waiting_rows_per_owner: int = Field(
        default=400_000,
        ge=1,
        description="Rows of one owner's batches that wait, above which none is accepted",
    )
    max_cost: float = Field(
        default=1e6,
        gt=0,
        description="Most that one prediction may cost: evaluations of the network by candidates, one of the "
        "cascade family counted as 200",
    )
    max_attempts: int = Field(default=3, ge=1, description="Claims after which a job is given up")
    sweep_seconds: float = Field(default=3.0, gt=0, description="Pause between two sweeps")
    max_upload_bytes: int = Field(default=16 * 2**20, description="Largest request body")
    max_batch_bytes: int = Field(default=64 * 2**20, description="Largest request body of a batch")
    max_batch_rows: int = Field(default=200_000, ge=1, description="Most rows of a batch")
    max_batch_files: int = Field(default=1000, ge=1, description="Most FITS files of a batch")
    table_memory_bytes: int = Field(
        default=2**29, ge=2**26, description="Memory that reading one table or list may take"
    )
    table_cpu_seconds: int = Field(
        default=20, ge=1, description="Processor time that reading one table or list may take"
    )
    batch_queue_rows: int = Field(
        default=1000, ge=1, description="Rows of batches that wait in a queue; the others wait for room in it"
    )
    resend_seconds: float = Field(
        default=5.0, gt=0, description="Age of a message after which it is sent again"
    )
    batch_deadline_seconds: float = Field(
        default=300.0,
        gt=0,
        description="A longer batch is taken as hung; longer for batches that cost more than max_cost",
    )
    database_timeout_seconds: float = Field(default=2.0, gt=0, description="Longest wait for a database lock")
    keep_jobs_days: float | None = Field(
        default=None, gt=0, description="Age after its end at which `purge` forgets a job; default: never"
    )
    keep_predictions_days: float | None = Field(
        default=None, gt=0, description="Age at which `purge` forgets a prediction; default: never"
    )
    blob_grace_hours: float = Field(
        default=24.0, ge=1, description="`purge` leaves younger blobs alone: a submission may be under way"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="How logs are written")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the API."""
        return (self.published_host or self.host) in LOOPBACK

    @property
    def needs_keys(self) -> bool:
        """Whether a caller must show a key."""
        return self.access == "keys" or (self.access == "auto" and not self.is_loopback)

    @property
    def resolved_allowed_hosts(self) -> frozenset[str] | None:
        """Names that the API may be called by; None lets any pass."""
        known = LOOPBACK | {self.host, self.published_host or self.host}
        if self.allowed_hosts is not None:
            return known | frozenset(self.allowed_hosts)
        return known if self.is_loopback and not self.needs_keys else None

    @property
    def resolved_rate_limit_per_minute(self) -> int:
        """Requests that one caller may make in a minute; 0 means no limit."""
        if self.rate_limit_per_minute is not None:
            return self.rate_limit_per_minute
        return 600 if self.needs_keys or not self.is_loopback else 0

    @property
    def resolved_max_queued_per_owner(self) -> int:
        """Jobs of one owner that may wait."""
        if self.max_queued_per_owner is not None:
            return self.max_queued_per_owner
        return max(1, self.max_queued // 2) if self.needs_keys else self.max_queued

    @cached_property
    def resolved_database_url(self) -> str:
        """The database to use."""
        return self.database_url or f"sqlite:///{quote(str((self.data_dir / 'fiberless.sqlite').resolve()))}"

    @cached_property
    def resolved_blob_url(self) -> str:
        """The blob store to use."""
        return self.blob_url or str((self.data_dir / "blobs").resolve())

    @cached_property
    def resolved_cutout_sources(self) -> tuple[CutoutSourceName, ...]:
        """The sources of images to use, in order."""
        if self.cutout_sources is not None:
            return self.cutout_sources
        folders: dict[CutoutSourceName, Path | None] = {
            "archive": self.archive_dir,
            "frames": self.frames_dir,
        }
        return tuple(name for name, folder in folders.items() if folder) or ("sdss", "hips")

    @cached_property
    def resolved_survey_hosts(self) -> tuple[str, ...]:
        """The servers that images may be fetched from."""
        return self.survey_hosts or (
            "https://data.sdss.org",
            "https://alasky.cds.unistra.fr",
            "https://cds.unistra.fr",
        )

    @cached_property
    def resolved_survey_cache_dir(self) -> Path:
        """The folder of fetched frames to use."""
        return self.survey_cache_dir or self.data_dir / "survey"
