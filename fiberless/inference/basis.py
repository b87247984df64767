"""`SpectralBasis` and `LatentScaler`: spectrum, redshift and amplitude to the latent vector and back.

The latent (D = 65) is [logit of z, amplitude, 52 coefficients of the rest-frame log spectrum, 11 physical
quantities], each with zero mean and unit variance over the training set.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from scipy.sparse.linalg import eigsh

from fiberless.arrays import FloatArray
from fiberless.astro.bands import nmgy_to_flambda, pivot_aa
from fiberless.astro.wavelength import NORMALISATION_RANGE_AA, REST_WAVE_AA, normalisation_weights
from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.inference.frozen_arrays import FrozenArrays

__all__ = [
    "AMPLITUDE_INDEX",
    "REDSHIFT_INDEX",
    "LatentParts",
    "LatentScaler",
    "SpectralBasis",
    "amplitude",
    "ln_mean_flux",
    "without_amplitude",
]

REDSHIFT_INDEX: Final = 0
AMPLITUDE_INDEX: Final = 1
_FIT_ROWS: Final = 4096
_SVD_ROWS: Final = 1024
_MAD_TO_SIGMA: Final = 1.4826


class _Array(Protocol):
    """What an array of numpy and a tensor of torch have in common."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: Any, /) -> Any: ...


ArrayT = TypeVar("ArrayT", bound=_Array)

_WINDOW = slice(*(int(edge) for edge in np.searchsorted(REST_WAVE_AA, NORMALISATION_RANGE_AA)))
_WEIGHTS = normalisation_weights()[_WINDOW].astype(np.float32)


def ln_mean_flux(ln_flux: FloatArray) -> FloatArray:
    """Logarithm of the mean F_λ over rest 3900–7300 Å, ∫ F dλ / ∫ dλ.

    Parameters
    ----------
    ln_flux : (..., 3902) on `REST_WAVE_AA`

    Returns
    -------
    (...) same dtype

    """
    window = np.asarray(ln_flux)[..., _WINDOW]
    peak = window.max(axis=-1, keepdims=True)
    mean: FloatArray = np.log(np.exp(window - peak) @ _WEIGHTS.astype(window.dtype)) + peak[..., 0]
    return mean


def amplitude(ln_mean_flux_observed: FloatArray, r_aperture_nmgy: FloatArray) -> FloatArray:
    """How much brighter the fibre spectrum is than the image's r = 1.5" aperture.

    Parameters
    ----------
    ln_mean_flux_observed : (N,) `ln_mean_flux` of the observed F_λ in 1e-17 erg/(s cm2 Å), taken over the
        rest-frame range (the factor 1/(1+z) of F_λ is part of the observed flux)
    r_aperture_nmgy : (N,) positive r-band flux inside 1.5" in nanomaggies

    Returns
    -------
    (N,) natural logarithm of the ratio of the two F_λ, the image's at the r band's pivot wavelength

    """
    ratio: FloatArray = ln_mean_flux_observed - np.log(nmgy_to_flambda(r_aperture_nmgy, pivot_aa("r")))
    return ratio


def without_amplitude(latent: ArrayT) -> ArrayT:
    """Latents, of numpy or torch, as the contrastive tower reads them: (..., D) to (..., D − 1)."""
    kept: ArrayT = latent[..., [i for i in range(latent.shape[-1]) if i != AMPLITUDE_INDEX]]
    return kept


