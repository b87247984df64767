"""What may be chosen about a data set of real galaxies, and what the archive calls its files."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fiberless import __version__
from fiberless.astro.bands import BANDS
from fiberless.astro.extinction import EXTINCTION_PER_EBV
from fiberless.contract.manifest import PROMISED_REDSHIFT
from fiberless.sources.sdss.names import FieldName
from fiberless.sources.sdss.names import frame_path as path_of_frame

__all__ = [
    "ARCHIVE_URL",
    "EBV_PER_EXTINCTION_R",
    "PAPER_COVERAGE_LG_AA",
    "QUERY_URL",
    "USER_AGENT",
    "Manners",
    "Selection",
    "SplitRule",
    "frame_path",
    "spectrum_path",
]

ARCHIVE_URL: Final = "https://data.sdss.org/sas/dr16"
QUERY_URL: Final = "https://skyserver.sdss.org/dr16/SkyServerWS/SearchTools/SqlSearch"
USER_AGENT: Final = f"fiberless/{__version__} (training data; stops on request: Retry-After is honoured)"

EBV_PER_EXTINCTION_R: Final = float(1 / EXTINCTION_PER_EBV[BANDS.index("r")])
"""E(B−V) of the SFD map per magnitude of the catalogue's `extinction_r`: 1/2.285, that of DR10 and later; DR9
and older used 1/2.751."""

PAPER_COVERAGE_LG_AA: Final = (3.5901, 3.9499)
"""lg of the wavelengths that a spectrum must reach in the sample of Doorenbos et al. 2024."""


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError(f"{pair[0]:g} must be less than {pair[1]:g}")
    return pair


_Interval = Annotated[tuple[float, float], AfterValidator(_ascending)]


class Selection(BaseModel):
    """Which galaxies are wanted, and which of their spectra are good enough.

    Parameters
    ----------
    redshift : both ends excluded, as in the paper
    min_sn : least median signal-to-noise ratio per pixel of the whole spectrum
    coverage_log_aa : lg Å of the wavelengths that the spectrum must reach
    require_positive : drop spectra with a value ≤ 0 after smoothing with σ = 2 Å, as the paper does
    max_bad_share : largest share of the 4500 pixels that may be masked
    redshift_tolerance : largest difference between catalogue and spectrum file
    limit : galaxies taken, spread evenly over the sorted catalogue; None: all

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    redshift: _Interval = PROMISED_REDSHIFT
    min_sn: float = Field(default=0.0, ge=0)
    coverage_log_aa: _Interval = PAPER_COVERAGE_LG_AA
    require_positive: bool = True
    max_bad_share: float = Field(default=0.1, ge=0, le=1)
    redshift_tolerance: float = Field(default=1e-3, gt=0)
    limit: int | None = Field(default=None, ge=1)


class SplitRule(BaseModel):
    """How galaxies are shared out to training, validation and test.

    `sky`: whole HEALPix cells, drawn by a hash of (seed, cell), so that a cell keeps its part whatever else
    is in the sample. `paper`: at random, int(0.1 N + 512) held out, 512 of them for validation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sky", "paper"] = "sky"
    seed: int = Field(default=1, ge=0)
    nside: int = Field(default=16, ge=1, le=1024)
    validation_share: float = Field(default=0.05, gt=0, lt=1)
    test_share: float = Field(default=0.10, gt=0, lt=1)
    validation_rows: int = Field(default=512, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "SplitRule":
        if self.nside & (self.nside - 1):
            raise ValueError(f"nside must be a power of two, not {self.nside}")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation and test leave nothing to train on")
        return self


class Manners(BaseModel):
    """How hard the archive may be asked, and for how long.

    Parameters
    ----------
    connections : at most so many at once
    requests_per_second : over all connections
    attempts : tries of one file before the run stops
    first_pause_seconds, longest_pause_seconds : pauses between tries double from one to the other
    timeout_seconds : of one read
    skip_unavailable : take a file that never comes for one that the archive lacks, instead of stopping

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(default=4, ge=1, le=16)
    requests_per_second: float = Field(default=5.0, gt=0, le=1000)
    attempts: int = Field(default=6, ge=1)
    first_pause_seconds: float = Field(default=2.0, ge=0)
    longest_pause_seconds: float = Field(default=120.0, ge=0)
    timeout_seconds: float = Field(default=60.0, gt=0)
    skip_unavailable: bool = False


def spectrum_path(*, run2d: str, plate: int, mjd: int, fiber: int) -> Path:
    """Path of a spec-lite file below the archive's root."""
    name = f"spec-{plate:04d}-{mjd:05d}-{fiber:04d}.fits"
    return Path("sdss/spectro/redux", run2d, "spectra/lite", f"{plate:04d}", name)


def frame_path(band: str, *, rerun: str, run: int, camcol: int, field: int) -> Path:
    """Path of a corrected frame below the archive's root."""
    return Path(path_of_frame(band, FieldName(run=run, rerun=int(rerun), camcol=camcol, field=field)))
