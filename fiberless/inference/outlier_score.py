"""`OutlierDetector`: tells, with a reason, when an image is not one that the training set prepares for.

Each check turns an image into one score; its limit is what a stated share of the training images exceeds, but
never lower than what images of the real survey reach.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import N_BANDS
from fiberless.images.apertures import RADII_ARCSEC
from fiberless.inference.frozen_arrays import FrozenArrays
from fiberless.inference.pixel_checks import PIXEL_STATISTICS

__all__ = ["CHECKS", "Check", "OutlierDetector", "OutlierScore", "reported"]

_RADII: Final = len(RADII_ARCSEC)
_MAGNITUDES: Final = N_BANDS * _RADII
_COLOUR_RADIUS: Final = RADII_ARCSEC.index(2.5)
_INNER, _OUTER = RADII_ARCSEC.index(1.5), RADII_ARCSEC.index(4.0)
_GRI: Final = slice(1, 4)
_PIVOT_MAG: Final = 16.5
_MAGNITUDE_RANGE: Final = (13.0, 17.77)
_MAGNITUDE_FLOOR: Final = 0.01  # mag, scatter added so that noise-free training sets have a distance as well
_NOISE_FLOOR_DEX: Final = 0.1
"""Scatter of the sky's noise between real runs, added to the training set's: 18 epochs of one SDSS star."""
_NOISE_WEIGHT: Final = 3.0
"""Of the noise's distance against the colours' where bands may be swapped: no clean image has both large."""


@dataclass(frozen=True)
class Check:
    """One way to be unlike the training images.

    Parameters
    ----------
    detail : what is told to the user
    share : share of the training images that may exceed the limit
    least : lowest limit; real images without a flaw stay below it
    most : highest limit, where the training set has a long tail that is to be flagged as well
    stretch : factor by which real galaxies may exceed what the share allows
    is_flaw : whether it is one of the image, at any brightness, rather than of the object

    """

    detail: str
    share: float = 5e-4
    least: float = -np.inf
    most: float = np.inf
    stretch: float = 1.0
    is_flaw: bool = True


CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "empty": Check("there is no object in the middle of the image; centre it on the galaxy", least=-6.0),
        "compact": Check(
            "the object is as compact as a star; the model knows galaxies only", share=0.003, is_flaw=False
        ),
        "bands": Check(
            "its colours, with the noise of its bands, are those of no training galaxy; are the bands in the "
            "order u, g, r, i, z, complete and in nanomaggies?",
            share=0.001,
            least=18.0,
            stretch=1.5,
            is_flaw=False,
        ),
        "magnitudes": Check(
            "its aperture magnitudes, taken together, are unlike those of the training galaxies",
            share=0.001,
            stretch=1.2,
            is_flaw=False,
        ),
        "companion": Check(
            'a second object within 5" of the centre is nearly as bright; their light is not told apart',
            share=0.006,
            least=0.3,
            most=0.48,
            is_flaw=False,
        ),
        "noise": Check(
            'the noise of its sky is not that of an SDSS frame; is it in nanomaggies per pixel of 0.396", '
            "the bands in the order u, g, r, i, z?",
            least=5.0,
        ),
        "sky": Check("its sky is not zero; subtract the background", least=3.0),
        "correlated": Check(
            'neighbouring pixels share their noise; was it resampled from pixels larger than 0.396"?',
            least=0.4,
        ),
        "constant": Check(
            "parts of it hold one constant value; is it cut at the edge of a frame?", least=0.01
        ),
        "lone_source": Check(
            "one band shows light that its neighbouring bands do not; cosmic ray, trail, ghost, a band "
            "displaced or missing",
            least=6.5,
        ),
        "lone_line": Check("one band shows a straight line; a satellite or a bleeding star", least=8.0),
        "dark_band": Check(
            "one band shows no light where its neighbouring bands do; is it missing or displaced?", least=6.0
        ),
        "hole": Check(
            "it has deep negative places; are pixels dead, or is a sky level subtracted twice?", least=8.5
        ),
        "spike": Check("single pixels are sharper than any star; cosmic rays or hot pixels", least=8.0),
        "flat": Check("its brightest pixels are all alike; a saturated source", least=-0.4),
        "displaced": Check(
            "the centre of one band lies elsewhere than that of r; align the bands", least=3.5
        ),
        "off_centre": Check("the object does not lie in the middle of the image; centre it", least=2.6),
    }
)
"""Name and meaning of every check, in the order in which they are reported; `least` was read off 11 real
galaxies and 270 other objects of one SDSS field, and 19 epochs of two stars."""


@dataclass(frozen=True)
class OutlierScore:
    """One check that an image fails."""

    name: str
    score: float
    limit: float

    @property
    def detail(self) -> str:
        """What to tell the user."""
        return CHECKS[self.name].detail

    @property
    def is_flaw(self) -> bool:
        """Whether it is reported at any brightness."""
        return CHECKS[self.name].is_flaw


@dataclass(frozen=True, eq=False)
class OutlierDetector(FrozenArrays):
    """What is usual in the training set.

    Parameters
    ----------
    noise_mean, noise_whitener : (5,), (5, 5) of lg noise over the reference noise
    colour_trend, colour_whitener : (3, 4), (4, 4) of the colours inside 2.5": a parabola in r, the rest
    magnitude_trend, magnitude_whitener : (3, 25), (25, 25) of the aperture magnitudes
    limits : (C,) score that an image may have, in the order of `CHECKS`

    """

    noise_mean: FloatArray
    noise_whitener: FloatArray
    colour_trend: FloatArray
    colour_whitener: FloatArray
    magnitude_trend: FloatArray
    magnitude_whitener: FloatArray
    limits: FloatArray

    @classmethod
    def fit(cls, photometry: FloatArray, pixels: FloatArray, r_magnitude: FloatArray) -> Self:
        """Learn from a training set.

        What concerns objects is learnt from galaxies brighter than 17.77 alone: fainter ones are not judged.

        Parameters
        ----------
        photometry : (N, 49), see `fiberless.images.apertures.photometry`
        pixels : (N, S), see `fiberless.inference.pixel_checks.pixel_statistics`
        r_magnitude : (N,) r inside 7"

        """
        # objects that are judged
        is_bright = r_magnitude <= _MAGNITUDE_RANGE[1]
        rows = is_bright if np.sum(is_bright) > 2 * _MAGNITUDES else np.ones(len(r_magnitude), dtype=bool)
        # trend with brightness, and scatter about it
        colours, magnitudes = _colours(photometry)[rows], _magnitudes(photometry)[rows]
        colour_trend, magnitude_trend = (_trend(x, r_magnitude[rows]) for x in (colours, magnitudes))
        noise = _noise(pixels)
        base = _parabola(r_magnitude[rows])
        learnt = cls(
            noise_mean=np.median(noise, axis=0),
            noise_whitener=_whitener(noise - np.median(noise, axis=0), _NOISE_FLOOR_DEX),
            colour_trend=colour_trend,
            colour_whitener=_whitener(colours - base @ colour_trend, _MAGNITUDE_FLOOR),
            magnitude_trend=magnitude_trend,
            magnitude_whitener=_whitener(magnitudes - base @ magnitude_trend, _MAGNITUDE_FLOOR),
            limits=np.zeros(len(CHECKS)),
        )
        # limits, from the training set's own scores
        scores = learnt.scores(photometry, pixels, r_magnitude)
        limits = [
            _limit(check, column if check.is_flaw else column[rows])
            for check, column in zip(CHECKS.values(), scores.T, strict=True)
        ]
        return cls(**{**learnt.to_arrays(), "limits": np.array(limits)})

    def scores(self, photometry: FloatArray, pixels: FloatArray, r_magnitude: FloatArray) -> FloatArray:
        """Score B images by every check, large where unusual. (B, C) in the order of `CHECKS`"""
        base = _parabola(r_magnitude)
        magnitudes = _magnitudes(photometry)
        colours = _distance(_colours(photometry) - base @ self.colour_trend, self.colour_whitener)
        noise = _distance(_noise(pixels) - self.noise_mean, self.noise_whitener)
        found = {
            "compact": -_growth(magnitudes),
            "bands": colours + _NOISE_WEIGHT * noise,
            "magnitudes": _distance(magnitudes - base @ self.magnitude_trend, self.magnitude_whitener),
            "noise": noise,
            **dict(zip(PIXEL_STATISTICS, np.asarray(pixels, dtype=np.float64).T, strict=True)),
        }
        return np.stack([found[name] for name in CHECKS], axis=1)

    def outliers(
        self, photometry: FloatArray, pixels: FloatArray, r_magnitude: FloatArray
    ) -> list[tuple[OutlierScore, ...]]:
        """Checks that each of B images fails; of an empty image nothing else is said."""
        scores = self.scores(photometry, pixels, r_magnitude)
        verdicts = [_failed(row, self.limits) for row in scores]
        return [found[:1] if found and found[0].name == "empty" else found for found in verdicts]


def reported(outliers: Iterable[OutlierScore], *, is_bright: bool) -> tuple[OutlierScore, ...]:
    """Outlier scores to report: of an object fainter than the model's limit only the flaws of its image."""
    return tuple(outlier for outlier in outliers if outlier.is_flaw or is_bright)


