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

__all__ = [
    "BRIGHT_SKY",
    "PipelineLine",
    "PipelineValues",
    "SdssSpectrum",
    "is_sdss",
    "read_sdss",
    "sdss_spectrum",
]

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
    pipeline : None in files without the pipeline's results
    notes : what was found and is not understood

    """

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    and_mask: IntArray
    header: fits.Header
    pipeline: PipelineValues | None
    notes: tuple[str, ...] = ()


def is_sdss(hdus: fits.HDUList) -> bool:
    """Whether HDU 1 is the table of a spec file, and of no other survey or program that uses its names."""
    names = {name.lower() for name in _names(hdus[1])} if len(hdus) > 1 else set()
    is_foreign = "mask" in names or "LAMOST" in str(hdus[0].header.get("TELESCOP", "")).upper()
    return {"loglam", "flux", "ivar"} <= names and not is_foreign


def read_sdss(path: Path) -> SdssSpectrum:
    """Read a spec or spec-lite file.

    Raises
    ------
    UsageError
        `not-a-spectrum` if the file is not one.

    """
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning), fits.open(path) as hdus:
            return sdss_spectrum(hdus)
    except _FAULTS as error:
        raise UsageError("not-a-spectrum", f"{path.name}: {error}") from error


def sdss_spectrum(hdus: fits.HDUList) -> SdssSpectrum:
    """Spectrum of an open spec file; the pipeline's results are optional, wherever they stand."""
    coadd = hdus[1].data
    flux = coadd["flux"].astype(np.float64)
    names = {str(name).lower() for name in hdus[1].columns.names}
    pipeline, notes = _pipeline(hdus)
    return SdssSpectrum(
        wave_aa=10 ** coadd["loglam"].astype(np.float64),
        flux=flux,
        ivar=coadd["ivar"].astype(np.float64),
        and_mask=(
            coadd["and_mask"].astype(np.int64) if "and_mask" in names else np.zeros(flux.shape, np.int64)
        ),
        header=hdus[0].header.copy(),
        pipeline=pipeline,
        notes=notes,
    )


def _pipeline(hdus: fits.HDUList) -> tuple[PipelineValues | None, tuple[str, ...]]:
    """Values of the first table with CLASS and Z, and what of it is not understood."""
    for hdu in hdus[2:]:
        names = _names(hdu)
        if not {"CLASS", "Z"} <= names or not hdu.header.get("NAXIS2", 0):
            continue
        row = hdu.data[0]
        try:
            return _values(row, names, _lines(hdus)), ()
        except _FAULTS as error:
            note = f"the pipeline's values in {hdu.name or 'HDU 2'} are not understood: {error}"
            return None, (note,)
    return None, ()


def _names(hdu: Any) -> set[str]:
    # from the cards: the columns themselves are slow to make, and files have many tables
    header = hdu.header
    return {str(header.get(f"TTYPE{i + 1}", "")).strip().upper() for i in range(header.get("TFIELDS", 0))}


def _values(row: Any, names: set[str], lines: dict[str, PipelineLine]) -> PipelineValues:
    return PipelineValues(
        kind=str(row["CLASS"]).strip(),
        redshift=float(row["Z"]),
        warning=int(row["ZWARNING"]) if "ZWARNING" in names else 0,
        sigma_kms=float(row["VDISP"]) if "VDISP" in names else 0.0,
        sigma_error_kms=float(row["VDISP_ERR"]) if "VDISP_ERR" in names else 0.0,
        synthetic_nmgy=tuple(map(float, row["SPECTROFLUX"])) if "SPECTROFLUX" in names else (),
        lines=lines,
    )


def _lines(hdus: fits.HDUList) -> dict[str, PipelineLine]:
    """Line fits of the first table that has any; lite and later files may have none."""
    table: Any = next((hdu for hdu in hdus[2:] if {"LINENAME", "LINEAREA"} <= _names(hdu)), None)
    if table is None:
        return {}
    return {
        str(row["LINENAME"]).strip(): PipelineLine(float(row["LINEAREA"]), float(row["LINEAREA_ERR"]))
        for row in table.data
    }
