"""Lick indices at the resolution of the Lick/IDS spectra, and of stars at rest where motions are known."""

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.fft
from astropy.table import Table

from fiberless.analysis.indices.lick import LickValues, index_bands, lick_indices
from fiberless.analysis.lines.continuum import FIT_EDGES_AA, FIT_WAVE_AA
from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.reported import without_lines
from fiberless.analysis.lines.templates import VELOCITY_STEP_KMS
from fiberless.analysis.rebinning import PixelFlux, bin_edges
from fiberless.analysis.redshift.noise import seen_again
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import (
    FWHM_PER_SIGMA,
    LIGHT_SPEED_KMS,
    PIXEL_KMS,
    TEMPLATE_WAVE_AA,
    air_to_vacuum,
    sigma_instrument_kms,
    sigma_library_kms,
)

__all__ = [
    "broaden_variably",
    "dispersion_corrections",
    "lick_sigma_kms",
    "lick_system_scatter",
    "lick_system_values",
]

_NODES: Final = 4
_MIN_COVERAGE: Final = 0.5
_EXCESS_KMS: Final = np.array([0.0, 80.0, 160.0, 240.0, 320.0, 400.0])
_OLD_GYR: Final = 2.0
_MIN_METALLICITY: Final = -0.5
_CHANGES_SIGN: Final = frozenset({"HdeltaA", "HdeltaF", "HgammaA", "HgammaF"})
"""Indices in Å that are corrected by a difference, as those in mag are; the others by a factor."""


def lick_sigma_kms(wave_rest_aa: FloatArray) -> FloatArray:
    """Dispersion σ of the Lick/IDS spectra in km/s at vacuum wavelengths (P,).

    FWHM linear in `tables/lick_resolution.ecsv` (Worthey & Ottaviani 1997, ApJS 111, 377, table 8), constant
    beyond its ends.
    """
    wave_aa, fwhm_aa = _resolution()
    fwhm = np.interp(wave_rest_aa, wave_aa, fwhm_aa)
    sigma: FloatArray = fwhm / FWHM_PER_SIGMA / wave_rest_aa * LIGHT_SPEED_KMS
    return sigma


def lick_system_values(
    pixels: PixelFlux,
    redshift: FloatArray,
    fit: SpectralFit,
    *,
    sigma_star_kms: FloatArray | None = None,
    resampling_kms: float = 0.0,
) -> LickValues:
    """Indices and composites of N spectra less their emission, broadened to the Lick resolution.

    With σ* the stars' motions count as resolution that the spectrum has lost already: it is broadened by
    less, and where it is broader than the Lick spectra even so, the index is corrected by what broadening
    does to old populations of the library. The result is that of stars at rest at the Lick resolution.
    Without σ*, the stars' motions come on top of it. The spectra keep their flux calibration: no offset to
    the Lick system's own, uncalibrated continua is applied.

    Parameters
    ----------
    pixels : N spectra, observed frame
    redshift : (N,)
    fit : of the same spectra; its continuum stands in for pixels that are missing
    sigma_star_kms : (N,) or None
    resampling_kms : as in `lines.fit.fit_spectra`

    Returns
    -------
    LickValues with composites, without errors; NaN where less than 95 % of a band is valid

    """
    flux, valid = _stars_at_rest(pixels, redshift, fit)
    return _system_values(flux, valid, redshift, sigma_star_kms, resampling_kms)


def lick_system_scatter(
    pixels: PixelFlux,
    redshift: FloatArray,
    fit: SpectralFit,
    *,
    rng: np.random.Generator,
    draws: int,
    sigma_star_kms: FloatArray | None = None,
    resampling_kms: float = 0.0,
) -> LickValues:
    """Values (draws,) of `lick_system_values` for one spectrum with its noise added again and again.

    Emission is fitted anew in each: its Gaussian takes much of the noise inside Hβ and Hγ with it.

    Parameters
    ----------
    pixels : one spectrum with an inverse variance
    redshift : (1,)
    fit : of that spectrum, for the velocity of its gas
    rng, draws : source and number of the noise realisations
    sigma_star_kms, resampling_kms : as there

    """
    again, z = seen_again(pixels, rng, count=draws), np.repeat(redshift, draws)
    velocity_kms = VELOCITY_STEP_KMS * round(float(fit.velocity_kms[0]) / VELOCITY_STEP_KMS)
    fits = fit_spectra(again, z, velocities_kms=(velocity_kms,), resampling_kms=resampling_kms)
    stars = None if sigma_star_kms is None else np.repeat(sigma_star_kms, draws)
    return lick_system_values(again, z, fits, sigma_star_kms=stars, resampling_kms=resampling_kms)


