"""The survey's spectrum files, full and lite: the co-added spectrum, and what the pipeline says of it."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from fiberless.arrays import FloatArray, IntArray
from fiberless.errors import UsageError

__all__ = ["BRIGHT_SKY", "PipelineLine", "PipelineValues", "SdssSpectrum", "is_sdss", "read_sdss"]

BRIGHT_SKY: Final = 1 << 23
"""Bit of `and_mask`: sky too bright for its subtraction in all exposures; the pipeline skips such pixels."""
_FAULTS: Final = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError)


class PipelineLine(NamedTuple):
    """Flux of a line and its error, 1e-17 erg/(s cm2); the error is not positive if the fit failed."""

    flux: float
    error: float


@dataclass(frozen=True)
class PipelineValues:
    """The pipeline's own results.

    Parameters
    ----------
    kind : GALAXY, QSO or STAR
    redshift, warning : with ZWARNING
    sigma_kms, sigma_error_kms : stellar velocity dispersion; 0 where not measured
    synthetic_nmgy : (5,) the spectrum through the five bands; empty in files that do not say
    lines : by the pipeline's names, e.g. "H_alpha"; empty in files without line fits

    """

    kind: str
    redshift: float
    warning: int
    sigma_kms: float
    sigma_error_kms: float
    synthetic_nmgy: tuple[float, ...]
    lines: dict[str, PipelineLine]


@dataclass(frozen=True, eq=False)
class SdssSpectrum:
    """A co-added spectrum as the survey gives it.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (L,) 1e-17 erg/(s cm2 Å)
    ivar : (L,) inverse variance, 0 where a pixel is not to be used
    and_mask : (L,) bits set in all exposures; zeros in files without
    header : of the primary HDU
    pipeline : None in files without HDU 2

    """

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    and_mask: IntArray
    header: fits.Header
    pipeline: PipelineValues | None


def is_sdss(hdus: fits.HDUList) -> bool:
    """Whether HDU 1 is the table of a spec file."""
    names = getattr(getattr(hdus[1], "columns", None), "names", None) if len(hdus) > 1 else None
    return {"loglam", "flux", "ivar"} <= {str(name).lower() for name in names or ()}


def read_sdss(path: Path) -> SdssSpectrum:
    """Read a spec or spec-lite file.

    Raises
    ------
    UsageError
        `not-a-spectrum` if the file is not one.

    """
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning), fits.open(path) as hdus:
            coadd = hdus[1].data
            flux = coadd["flux"].astype(np.float64)
            has_mask = "and_mask" in hdus[1].columns.names
            return SdssSpectrum(
                wave_aa=10 ** coadd["loglam"].astype(np.float64),
                flux=flux,
                ivar=coadd["ivar"].astype(np.float64),
                and_mask=coadd["and_mask"].astype(np.int64) if has_mask else np.zeros(flux.shape, np.int64),
                header=hdus[0].header.copy(),
                pipeline=_pipeline(hdus),
            )
    except _FAULTS as error:
        raise UsageError("not-a-spectrum", f"{path.name}: {error}") from error


def _pipeline(hdus: fits.HDUList) -> PipelineValues | None:
    if len(hdus) < 3 or "CLASS" not in hdus[2].columns.names:
        return None
    row, names = hdus[2].data[0], set(hdus[2].columns.names)
    return PipelineValues(
        kind=str(row["CLASS"]).strip(),
        redshift=float(row["Z"]),
        warning=int(row["ZWARNING"]),
        sigma_kms=float(row["VDISP"]) if "VDISP" in names else 0.0,
        sigma_error_kms=float(row["VDISP_ERR"]) if "VDISP_ERR" in names else 0.0,
        synthetic_nmgy=tuple(map(float, row["SPECTROFLUX"])) if "SPECTROFLUX" in names else (),
        lines=_lines(hdus),
    )


def _lines(hdus: fits.HDUList) -> dict[str, PipelineLine]:
    """Line fits of HDU 3; files without them hold single exposures there, or nothing."""
    columns: Any = getattr(hdus[3], "columns", None) if len(hdus) > 3 else None
    if columns is None or "LINEAREA" not in columns.names:
        return {}
    return {
        str(row["LINENAME"]).strip(): PipelineLine(float(row["LINEAREA"]), float(row["LINEAREA_ERR"]))
        for row in hdus[3].data
    }
