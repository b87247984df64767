"""How much the candidates of one galaxy differ, pixel by pixel, in the rest frame."""

from typing import Final, NamedTuple

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, REST_WAVE_AA, resample_log_flux

__all__ = ["QUANTILE_LEVELS", "ObservedSpread", "observed_spread", "shifted_spread"]

QUANTILE_LEVELS: Final = (0.16, 0.5, 0.84)


class ObservedSpread(NamedTuple):
    """Spread of the candidates on the observed grid at the shown spectrum's redshift."""

    std: FloatArray
    """(4500,) standard deviation of F_λ; NaN for a single candidate"""
    quantiles: FloatArray
    """(3, 4500) of F_λ at `QUANTILE_LEVELS`"""


def observed_spread(ln_flux_rest: FloatArray, redshift_shown: float) -> ObservedSpread:
    """Take standard deviation and quantiles in the rest frame and carry them to one redshift.

    In the observed frame the same pixel holds different rest wavelengths for each candidate: at Hα, 0.01 in
    redshift is 65 Å, so that a spread taken there would show smeared lines that no candidate has.

    Parameters
    ----------
    ln_flux_rest : (K, 3902) natural logarithm of the absolute F_λ on `REST_WAVE_AA`
    redshift_shown : float

    Returns
    -------
    ObservedSpread
        In the unit of F_λ; NaN where the model does not reach.

    """
    flux = np.exp(ln_flux_rest.astype(np.float64))
    std = flux.std(axis=0, ddof=1) if len(flux) > 1 else np.full(flux.shape[1], np.nan)
    ln_quantiles = np.log(np.quantile(flux, QUANTILE_LEVELS, axis=0, method="weibull"))
    shown = np.full(len(QUANTILE_LEVELS), redshift_shown)
    quantiles = np.exp(resample_log_flux(ln_quantiles, shown, OBSERVED_WAVE_AA))
    # linear, since a spread may be zero
    std_shown = np.interp(OBSERVED_WAVE_AA / (1 + redshift_shown), REST_WAVE_AA, std)
    return ObservedSpread(np.where(np.isnan(quantiles[0]), np.nan, std_shown), quantiles)


def shifted_spread(flux: FloatArray, redshift: FloatArray, redshift_shown: float) -> ObservedSpread:
    """Spread of candidates that are known in the observed frame alone, each at its own redshift.

    Each is shifted to the shown redshift first, for the reason that `observed_spread` gives.

    Parameters
    ----------
    flux : (K, 4500) F_λ on `OBSERVED_WAVE_AA`
    redshift : (K,)
    redshift_shown : that of one of them

    Returns
    -------
    ObservedSpread
        In the unit of F_λ; near the ends over those candidates alone that reach there.

    """
    stretch = (1 + redshift) / (1 + redshift_shown)  # exactly 1 for the shown one: it reaches everywhere
    shifted = [
        np.interp(OBSERVED_WAVE_AA * factor, OBSERVED_WAVE_AA, row, left=np.nan, right=np.nan)
        for factor, row in zip(stretch, flux.astype(np.float64), strict=True)
    ]
    values = np.sort(shifted, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    mean = np.nansum(values, axis=0) / count
    squares = np.nansum((values - mean) ** 2, axis=0)
    std = np.sqrt(np.divide(squares, count - 1, out=np.full(len(mean), np.nan), where=count > 1))
    return ObservedSpread(std, np.stack([_weibull(values, count, level) for level in QUANTILE_LEVELS]))


def _weibull(ordered: FloatArray, count: IntArray, level: float) -> FloatArray:
    """Quantile (L,) of the first `count` (L,) of ascending values (K, L), Weibull positions i / (K + 1)."""
    position = np.clip(level * (count + 1) - 1, 0, count - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, count - 1)
    low, high = (np.take_along_axis(ordered, row[None], axis=0)[0] for row in (below, above))
    quantile: FloatArray = low + (position - below) * (high - low)
    return quantile
