"""What the networks are told of an image: scaled pixels, aperture photometry, the flux that calibrates.

Training and inference share these definitions. `ConditionScaler` holds the statistics of the training set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.bands import BANDS, PIXEL_SCALE_ARCSEC, magnitude
from fiberless.astro.extinction import deredden
from fiberless.errors import UsageError
from fiberless.images.apertures import (
    REFERENCE_SIGMA_NMGY,
    aperture_nmgy,
    photometry,
    sky_sigma_nmgy,
)
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout
from fiberless.inference.frozen_arrays import FrozenArrays
from fiberless.inference.outlier_score import OutlierDetector, OutlierScore
from fiberless.inference.pixel_checks import pixel_statistics

__all__ = [
    "CALIBRATION_RADIUS_ARCSEC",
    "LIMIT_RADIUS_ARCSEC",
    "ConditionScaler",
    "Conditions",
    "conditions_of",
    "prepare",
    "scale_images",
]

CALIBRATION_RADIUS_ARCSEC: Final = 1.5
"""Radius of the r aperture that sets the absolute flux: that of the SDSS fibre."""
LIMIT_RADIUS_ARCSEC: Final = 7.0
"""Radius of the r aperture that the promised magnitude limit refers to."""

_R_BAND = BANDS.index("r")
_SIGMA_FLOOR = 0.5  # of the reference noise; reached only by padded or synthetic borders
_ASINH_DIVISOR = 3.0


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is measured on B images, before any statistics of the training set enter.

    Parameters
    ----------
    image : (B, 5, 64, 64) float32, see `scale_images`
    photometry : (B, 49) float32, columns `fiberless.images.apertures.PHOTOMETRY_NAMES`
    r_aperture_nmgy : (B,) float64, r flux inside 1.5", at least one sigma of the reference noise there
    r_total_nmgy : (B,) float64, r flux inside 7", at least one sigma of the reference noise there
    r_magnitude : (B,) float64, r inside 7"; NaN where that flux is not positive
    pixels : (B, 18) float32 of the image as it came, see `fiberless.inference.pixel_checks`

    """

    image: FloatArray
    photometry: FloatArray
    r_aperture_nmgy: FloatArray
    r_total_nmgy: FloatArray
    r_magnitude: FloatArray
    pixels: FloatArray

    def __getitem__(self, rows: slice | IntArray) -> Self:
        """Conditions of some of the galaxies."""
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Conditions of several groups of galaxies one after another."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def __len__(self) -> int:
        return len(self.image)


def scale_images(flux_nmgy: FloatArray) -> FloatArray:
    """Compress images as asinh(flux / σ_sky) / 3, σ_sky of each image and band.

    Parameters
    ----------
    flux_nmgy : (B, 5, 64, 64) nanomaggies per pixel

    Returns
    -------
    (B, 5, 64, 64) float32, about ±0.3 in the sky and 2–3 in bright centres

    """
    sigma = np.maximum(sky_sigma_nmgy(flux_nmgy), _SIGMA_FLOOR * REFERENCE_SIGMA_NMGY)
    ratio = np.asarray(flux_nmgy, dtype=np.float32) / sigma.astype(np.float32)[..., None, None]
    scaled: FloatArray = np.arcsinh(ratio) / np.float32(_ASINH_DIVISOR)
    return scaled


