"""`Manifest`: what a model version says of itself, and the folder of versions. Needs no torch.

A store is a folder with one folder a version (`manifest.json`, `card.md`, `*.safetensors`, `config.json` per
network) and a text file `DEFAULT` that names the version used when a caller names none.
"""

import hashlib
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fiberless.errors import FatalError, UsageError

__all__ = [
    "PROMISED_REDSHIFT",
    "SAMPLER_STEPS",
    "TRAINED_REDSHIFT",
    "Manifest",
    "file_sha256",
    "list_versions",
    "read_manifest",
    "resolve_version",
    "verify_files",
    "weights_sha256",
]

PROMISED_REDSHIFT: Final = (0.05, 0.15)
"""Redshifts for which a version answers: those of the survey's main sample in Doorenbos et al. 2024."""
TRAINED_REDSHIFT: Final = (0.03, 0.17)
"""Redshifts that a version has seen: a margin of 0.02 beyond what it promises."""
SAMPLER_STEPS: Final = 15
"""Evaluations of the latent denoiser for one set of candidates, unless a version says otherwise."""


class Manifest(BaseModel):
    """Contents of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    family: Literal["latent", "cascade"]
    created: datetime
    bands: tuple[str, ...] = ("u", "g", "r", "i", "z")
    cutout_pixels: int = 64
    pixel_scale_arcsec: float = 0.396
    rest_range_aa: tuple[float, float]
    observed_range_aa: tuple[float, float] = (4000.0, 8499.0)
    redshift_range: tuple[float, float] = Field(description="Promised range, inside what it was trained on")
    r_magnitude_limit: float = Field(description="Faintest r in the 7 arcsec aperture that is promised")
    sampler_steps: int
    n_candidates: int
    cost_per_evaluation: float | None = Field(
        default=None,
        gt=0,
        description="Of the network, one candidate, in those of latent; null: the family's",
    )
    training: dict[str, Any] = Field(description="Data, number of pairs, seed, command, wall time")
    training_data: str = Field(description="One sentence: what the model was trained on")
    metrics: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(description="sha256 of each file beside the manifest")
    weights_sha256: str

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        """No file lies outside of the version's own folder."""
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or path.as_posix() != name:
                raise ValueError(f"{name!r} does not name a file inside the version's folder")
        return files


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def weights_sha256(files: dict[str, str]) -> str:
    """One hash for a set of files: of their names and hashes, in order of name."""
    text = "".join(f"{name}:{files[name]}\n" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(store: Path, version: str) -> Manifest:
    """Manifest of a version.

    Raises
    ------
    UsageError
        `unknown-model` if the store has no such version.
    FatalError
        `model-unavailable` if its manifest cannot be read.

    """
    if version not in list_versions(store):
        known = ", ".join(list_versions(store)) or "none"
        raise UsageError("unknown-model", f"no model {version!r}; there are: {known}")
    path = store / version / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FatalError("model-unavailable", f"{version}/manifest.json: {error}") from error


def list_versions(store: Path) -> list[str]:
    """Names of all versions in a store, sorted."""
    return sorted(path.parent.name for path in store.glob("*/manifest.json"))


def resolve_version(store: Path, version: str | None) -> str:
    """Version that a caller means: the one named, else the store's default.

    Raises
    ------
    UsageError
        `unknown-model` if the caller names one that is not there.
    FatalError
        `model-unavailable` if the store has no default.

    """
    if version is not None:
        return read_manifest(store, version).version
    try:
        return (store / "DEFAULT").read_text().strip()
    except OSError as error:
        raise FatalError("model-unavailable", f"the model store names no default version: {error}") from error


def verify_files(store: Path, manifest: Manifest) -> None:
    """Compare every file of a version with its pinned hash.

    Raises
    ------
    FatalError
        `model-unavailable`, naming the file that is missing or differs.

    """
    for name, pinned in manifest.files.items():
        path = store / manifest.version / name
        if not path.is_file():
            raise FatalError("model-unavailable", f"{manifest.version}/{name} is missing")
        if file_sha256(path) != pinned:
            raise FatalError(
                "model-unavailable", f"{manifest.version}/{name} does not match its pinned sha256"
            )
    if weights_sha256(manifest.files) != manifest.weights_sha256:
        raise FatalError("model-unavailable", f"{manifest.version}: weights_sha256 does not match its files")
