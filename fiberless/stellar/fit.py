"""Full-spectrum fits: stars, gas and dust of each of many spectra."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.ndimage import maximum_filter1d

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.dust import calzetti_curve
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, TEMPLATE_WAVE_AA
from fiberless.errors import UsageError
from fiberless.stellar.broadening import InstrumentView, PixelStars, survey_view
from fiberless.stellar.cut import Cut, cut_spectrum
from fiberless.stellar.descent import minimise
from fiberless.stellar.gas import GasColumns
from fiberless.stellar.options import FitOptions
from fiberless.stellar.outcome import fitted, not_fitted
from fiberless.stellar.projection import (
    GAS_LN_SIGMA,
    GAS_VELOCITY,
    VARIANCE,
    VELOCITY,
    FitProblem,
    Prior,
    State,
)
from fiberless.stellar.result import FitQuality, StellarFit
from fiberless.stellar.templates import templates

__all__ = ["fit_stars", "make_problem"]

_MIN_FIT_AA: Final = 300.0
_FIRST_GUESS: Final = (0.0, 150.0**2, 0.0, float(np.log(120.0)), 0.3)
_GAS_PRIOR: Final = ((0.0, 200.0), (float(np.log(120.0)), 0.5))
"""Velocity 0 ± 200 km/s, dispersion 120 km/s × e^±0.5: felt only where hardly a line is seen."""
_FAR_KMS: Final = 300.0
_STAR_SIGMA_KMS: Final = (60.0, 300.0)
_CLIPPINGS: Final = 3
_STRONG_LINE: Final = 5.0
_LINE_REACH_KMS: Final = 500.0
_LEAST_NOISE: Final = 0.25
"""Of spectra without noise, in units of the error taken for them."""
_MARGIN_AA: Final = 100.0
_DEFAULT: Final = FitOptions()


def fit_stars(
    pixels: PixelFlux,
    redshift: FloatArray,
    *,
    options: FitOptions = _DEFAULT,
    instrument_kms: FloatArray | None = None,
) -> StellarFit:
    """Fit populations, dust, kinematics and emission lines to N spectra.

    Non-negative least squares on the packaged populations, inside variable projection for shifts, widths
    and dust. A spectrum's result does not depend on the others; spectra at like redshifts share their
    templates' transforms.

    Parameters
    ----------
    pixels : N spectra, observed frame
    redshift : (N,) right to 500 km/s; not finite: no fit
    options : how
    instrument_kms : (N, L) or None
        Dispersion of the spectrograph at each pixel, such as `wdisp` of SDSS times the pixel's 69 km/s; not
        positive where unknown. None: `wavelength.sigma_instrument_kms`.

    Raises
    ------
    UsageError
        `invalid-parameter` if shapes do not fit or the range leaves the templates' grid.

    """
    z = np.asarray(redshift, dtype=np.float64)
    if z.shape != pixels.flux.shape[:1]:
        raise UsageError("invalid-parameter", f"redshift must be ({len(pixels.flux)},), got {z.shape}")
    if instrument_kms is not None and np.shape(instrument_kms) != pixels.flux.shape:
        raise UsageError("invalid-parameter", f"instrument_kms must be {pixels.flux.shape}")
    low, high = options.fit_range_aa
    if not TEMPLATE_WAVE_AA[0] + _MARGIN_AA < low < high < TEMPLATE_WAVE_AA[-1] - _MARGIN_AA:
        raise UsageError("invalid-parameter", f"templates do not reach over {low}–{high} Å with a margin")
    if not z.size:
        return not_fitted(0, pixels.flux.shape[1])
    size = pixels.flux.shape[1]
    cuts = (
        cut_spectrum(pixels, row, float(value), options=options, instrument_kms=instrument_kms)
        for row, value in enumerate(z)
    )
    return StellarFit.join([_fit(cut, options, size) for cut in cuts])


def _fit(cut: Cut | None, options: FitOptions, size: int) -> StellarFit:
    """Fit of one spectrum on all L = `size` pixels of the input."""
    if cut is None or cut.usable_aa < _MIN_FIT_AA:
        return not_fitted(1, size)
    problem = make_problem(cut, options)
    state, converged = minimise(problem, _first_guess(problem))
    if tied := _is_astray(state):
        state, converged = minimise(_tied(state), _with_gas_of_stars(state.theta), state.passive)
    for _ in range(_CLIPPINGS if options.clip_sigma > 0 else 0):
        weight = _clipped(cut, state, options)
        if np.array_equal(weight, state.problem.root_weight):
            break
        state, converged = minimise(replace(state.problem, root_weight=weight), state.theta, state.passive)
    if not state.linear[: problem.mixing.shape[0]].any():
        return not_fitted(1, size)
    flags = FitQuality.GOOD if converged else FitQuality.NOT_CONVERGED
    flags |= FitQuality.GAS_TIED if tied else FitQuality.GOOD
    return fitted(cut, state, options, flags=flags, size=size)


def _is_astray(state: State) -> bool:
    """Gas that fits errors of the library: far from the stars, or as broad as can be."""
    theta = state.theta
    far = abs(theta[GAS_VELOCITY] - theta[VELOCITY]) > _FAR_KMS
    return bool(far or theta[GAS_LN_SIGMA] >= state.problem.bounds[1][GAS_LN_SIGMA])


def _with_gas_of_stars(theta: FloatArray) -> FloatArray:
    tied = theta.copy()
    tied[GAS_VELOCITY] = theta[VELOCITY]
    tied[GAS_LN_SIGMA] = np.log(np.clip(np.sqrt(theta[VARIANCE]), *_STAR_SIGMA_KMS))
    return tied


def _tied(state: State) -> FitProblem:
    """Same problem with the gas held to the stars' velocity and dispersion."""
    guess, count = _with_gas_of_stars(state.theta), state.problem.polynomials.shape[1]
    velocity, ln_sigma = (float(guess[place]) for place in (GAS_VELOCITY, GAS_LN_SIGMA))
    held = Prior.of_gas((velocity, 10.0), (ln_sigma, 0.05), n_polynomials=count)
    return replace(state.problem, prior=held)