def _failed(scores: FloatArray, limits: FloatArray) -> tuple[OutlierScore, ...]:
    return tuple(
        OutlierScore(name, float(score), float(limit))
        for name, score, limit in zip(CHECKS, scores, limits, strict=True)
        if score > limit
    )


def _limit(check: Check, scores: FloatArray) -> float:
    """Limit that the share of the training scores exceeds, stretched, between the check's least and most."""
    quantile = float(np.quantile(scores, 1 - check.share))
    return min(check.most, max(check.least, check.stretch * quantile))


def _magnitudes(photometry: FloatArray) -> FloatArray:
    return np.asarray(photometry, dtype=np.float64)[:, :_MAGNITUDES]


def _colours(photometry: FloatArray) -> FloatArray:
    """u−g, g−r, r−i, i−z inside 2.5". (B, 4)"""
    magnitudes = _magnitudes(photometry)[:, _COLOUR_RADIUS::_RADII]
    return -np.diff(magnitudes, axis=1)


def _growth(magnitudes: FloatArray) -> FloatArray:
    """How much brighter 4" are than 1.5", in mag, summed over g, r and i. (B,)"""
    table = magnitudes.reshape(-1, N_BANDS, _RADII)[:, _GRI]
    growth: FloatArray = (table[..., _INNER] - table[..., _OUTER]).sum(axis=1)
    return growth


