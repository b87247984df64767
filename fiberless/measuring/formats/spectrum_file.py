"""`SpectrumFile` and the checks that make one: ascending vacuum wavelengths, flux, errors, notes."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from fiberless.analysis.spectrum import Spectrum
from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.wavelength import air_to_vacuum
from fiberless.errors import UsageError
from fiberless.sources.sdss.spec_file import PipelineValues

__all__ = ["NOT_UNDERSTOOD", "CandidateSpectra", "FoundSpectrum", "Medium", "SpectrumFile", "finished"]

NOT_UNDERSTOOD: Final = "is not understood"
"""What notes say of a card that is there and has no known value."""
_RANGE_AA: Final = (1000.0, 50_000.0)
_MIN_PIXELS: Final = 100
_OTHER_INSTRUMENT: Final = (
    "widths of lines and of the stars' motions assume the resolution of the SDSS spectrographs"
)


class Medium(StrEnum):
    """What wavelengths are measured in."""

    VACUUM = "vacuum"
    """The file says so."""
    SURVEY_VACUUM = "survey_vacuum"
    """All files of the survey are in vacuum, whatever is asked."""
    AIR = "air"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class CandidateSpectra:
    """The candidates of a predicted spectrum.

    Parameters
    ----------
    flux : (K, L) on the spectrum's wavelengths
    redshift : (K,)
    sigma_star_kms : (K,) dispersion of the stars; None where the file does not say

    """

    flux: FloatArray
    redshift: FloatArray
    sigma_star_kms: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class SpectrumFile:
    """What a file held.

    Parameters
    ----------
    name : of the file, without its folder
    spectrum : observed frame, vacuum, 1e-17 erg/(s cm2 Å)
    candidates : of a predicted spectrum, else None
    pipeline : the survey's own results, to be compared with and never measured from
    notes : what had to be assumed
    is_relative : whether the scale of the flux is not that of the unit

    """

    name: str
    spectrum: Spectrum
    candidates: CandidateSpectra | None = None
    pipeline: PipelineValues | None = None
    notes: tuple[str, ...] = ()
    is_relative: bool = False


@dataclass(frozen=True, eq=False)
class FoundSpectrum:
    """A spectrum as it stands in a file, in our units.

    Parameters
    ----------
    wave_aa : (L,) Å in `medium`, in any order
    flux : (L,) 1e-17 erg/(s cm2 Å); NaN where a pixel is not to be used
    error : (L,) standard deviation, not positive where a pixel is not to be used; None if none was given
    medium : of the wavelengths
    notes : what had to be assumed, and what was found and not used
    is_relative : whether the scale of the flux is unknown
    pipeline : the survey's own results

    """

    wave_aa: FloatArray
    flux: FloatArray
    error: FloatArray | None
    medium: Medium = Medium.UNKNOWN
    notes: tuple[str, ...] = field(default=())
    is_relative: bool = False
    pipeline: PipelineValues | None = None


def finished(name: str, found: FoundSpectrum, *, air: bool) -> SpectrumFile:
    """The spectrum in ascending vacuum wavelengths, if it is one.

    Parameters
    ----------
    name : names the spectrum in messages
    found : what stood in the file
    air : whether the caller says that its wavelengths are those in air

    Raises
    ------
    UsageError
        `not-a-spectrum`, `no-valid-pixels`; `invalid-parameter` if a survey's vacuum is said to be air.

    """
    is_air, notes = _medium(name, found, air=air)
    order = _order(name, found)
    wave_aa, flux = found.wave_aa[order].astype(np.float64), found.flux[order]
    bad = ~np.isfinite(flux)
    error = None if found.error is None else found.error[order]
    if error is not None:
        unusable = ~np.isfinite(error) | ~(error > 0)
        error, bad = np.where(unusable, 1.0, error), bad | unusable
    if bad.all() and found.medium is not Medium.SURVEY_VACUUM:
        raise UsageError("no-valid-pixels", f"{name}: no pixel has a flux and a positive error")
    spectrum = Spectrum(air_to_vacuum(wave_aa) if is_air else wave_aa, flux, error, bad)
    if found.medium is not Medium.SURVEY_VACUUM:
        notes.append(_OTHER_INSTRUMENT)
    return SpectrumFile(
        name,
        spectrum,
        pipeline=found.pipeline,
        notes=(*found.notes, *notes),
        is_relative=found.is_relative,
    )


def _medium(name: str, found: FoundSpectrum, *, air: bool) -> tuple[bool, list[str]]:
    match found.medium:
        case Medium.SURVEY_VACUUM if air:
            raise UsageError("invalid-parameter", f"{name} is in vacuum: leave out --air")
        case Medium.SURVEY_VACUUM:
            return False, []
        case Medium.VACUUM if air:
            return True, ["the file says vacuum; taken as wavelengths in air, as asked"]
        case Medium.VACUUM:
            return False, []
        case Medium.AIR:
            return True, ["the file says wavelengths in air: converted to vacuum"]
        case _ if air:
            return True, ["wavelengths in air, as asked: converted to vacuum"]
        case _:
            said = "the file does not say whether its wavelengths are those in vacuum or in air"
            if any(NOT_UNDERSTOOD in note for note in found.notes):
                said = "the medium of the wavelengths is not known"
            return False, [f"{said}: taken as vacuum; --air if they are not"]


def _order(name: str, found: FoundSpectrum) -> IntArray:
    """Indices (L,) that make the wavelengths ascend, if they are wavelengths."""
    wave_aa, flux = found.wave_aa, found.flux
    if np.ndim(flux) != 1 or np.shape(wave_aa) != np.shape(flux):
        raise UsageError("not-a-spectrum", f"{name}: one spectrum a file, not of shape {np.shape(flux)}")
    if wave_aa.size < _MIN_PIXELS or not np.isfinite(wave_aa).all():
        raise UsageError("not-a-spectrum", f"{name}: fewer than {_MIN_PIXELS} known wavelengths")
    order = np.argsort(wave_aa, kind="stable")
    first, last = float(wave_aa[order[0]]), float(wave_aa[order[-1]])
    if not (_RANGE_AA[0] < first and last < _RANGE_AA[1]) or (np.diff(wave_aa[order]) == 0).any():
        shown = f"wavelengths {first:g}–{last:g} are not distinct values in Å"
        raise UsageError("not-a-spectrum", f"{name}: {shown}; another unit must be named")
    return order