def conditions_of(flux_nmgy: FloatArray, ebv: FloatArray | None = None) -> Conditions:
    """Correct images for Galactic extinction and measure them, in one pass and each for itself.

    Parameters
    ----------
    flux_nmgy : (B, 5, 64, 64) nanomaggies per pixel
    ebv : (B,) Galactic E(B−V) in mag; None if the images are corrected

    """
    pixels = pixel_statistics(flux_nmgy)
    if ebv is not None:
        flux_nmgy = deredden(flux_nmgy, ebv)
    radii = (CALIBRATION_RADIUS_ARCSEC, LIMIT_RADIUS_ARCSEC)
    inner, outer = np.moveaxis(aperture_nmgy(flux_nmgy, radii_arcsec=radii)[:, _R_BAND], -1, 0)
    floor = REFERENCE_SIGMA_NMGY[_R_BAND] * np.sqrt(np.pi) * np.array(radii) / PIXEL_SCALE_ARCSEC
    return Conditions(
        image=scale_images(flux_nmgy),
        photometry=photometry(flux_nmgy),
        r_aperture_nmgy=np.maximum(inner, floor[0]),
        r_total_nmgy=np.maximum(outer, floor[1]),
        r_magnitude=magnitude(outer),
        pixels=pixels,
    )


def prepare(cutouts: Sequence[Cutout], ebv: Sequence[float] | None = None) -> Conditions:
    """Measure B cutouts, corrected for B values of Galactic E(B−V) in mag, if given.

    Raises
    ------
    UsageError
        `fits-shape` if a cutout is not 64×64 pixels.

    """
    for cutout in cutouts:
        if cutout.flux_nmgy.shape[1:] != (CUTOUT_PIXELS, CUTOUT_PIXELS):
            height, width = cutout.flux_nmgy.shape[1:]
            raise UsageError("fits-shape", f"the model takes 64×64 pixels; this cutout has {height}×{width}")
    flux_nmgy = np.stack([cutout.flux_nmgy for cutout in cutouts])
    return conditions_of(flux_nmgy, None if ebv is None else np.asarray(ebv))


@dataclass(frozen=True, eq=False)
class ConditionScaler(FrozenArrays):
    """Standardises photometry and frozen image features, and knows how far the training set reaches.

    Parameters
    ----------
    photometry_mean, photometry_std : (49,)
    feature_mean, feature_std : (W,) of the frozen image encoder's features; 0 and 1 before it is trained
    novelty : what is usual in the training set

    """

    photometry_mean: FloatArray
    photometry_std: FloatArray
    feature_mean: FloatArray
    feature_std: FloatArray
    novelty: OutlierDetector

    @classmethod
    def fit(
        cls, photometry: FloatArray, pixels: FloatArray, r_magnitude: FloatArray, *, feature_size: int = 512
    ) -> Self:
        """Learn from N training galaxies; features follow by `with_features`.

        Parameters
        ----------
        photometry, pixels, r_magnitude : as in `Conditions`
        feature_size : W

        """
        rows = np.asarray(photometry, dtype=np.float64)
        return cls(
            photometry_mean=rows.mean(axis=0),
            photometry_std=rows.std(axis=0),
            feature_mean=np.zeros(feature_size, dtype=np.float32),
            feature_std=np.ones(feature_size, dtype=np.float32),
            novelty=OutlierDetector.fit(photometry, pixels, r_magnitude),
        )

    def with_features(self, features: FloatArray) -> Self:
        """Add the statistics of (N, W) features of the trained image encoder."""
        rows = np.asarray(features, dtype=np.float64)
        mean, std = rows.mean(axis=0).astype(np.float32), rows.std(axis=0).astype(np.float32)
        return replace(self, feature_mean=mean, feature_std=std)

    def scale_photometry(self, photometry: FloatArray) -> FloatArray:
        """(N, 49) to zero mean and unit variance over the training set; float32."""
        scaled: FloatArray = ((photometry - self.photometry_mean) / self.photometry_std).astype(np.float32)
        return scaled

    def scale_features(self, features: FloatArray) -> FloatArray:
        """(N, W) to zero mean and unit variance over the training set; float32."""
        scaled: FloatArray = ((features - self.feature_mean) / self.feature_std).astype(np.float32)
        return scaled

    def outliers(self, conditions: Conditions) -> list[tuple[OutlierScore, ...]]:
        """What is unlike the training set in each of B images, if anything."""
        return self.novelty.outliers(conditions.photometry, conditions.pixels, conditions.r_magnitude)