def _noise(pixels: FloatArray) -> FloatArray:
    return np.asarray(pixels, dtype=np.float64)[:, :N_BANDS]


def _parabola(r_magnitude: FloatArray) -> FloatArray:
    """1, m, m² of the r magnitude, kept inside the range that is judged. (B, 3)"""
    faint = _MAGNITUDE_RANGE[1]
    offset = np.clip(np.nan_to_num(r_magnitude, nan=faint), *_MAGNITUDE_RANGE) - _PIVOT_MAG
    return np.stack([np.ones_like(offset), offset, offset**2], axis=1)


def _trend(values: FloatArray, r_magnitude: FloatArray) -> FloatArray:
    solution: FloatArray = np.linalg.lstsq(_parabola(r_magnitude), values, rcond=None)[0]
    return solution


def _whitener(residuals: FloatArray, floor: float) -> FloatArray:
    """Inverse of the Cholesky factor of residuals' covariance, a scatter added in quadrature."""
    covariance = np.cov(residuals, rowvar=False) + floor**2 * np.eye(residuals.shape[1])
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _distance(residuals: FloatArray, whitener: FloatArray) -> FloatArray:
    """Mahalanobis distance. (B,)"""
    distance: FloatArray = np.linalg.norm(residuals @ whitener.T, axis=1)
    return distance
