"""Templates as the spectrograph shows them: shifted, broadened in Fourier space, averaged over pixels.

The packaged populations are averages over logarithmic pixels at the library's resolution. Their pixel is
taken out by interpolating the integral of the spectrum, whose differences at the borders of the observed
pixels are that pixel's averages. The library's resolution is taken out of the kernel's variance,
σ² = σ*² + σ_inst²(λ) − σ_SSP²(λ): the part that depends on wavelength is applied once a redshift, the rest
at each step of a fit.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
import scipy.fft
from scipy.sparse import csr_array

from fiberless.arrays import ComplexArray, FloatArray, IntArray
from fiberless.astro.wavelength import (
    LOG10_STEP,
    PIXEL_KMS,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
    sigma_library_kms,
)
from fiberless.stellar.templates import templates

__all__ = ["InstrumentView", "PixelStars", "survey_view"]

_NODES: Final = 6
_REDSHIFT_STEP: Final = 0.002
"""Redshifts that share one view of the instrument: σ of 100 km/s is wrong by less than 0.05 km/s."""
_STENCIL: Final = np.arange(-2, 4)
_SIZE: Final = scipy.fft.next_fast_len(TEMPLATE_WAVE_AA.size, real=True)
_WAVE_NUMBER: Final = 2 * np.pi * np.fft.rfftfreq(_SIZE)
_WIDTH_AA: Final = TEMPLATE_WAVE_AA * (10 ** (LOG10_STEP / 2) - 10 ** (-LOG10_STEP / 2))
_LG_FIRST_EDGE: Final = np.log10(TEMPLATE_WAVE_AA[0]) - LOG10_STEP / 2


@dataclass(frozen=True, eq=False)
class InstrumentView:
    """Basis vectors after the part of the broadening that depends on wavelength.

    Parameters
    ----------
    transform : (F, R) Fourier transforms of the basis vectors
    floor_kms2 : variance still to be added to σ*²: the least of σ_inst² − σ_SSP², mostly negative

    """

    transform: ComplexArray
    floor_kms2: float

    @classmethod
    def of(cls, instrument_kms: FloatArray, fit_range_aa: tuple[float, float], rank: int) -> Self:
        """View through an instrument of dispersions (P,) at `TEMPLATE_WAVE_AA`.

        Beyond `fit_range_aa`, in rest-frame Å, the resolution of its ends is taken.
        """
        wave_aa = np.clip(TEMPLATE_WAVE_AA, *fit_range_aa)
        known = np.interp(wave_aa, TEMPLATE_WAVE_AA, instrument_kms)
        missing = known**2 - sigma_library_kms(wave_aa) ** 2
        smooth = _vary(templates().vectors[:rank], (missing - missing.min()) / PIXEL_KMS**2)
        return cls(scipy.fft.rfft(smooth.T, n=_SIZE, axis=0), float(missing.min()))


def survey_view(redshift: float, fit_range_aa: tuple[float, float], rank: int) -> InstrumentView:
    """View through the survey's spectrograph at about a redshift, shared by all spectra near to it.

    Parameters
    ----------
    redshift : rounded to steps of 0.002
    fit_range_aa : as in `InstrumentView.of`
    rank : basis vectors

    """
    return _survey_view(round(redshift / _REDSHIFT_STEP), fit_range_aa, rank)


@lru_cache(maxsize=32)
def _survey_view(step: int, fit_range_aa: tuple[float, float], rank: int) -> InstrumentView:
    observed_aa = TEMPLATE_WAVE_AA * (1 + step * _REDSHIFT_STEP)
    return InstrumentView.of(sigma_instrument_kms(observed_aa), fit_range_aa, rank)


def _vary(vectors: FloatArray, variance: FloatArray) -> FloatArray:
    """Convolve (R, P) with Gaussians of variances (P,) in pixels², interpolated between `_NODES` of them."""
    nodes = np.linspace(0.0, variance.max() + 1e-9, _NODES)
    transform = scipy.fft.rfft(vectors, n=_SIZE, axis=1)
    position = variance / nodes[1]
    result = np.zeros_like(vectors)
    for number, node in enumerate(nodes):
        share = np.clip(1 - np.abs(position - number), 0, None)
        smooth = scipy.fft.irfft(transform * np.exp(-0.5 * node * _WAVE_NUMBER**2), n=_SIZE, axis=1)
        result += share * smooth[:, : vectors.shape[1]]
    return result


@dataclass(frozen=True, eq=False)
class PixelStars:
    """Basis vectors on the pixels of one spectrum.

    Parameters
    ----------
    view : templates as the instrument sees them
    averaging : (L, P) averages over the pixels
    floor_kms2 : variance added to σ*², may be negative

    """

    view: InstrumentView
    averaging: csr_array
    floor_kms2: float

    @classmethod
    def of(cls, edges_rest_aa: FloatArray, view: InstrumentView, *, resampling_kms: float = 0.0) -> Self:
        """Prepare for pixels with borders (L + 1,) in the rest frame, inside the templates' grid.

        Parameters
        ----------
        edges_rest_aa : (L + 1,)
        view : templates as the instrument sees them
        resampling_kms : dispersion that resampling has added to the spectrum

        """
        return cls(view, _averaging(edges_rest_aa), view.floor_kms2 + resampling_kms**2)

    @property
    def least_variance_kms2(self) -> float:
        """Least σ*² that can be made: templates cannot be sharper than the library."""
        return max(-self.floor_kms2, 0.0)

    def basis(self, velocity_kms: float, variance_kms2: float) -> FloatArray:
        """Basis vectors (L, R) moving at a velocity, with σ*² in (km/s)²."""
        return self._pixels(self.view.transform * self._kernel(velocity_kms, variance_kms2)[:, None])

    def derivatives(self, mixture: FloatArray, velocity_kms: float, variance_kms2: float) -> FloatArray:
        """Derivatives (L, 2) of the sum (R,) of basis vectors with velocity and with σ*²."""
        spectrum = (self.view.transform @ mixture) * self._kernel(velocity_kms, variance_kms2)
        by_velocity = -1j * _WAVE_NUMBER / PIXEL_KMS
        by_variance = -0.5 * _WAVE_NUMBER**2 / PIXEL_KMS**2
        return self._pixels(np.stack([spectrum * by_velocity, spectrum * by_variance], axis=1))

    def _kernel(self, velocity_kms: float, variance_kms2: float) -> ComplexArray:
        variance = max(variance_kms2 + self.floor_kms2, 0.0) / PIXEL_KMS**2
        phase = -1j * _WAVE_NUMBER * (velocity_kms / PIXEL_KMS)
        kernel: ComplexArray = np.exp(phase - 0.5 * variance * _WAVE_NUMBER**2)
        return kernel

    def _pixels(self, transform: ComplexArray) -> FloatArray:
        flux = scipy.fft.irfft(transform, n=_SIZE, axis=0)[: TEMPLATE_WAVE_AA.size]
        means: FloatArray = self.averaging @ flux
        return means


def _averaging(edges_rest_aa: FloatArray) -> csr_array:
    """Averages (L, P) over pixels with borders (L + 1,), of spectra that are averages over template pixels.

    The integral up to a border is interpolated between the template pixels' borders by six-point Lagrange
    polynomials in lg λ; the difference of two such integrals touches few pixels.
    """
    position = (np.log10(edges_rest_aa) - _LG_FIRST_EDGE) / LOG10_STEP
    left = np.floor(position).astype(np.intp)
    weights = _lagrange(position - left)
    span = np.diff(left)
    offsets = np.arange(_STENCIL.size + int(span.max(initial=0)))
    share = _beyond(weights[1:], offsets - span[:, None]) - _beyond(weights[:-1], offsets)
    columns = np.clip(left[:-1, None] + _STENCIL[0] + offsets, 0, TEMPLATE_WAVE_AA.size - 1)
    values = share * _WIDTH_AA[columns] / np.diff(edges_rest_aa)[:, None]
    rows = np.repeat(np.arange(span.size), offsets.size)
    shape = (span.size, TEMPLATE_WAVE_AA.size)
    return csr_array((values.ravel(), (rows, columns.ravel())), shape=shape)


def _lagrange(apart: FloatArray) -> FloatArray:
    """Weights (M, 6) of the nodes `_STENCIL` at places (M,) between 0 and 1."""
    weights = np.empty((apart.size, _STENCIL.size))
    for number, node in enumerate(_STENCIL):
        others = _STENCIL[node != _STENCIL]
        weights[:, number] = (apart[:, None] - others).prod(axis=1) / (node - others).prod()
    return weights


def _beyond(weights: FloatArray, place: IntArray) -> FloatArray:
    """Sums (M, K) of each row's weights (M, 6) after the places (M, K) or (K,): 1 before the first."""
    tails = np.concatenate(
        [np.cumsum(weights[:, ::-1], axis=1)[:, ::-1], np.zeros((len(weights), 1))], axis=1
    )
    index = np.broadcast_to(np.clip(place + 1, 0, _STENCIL.size), (len(weights), place.shape[-1]))
    sums: FloatArray = np.take_along_axis(tails, index, axis=1)
    return sums
