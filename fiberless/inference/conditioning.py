"""What the networks are told of an image: scaled pixels, aperture photometry, the flux that calibrates.

Imports no torch. Training and inference share these definitions. `ConditionScaler` holds the
statistics of the training set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from fiberless.apertures import (
    PHOTOMETRY_NAMES,
    REFERENCE_SIGMA_NMGY,
    aperture_nmgy,
    photometry,
    sky_sigma_nmgy,
)
from fiberless.arrays import BoolArray, FloatArray
from fiberless.bands import BANDS, PIXEL_SCALE_ARCSEC, magnitude
from fiberless.cutout import CUTOUT_PIXELS, Cutout
from fiberless.errors import UsageError
from fiberless.inference.frozen_arrays import FrozenArrays

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
_MAGNITUDES = sum(name.startswith("mag_") for name in PHOTOMETRY_NAMES)
_FALSE_ALARMS = 0.01
_VARIANCE_FLOOR = 1e-4  # mag², so that noise-free training sets have a distance as well


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is measured on B images, before any statistics of the training set enter.

    Parameters
    ----------
    image : (B, 5, 64, 64) float32, see `scale_images`
    photometry : (B, 49) float32, columns `fiberless.apertures.PHOTOMETRY_NAMES`
    r_aperture_nmgy : (B,) float64, r flux inside 1.5", at least one sigma of the reference noise there
    r_magnitude : (B,) float64, r inside 7"; NaN where that flux is not positive

    """

    image: FloatArray
    photometry: FloatArray
    r_aperture_nmgy: FloatArray
    r_magnitude: FloatArray

    def __getitem__(self, rows: slice) -> Self:
        """Conditions of some of the galaxies."""
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})

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


def conditions_of(flux_nmgy: FloatArray) -> Conditions:
    """Measure (B, 5, 64, 64) images in nanomaggies, in one pass and each for itself."""
    radii = (CALIBRATION_RADIUS_ARCSEC, LIMIT_RADIUS_ARCSEC)
    inner, outer = np.moveaxis(aperture_nmgy(flux_nmgy, radii_arcsec=radii)[:, _R_BAND], -1, 0)
    area_px = np.pi * (CALIBRATION_RADIUS_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2
    floor = float(REFERENCE_SIGMA_NMGY[_R_BAND]) * np.sqrt(area_px)
    return Conditions(
        image=scale_images(flux_nmgy),
        photometry=photometry(flux_nmgy),
        r_aperture_nmgy=np.maximum(inner, floor),
        r_magnitude=magnitude(outer),
    )


def prepare(cutouts: Sequence[Cutout]) -> Conditions:
    """Measure B cutouts.

    Raises
    ------
    UsageError
        `fits-shape` if a cutout is not 64×64 pixels.

    """
    for cutout in cutouts:
        if cutout.flux_nmgy.shape[1:] != (CUTOUT_PIXELS, CUTOUT_PIXELS):
            height, width = cutout.flux_nmgy.shape[1:]
            raise UsageError("fits-shape", f"the model takes 64×64 pixels; this cutout has {height}×{width}")
    return conditions_of(np.stack([cutout.flux_nmgy for cutout in cutouts]))


@dataclass(frozen=True, eq=False)
class ConditionScaler(FrozenArrays):
    """Standardises photometry and frozen image features, and knows how far the training set reaches.

    Parameters
    ----------
    photometry_mean, photometry_std : (49,)
    feature_mean, feature_std : (E,) of the frozen image encoder's embedding; 0 and 1 before it is trained
    magnitude_whitener : (25, 25) turns aperture magnitudes minus their mean into independent unit normals
    distance_limit : () Mahalanobis distance that one in a hundred training galaxies exceeds

    """

    photometry_mean: FloatArray
    photometry_std: FloatArray
    feature_mean: FloatArray
    feature_std: FloatArray
    magnitude_whitener: FloatArray
    distance_limit: FloatArray

    @classmethod
    def fit(cls, photometry: FloatArray, *, embedding_size: int = 256) -> Self:
        """Learn from (N, 49) photometry of the training set; features follow by `with_features`."""
        phot = np.asarray(photometry, dtype=np.float64)
        magnitudes = phot[:, :_MAGNITUDES]
        covariance = np.cov(magnitudes, rowvar=False) + _VARIANCE_FLOOR * np.eye(_MAGNITUDES)
        whitener = np.linalg.inv(np.linalg.cholesky(covariance))
        distance = np.linalg.norm((magnitudes - magnitudes.mean(axis=0)) @ whitener.T, axis=1)
        return cls(
            photometry_mean=phot.mean(axis=0),
            photometry_std=phot.std(axis=0),
            feature_mean=np.zeros(embedding_size, dtype=np.float32),
            feature_std=np.ones(embedding_size, dtype=np.float32),
            magnitude_whitener=whitener,
            distance_limit=np.quantile(distance, 1 - _FALSE_ALARMS),
        )

    def with_features(self, features: FloatArray) -> Self:
        """Add the statistics of (N, E) embeddings of the trained image encoder."""
        rows = np.asarray(features, dtype=np.float64)
        mean, std = rows.mean(axis=0).astype(np.float32), rows.std(axis=0).astype(np.float32)
        return replace(self, feature_mean=mean, feature_std=std)

    def scale_photometry(self, photometry: FloatArray) -> FloatArray:
        """(N, 49) to zero mean and unit variance over the training set; float32."""
        scaled: FloatArray = ((photometry - self.photometry_mean) / self.photometry_std).astype(np.float32)
        return scaled

    def scale_features(self, features: FloatArray) -> FloatArray:
        """(N, E) to zero mean and unit variance over the training set; float32."""
        scaled: FloatArray = ((features - self.feature_mean) / self.feature_std).astype(np.float32)
        return scaled

    def distance(self, photometry: FloatArray) -> FloatArray:
        """Mahalanobis distance (N,) of the 25 aperture magnitudes from the training set's mean."""
        away = np.asarray(photometry, dtype=np.float64)[:, :_MAGNITUDES] - self.photometry_mean[:_MAGNITUDES]
        distance: FloatArray = np.linalg.norm(away @ self.magnitude_whitener.T, axis=1)
        return distance

    def is_unusual(self, photometry: FloatArray) -> BoolArray:
        """Whether (N, 49) photometry lies further out than all but one in a hundred training galaxies."""
        return np.asarray(self.distance(photometry) > self.distance_limit)
