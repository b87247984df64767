"""Compares a prediction with its own image: synthetic colours of the spectrum against aperture colours.

The only test that a real image without a spectrum allows, and one that no training on magnitudes makes
trivial: the colours must come out of the decoded spectrum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS, covered_fraction, magnitude, synthetic_nmgy
from fiberless.astro.extinction import transmission
from fiberless.astro.wavelength import REST_WAVE_AA, resample_log_flux
from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.images.apertures import aperture_nmgy
from fiberless.images.cutout import Cutout
from fiberless.inference.conditioning import prepare
from fiberless.inference.latent import LatentFamily

__all__ = ["ColourComparison", "colour_table", "compare_colours"]

_FIBRE_RADIUS_ARCSEC = 1.5
_WIDE_WAVE_AA = np.arange(3500.0, 9800.0, 2.0)


@dataclass(frozen=True)
class ColourComparison:
    """Colours of one galaxy.

    Parameters
    ----------
    image : g−r and r−i in the 3" aperture of the image, corrected for Galactic extinction
    predicted : the same of the predicted spectra, median over the candidates
    redshift : 16, 50 and 84 % quantiles over the candidates
    covered : share of the response of g and i inside the decoded range, at the median redshift
    """

    image: tuple[float, float]
    predicted: tuple[float, float]
    redshift: tuple[float, float, float]
    covered: tuple[float, float]


def compare_colours(
    family: LatentFamily,
    cutout: Cutout,
    *,
    steps: int,
    ebv: float = 0.0,
    n_candidates: int = DEFAULT_CANDIDATES,
    seed: int = 0,
) -> ColourComparison:
    """Predict one galaxy and compare its colours, decoded over the whole rest-frame basis.

    Parameters
    ----------
    ebv : Galactic E(B−V) in mag that the image is corrected for, before either is looked at

    """
    conditions = prepare([cutout], [ebv])
    drawn = family.candidates(conditions, [(seed, cutout.sha256)], n=n_candidates, steps=steps)
    redshift = drawn.redshift[0]
    flux = np.exp(resample_log_flux(drawn.ln_flux[0], redshift, _WIDE_WAVE_AA))
    predicted = _colours(synthetic_nmgy(_WIDE_WAVE_AA, np.nan_to_num(flux)))
    aperture = aperture_nmgy(cutout.flux_nmgy[None], radii_arcsec=(_FIBRE_RADIUS_ARCSEC,))[0, :, 0]
    aperture = aperture / transmission(ebv)
    observed = REST_WAVE_AA * (1 + np.median(redshift))
    return ColourComparison(
        image=_pair(_colours(aperture)),
        predicted=_pair(np.median(predicted, axis=0)),
        redshift=tuple(np.quantile(redshift, [0.16, 0.5, 0.84], method="weibull").tolist()),
        covered=(covered_fraction(observed, "g"), covered_fraction(observed, "i")),
    )


def colour_table(rows: Mapping[str, ColourComparison]) -> str:
    """Markdown: a line a galaxy, then median and 1.48 MAD of predicted − image for both colours."""
    lines = [
        "| galaxy | g−r image | g−r predicted | r−i image | r−i predicted | z (68 %) | g, i covered |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        low, middle, high = row.redshift
        lines.append(
            f"| {name} | {row.image[0]:.3f} | {row.predicted[0]:.3f} | {row.image[1]:.3f} | "
            f"{row.predicted[1]:.3f} | {middle:.3f} ({low:.3f}–{high:.3f}) | "
            f"{row.covered[0]:.3f}, {row.covered[1]:.3f} |"
        )
    difference = np.array([np.subtract(row.predicted, row.image) for row in rows.values()])
    median = np.median(difference, axis=0)
    spread = 1.4826 * np.median(np.abs(difference - median), axis=0)
    for name, centre, width in zip(("g−r", "r−i"), median, spread, strict=True):
        lines.append(f"\n{name}, predicted − image: median {centre:+.3f}, 1.48 MAD {width:.3f}")
    return "\n".join(lines)


def _colours(nmgy: FloatArray) -> FloatArray:
    """g−r and r−i of (..., 5) fluxes. (..., 2)"""
    mags = magnitude(nmgy)
    g, r, i = (mags[..., BANDS.index(band)] for band in "gri")
    return np.stack([g - r, r - i], axis=-1)


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