@dataclass(frozen=True, eq=False)
class SpectralBasis(FrozenArrays):
    """Principal components of normalised rest-frame log spectra, and the whitening of their coefficients.

    Whitening is u = (asinh((c − median) / scale) − mean) / std with scale = 1.48 MAD: plain standardising
    leaves values of 50 σ.

    Parameters
    ----------
    mean_ln_flux : (3902,) on `REST_WAVE_AA`
    components : (M, 3902) orthonormal rows
    median, scale : (M,) of the coefficients over the training set
    whitened_mean, whitened_std : (M,) of the asinh over the training set

    """

    mean_ln_flux: FloatArray
    components: FloatArray
    median: FloatArray
    scale: FloatArray
    whitened_mean: FloatArray
    whitened_std: FloatArray

    @classmethod
    def fit(cls, ln_flux: FloatArray, n_components: int = 40) -> Self:
        """Learn from noiseless spectra.

        Parameters
        ----------
        ln_flux : (N, 3902) natural logarithm of F_λ in any scale, array or memory map
        n_components : int
            At most the rank of the sample.

        """
        mean, components = _principal_components(ln_flux, n_components)
        coefficients = np.concatenate(
            [(_normalised(rows) - mean) @ components.T for rows in _row_blocks(ln_flux)]
        )
        median = np.median(coefficients, axis=0)
        scale = _MAD_TO_SIGMA * np.median(np.abs(coefficients - median), axis=0)
        u = np.arcsinh((coefficients - median) / scale)
        arrays = (mean, components, median, scale, u.mean(axis=0), u.std(axis=0))
        return cls(*(array.astype(np.float32) for array in arrays))

    def encode(self, ln_flux: FloatArray) -> FloatArray:
        """Project spectra, normalised here, onto the components.

        Parameters
        ----------
        ln_flux : (..., 3902) in any scale, finite

        Returns
        -------
        (..., M) float32 coefficients

        """
        shape: FloatArray = (_normalised(ln_flux) - self.mean_ln_flux) @ self.components.T
        return shape.astype(np.float32)

    def whiten(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients (..., M) to zero mean, unit variance and mild tails; float32."""
        u = (np.arcsinh((coefficients - self.median) / self.scale) - self.whitened_mean) / self.whitened_std
        whitened: FloatArray = u.astype(np.float32)
        return whitened

    def unwhiten(self, whitened: FloatArray) -> FloatArray:
        """Invert `whiten`."""
        u = np.asarray(whitened) * self.whitened_std + self.whitened_mean
        coefficients: FloatArray = np.sinh(u) * self.scale + self.median
        return coefficients

    def decode(self, whitened: FloatArray) -> FloatArray:
        """Whitened coefficients to spectra whose mean over `NORMALISATION_RANGE_AA` is one.

        Parameters
        ----------
        whitened : (..., M)

        Returns
        -------
        (..., 3902) float32 natural logarithm of F_λ on `REST_WAVE_AA`

        """
        coefficients = self.unwhiten(whitened).astype(np.float32)
        return _normalised(coefficients @ self.components + self.mean_ln_flux)


class LatentParts(NamedTuple):
    """What a latent vector says, in physical terms."""

    redshift: FloatArray
    """(...)"""
    amplitude: FloatArray
    """(...) see `amplitude`"""
    whitened: FloatArray
    """(..., M) coefficients for `SpectralBasis.decode`"""
    physical: FloatArray
    """(..., P) float64, see `fiberless.inference.physical.reduced`"""


@dataclass(frozen=True, eq=False)
class LatentScaler(FrozenArrays):
    """Redshift, amplitude, whitened coefficients and physical quantities to the latent vector and back.

    Physical quantities are whitened as the coefficients are.

    Parameters
    ----------
    redshift_support : (2,) open interval that the logit maps to the real line; wider than the promised range,
        since hard prior edges leak samples
    mean, std : (2,) of [logit, amplitude] over the training set
    physical_median, physical_scale : (P,) median and 1.48 MAD of each quantity over the training set
    physical_mean, physical_std : (P,) of the asinh over the training set

    """

    redshift_support: FloatArray
    mean: FloatArray
    std: FloatArray
    physical_median: FloatArray
    physical_scale: FloatArray
    physical_mean: FloatArray
    physical_std: FloatArray

    @classmethod
    def fit(
        cls,
        redshift: FloatArray,
        amplitude: FloatArray,
        *,
        physical: FloatArray | None = None,
        redshift_support: tuple[float, float] = TRAINED_REDSHIFT,
    ) -> Self:
        """Learn from (N,) redshifts inside the support, (N,) amplitudes, (N, P) quantities or NaN.

        A quantity that no galaxy has is scaled as if it were standard.
        """
        support = np.asarray(redshift_support, dtype=np.float64)
        pair = np.stack([_logit(redshift, support), np.asarray(amplitude, dtype=np.float64)], axis=-1)
        columns = np.zeros((len(pair), 0)) if physical is None else np.asarray(physical, dtype=np.float64)
        return cls(support, pair.mean(axis=0), pair.std(axis=0), *_whitening(columns))

    def to_latent(
        self,
        redshift: FloatArray,
        amplitude: FloatArray,
        whitened: FloatArray,
        physical: FloatArray | None = None,
    ) -> FloatArray:
        """Latent vectors (..., D) float32 of (...) redshifts and amplitudes, (..., M) coefficients, (..., P).

        Raises
        ------
        ValueError
            If a redshift is outside the support, where it has no logit.

        """
        pair = np.stack([_logit(redshift, self.redshift_support), np.asarray(amplitude)], axis=-1)
        parts = [(pair - self.mean) / self.std, whitened]
        if physical is not None:
            u = np.arcsinh((physical - self.physical_median) / self.physical_scale)
            parts.append((u - self.physical_mean) / self.physical_std)
        return np.concatenate(parts, axis=-1).astype(np.float32)

    def from_latent(self, latent: FloatArray) -> LatentParts:
        """Invert `to_latent`; the redshift is float64."""
        pair = np.asarray(latent[..., :2], dtype=np.float64) * self.std + self.mean
        low, high = self.redshift_support
        redshift = low + (high - low) / (1 + np.exp(-pair[..., REDSHIFT_INDEX]))
        end = latent.shape[-1] - len(self.physical_median)
        u = np.asarray(latent[..., end:], dtype=np.float64) * self.physical_std + self.physical_mean
        physical = np.sinh(u) * self.physical_scale + self.physical_median
        return LatentParts(redshift, pair[..., AMPLITUDE_INDEX], latent[..., 2:end], physical)


def _logit(redshift: FloatArray, support: FloatArray) -> FloatArray:
    share = (np.asarray(redshift, dtype=np.float64) - support[0]) / (support[1] - support[0])
    if not np.all((share > 0) & (share < 1)):
        raise ValueError(f"redshifts must lie inside {support.tolist()}")
    logit: FloatArray = np.log(share / (1 - share))
    return logit


def _whitening(columns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Median, 1.48 MAD, and mean and std of the asinh of each column; 0 and 1 where all is NaN."""
    known = np.isfinite(columns).any(axis=0)
    filled = np.where(known, columns, 0.0)
    median = np.nanmedian(filled, axis=0)
    scale = np.where(known, _MAD_TO_SIGMA * np.nanmedian(np.abs(filled - median), axis=0), 1.0)
    u = np.arcsinh((filled - median) / scale)
    return median, scale, np.nanmean(u, axis=0), np.where(known, np.nanstd(u, axis=0), 1.0)


def _normalised(ln_flux: FloatArray) -> FloatArray:
    ln_flux = np.asarray(ln_flux, dtype=np.float32)
    shape: FloatArray = ln_flux - ln_mean_flux(ln_flux)[..., None]
    return shape


def _row_blocks(ln_flux: FloatArray) -> list[FloatArray]:
    return [ln_flux[start : start + _FIT_ROWS] for start in range(0, len(ln_flux), _FIT_ROWS)]


def _principal_components(ln_flux: FloatArray, n_components: int) -> tuple[FloatArray, FloatArray]:
    """Mean (3902,) and leading axes (M, 3902) in float64, by SVD if few, else through the Gram matrix."""
    n, pixels = len(ln_flux), REST_WAVE_AA.size
    mean = sum(_normalised(rows).sum(axis=0, dtype=np.float64) for rows in _row_blocks(ln_flux)) / n
    if n <= _SVD_ROWS:
        axes = np.linalg.svd(_normalised(ln_flux) - mean, full_matrices=False)[2][:n_components]
    else:
        gram = np.zeros((pixels, pixels))
        for rows in _row_blocks(ln_flux):
            centred = _normalised(rows).astype(np.float64) - mean
            gram += centred.T @ centred
        _, vectors = eigsh(gram, k=n_components, v0=np.ones(pixels))
        axes = vectors.T[::-1]
    peak = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return mean, axes * np.sign(peak)