def broaden_variably(flux: FloatArray, sigma_kms: FloatArray) -> FloatArray:
    """Convolve with Gaussians whose width changes along the spectrum.

    Each spectrum is convolved with four Gaussians that span its range of σ² and interpolated in σ². Ends are
    mirrored.

    Parameters
    ----------
    flux : (N, P) on a logarithmic grid of 69 km/s
    sigma_kms : (N, P)

    """
    variance = (sigma_kms / PIXEL_KMS) ** 2
    low, high = variance.min(axis=1, keepdims=True), variance.max(axis=1, keepdims=True) + 1e-6
    transform = scipy.fft.rfft(np.concatenate([flux, flux[:, ::-1]], axis=1), axis=1)
    k2 = np.pi**2 * np.linspace(0, 1, transform.shape[1]) ** 2
    position = (variance - low) / (high - low) * (_NODES - 1)
    result = np.zeros_like(flux)
    for node in range(_NODES):
        kernel = np.exp(-0.5 * (low + (high - low) * node / (_NODES - 1)) * k2)
        smooth = scipy.fft.irfft(transform * kernel, n=2 * flux.shape[1], axis=1)[:, : flux.shape[1]]
        result += np.clip(1 - np.abs(position - node), 0.0, None) * smooth
    return result


@cache
def dispersion_corrections() -> MappingProxyType[str, FloatArray]:
    """What takes an index of stars that are broader than the Lick resolution back to it.

    Medians over the packaged populations older than 2 Gyr with [M/H] > −0.5.

    Returns
    -------
    {index: (6,)} at broadenings of 0, 80, … 400 km/s beyond the Lick resolution: factors, or for molecular
    bands and Hδ, Hγ differences to be added

    """
    ssp = load_ssp()
    rows = ssp.flux[ssp.log_z_solar > _MIN_METALLICITY][:, ssp.age_gyr > _OLD_GYR]
    flux = rows.reshape(-1, TEMPLATE_WAVE_AA.size).astype(np.float64)
    missing = lick_sigma_kms(TEMPLATE_WAVE_AA) ** 2 - sigma_library_kms(TEMPLATE_WAVE_AA) ** 2
    values = [_library_indices(flux, np.sqrt(missing + excess**2)) for excess in _EXCESS_KMS]
    return MappingProxyType(
        {
            name: np.array([_change(name, values[0][:, i], broad[:, i]) for broad in values])
            for i, name in enumerate(index_bands())
        }
    )


def _change(name: str, value: FloatArray, broad: FloatArray) -> float:
    return float(np.median(value - broad if _is_added(name) else value / broad))


def _system_values(
    flux: FloatArray,
    valid: BoolArray,
    redshift: FloatArray,
    sigma_star_kms: FloatArray | None,
    resampling_kms: float,
) -> LickValues:
    z = np.where(np.isfinite(redshift), redshift, 0.0)
    own = sigma_instrument_kms(FIT_WAVE_AA * (1 + z[:, None])) ** 2 + resampling_kms**2
    if sigma_star_kms is not None:
        own = own + np.asarray(sigma_star_kms)[:, None] ** 2
    missing = lick_sigma_kms(FIT_WAVE_AA) ** 2 - own
    smooth = broaden_variably(flux, np.sqrt(np.clip(missing, 0.0, None)))
    at_rest = PixelFlux(FIT_EDGES_AA, smooth, valid, None)
    found = lick_indices(at_rest, np.where(np.isfinite(redshift), 0.0, np.nan))
    if sigma_star_kms is not None:
        corrected = [_corrected(name, found.of(name), missing) for name in found.names]
        found = LickValues(found.names, np.stack(corrected, axis=-1), None)
    return found.with_composites()


def _corrected(name: str, value: FloatArray, missing_kms2: FloatArray) -> FloatArray:
    middle = int(np.searchsorted(FIT_WAVE_AA, index_bands()[name].feature_aa.mean()))
    excess = np.sqrt(np.clip(-missing_kms2[:, middle], 0.0, None))
    change = np.interp(excess, _EXCESS_KMS, dispersion_corrections()[name])
    return value + change if _is_added(name) else value * change


def _is_added(name: str) -> bool:
    return name in _CHANGES_SIGN or index_bands()[name].unit == "mag"


def _stars_at_rest(pixels: PixelFlux, redshift: FloatArray, fit: SpectralFit) -> tuple[FloatArray, BoolArray]:
    """Starlight (N, P) on the rest-frame grid, gaps filled by the fit, and where it was seen."""
    z = np.where(np.isfinite(redshift), redshift, 0.0)
    binned = without_lines(pixels, fit, redshift).rebin(FIT_EDGES_AA * (1 + z[:, None]))
    valid: BoolArray = binned.coverage >= _MIN_COVERAGE
    return np.where(valid, binned.flux, fit.continuum), valid


def _library_indices(flux: FloatArray, sigma_kms: FloatArray) -> FloatArray:
    smooth = broaden_variably(flux, np.broadcast_to(sigma_kms, flux.shape))
    pixels = PixelFlux(bin_edges(TEMPLATE_WAVE_AA), smooth, np.ones(flux.shape, dtype=bool), None)
    return lick_indices(pixels, np.zeros(len(flux))).value


@cache
def _resolution() -> tuple[FloatArray, FloatArray]:
    path = files("fiberless.analysis") / "tables" / "lick_resolution.ecsv"
    table = Table.read(str(path), format="ascii.ecsv")
    return air_to_vacuum(np.array(table["wavelength"])), np.array(table["fwhm"], dtype=np.float64)