def make_problem(cut: Cut, options: FitOptions) -> FitProblem:
    """Templates, lines, dust and polynomials on the pixels of one spectrum."""
    known, added = templates(), options.resampling_kms
    x = 2 * (cut.wave_rest_aa - cut.edges_rest_aa[0]) / np.ptp(cut.edges_rest_aa) - 1
    return FitProblem(
        flux=cut.flux,
        root_weight=cut.root_weight,
        stars=PixelStars.of(cut.edges_rest_aa, _view(cut, options), resampling_kms=added),
        gas=GasColumns.of(cut.edges_rest_aa, cut.instrument, resampling_kms=added),
        mixing=known.mixing[:, : options.rank],
        attenuation=calzetti_curve(cut.wave_rest_aa),
        polynomials=legvander(x, options.multiplicative_degree)[:, 1:],
        additive=legvander(x, max(options.additive_degree, 0))[:, : options.additive_degree + 1],
        penalty=_penalty(known.shape, options.regularisation),
        prior=Prior.of_gas(*_GAS_PRIOR, n_polynomials=options.multiplicative_degree),
    )


def _view(cut: Cut, options: FitOptions) -> InstrumentView:
    if cut.instrument_kms is None:
        return survey_view(cut.redshift, options.fit_range_aa, options.rank)
    return InstrumentView.of(cut.instrument(TEMPLATE_WAVE_AA), options.fit_range_aa, options.rank)


def _penalty(shape: tuple[int, int], strength: float) -> FloatArray | None:
    """Squared second differences along both axes as a quadratic form (T, T)."""
    if strength <= 0:
        return None
    metals, ages = (np.diff(np.eye(size), n=2, axis=0) for size in shape)
    rows = np.concatenate([np.kron(np.eye(shape[0]), ages), np.kron(metals, np.eye(shape[1]))])
    form: FloatArray = strength**2 * rows.T @ rows
    return form


def _first_guess(problem: FitProblem) -> FloatArray:
    return np.concatenate([_FIRST_GUESS, np.zeros(problem.size - len(_FIRST_GUESS))])


def _clipped(cut: Cut, state: State, options: FitOptions) -> FloatArray:
    """Weights (L,) without the pixels that are farther from the fit than noise can take them.

    Strong lines keep theirs: what is not Gaussian in them, or moves apart, is no outlier.
    """
    away = np.abs(cut.flux - state.model) * cut.root_weight
    least = float(np.sqrt(options.expected_chi2)) if cut.has_noise else _LEAST_NOISE
    noise = max(1.4826 * float(np.median(away[cut.usable])), least)
    step_kms = float(np.median(np.diff(np.log(cut.edges_rest_aa)))) * LIGHT_SPEED_KMS
    nearby = 2 * round(_LINE_REACH_KMS / step_kms) + 1
    in_line = maximum_filter1d(state.gas_model * cut.root_weight, nearby) > _STRONG_LINE * noise
    return np.where((away > options.clip_sigma * noise) & ~in_line, 0.0, cut.root_weight)
