"""Posteriors of the basis: truths are simulated spectra as the basis decodes them, noise is drawn here."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from fiberless.astro.wavelength import LOG10_STEP, OBSERVED_WAVE_AA, resample_log_flux
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.inference.basis import SpectralBasis
from fiberless.inference.basis_posterior import GaussianPrior, Nuisance
from fiberless.inference.projection import fit_basis, fit_spectra

N = 300
SIZE = 12
EXACT = Nuisance(degree=0, model_error=0.0)


@pytest.fixture(scope="module")
def survey():
    columns = simulate(31, N)
    return columns["ln_shape"], dict(zip(TRUTH_NAMES, columns["truth"].T.astype(float), strict=True))


@pytest.fixture(scope="module")
def basis(survey):
    return SpectralBasis.fit(survey[0], SIZE)


@pytest.fixture(scope="module")
def truth(survey, basis):
    """Whitened coefficients, redshifts, norms and the spectra on the observed grid that belong to them."""
    ln_shape, columns = survey
    whitened = basis.whiten(basis.encode(ln_shape))
    z, ln_norm = columns["redshift"], columns["ln_norm"]
    ln_flux = basis.decode(whitened).astype(np.float64) + ln_norm[:, None]
    return whitened, z, ln_norm, np.exp(resample_log_flux(ln_flux, z, OBSERVED_WAVE_AA))


def test_a_spectrum_almost_without_noise_returns_its_coefficients(basis, truth):
    whitened, z, ln_norm, flux = (array[:20] for array in truth)
    fit = fit_spectra(basis, OBSERVED_WAVE_AA, flux, (1e4 / flux) ** 2, z, nuisance=EXACT)
    assert fit.converged.all()
    np.testing.assert_allclose(fit.whitened, whitened, atol=0.01)
    np.testing.assert_allclose(fit.ln_norm, ln_norm, atol=1e-4)
    assert np.diagonal(fit.covariance, axis1=1, axis2=2).max() < 1e-3


def test_posteriors_are_as_wide_as_their_errors(basis, truth):
    whitened, z, ln_norm, flux = (array[:120] for array in truth)
    rng = np.random.default_rng(8)
    sigma = 0.25 * flux
    fit = fit_spectra(
        basis,
        OBSERVED_WAVE_AA,
        flux + sigma * rng.standard_normal(flux.shape),
        sigma**-2.0,
        z,
        nuisance=EXACT,
    )
    known = np.column_stack([ln_norm, whitened])
    pull = (known - fit.mean) / np.sqrt(np.diagonal(fit.covariance, axis1=1, axis2=2))
    assert np.sqrt((pull**2).mean()) == pytest.approx(1.0, abs=0.12)
    assert np.median(fit.chi2_per_pixel) == pytest.approx(1.0, abs=0.01)
    drawn = fit.mean + np.einsum("nij,nj->ni", fit.cholesky, rng.standard_normal(fit.mean.shape))
    ratio = drawn.std(axis=0) / known.std(axis=0)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert (fit.whitened.std(axis=0) / whitened.std(axis=0)).min() < 0.95  # means alone under-disperse


def test_wrong_calibration_is_taken_up_by_the_polynomial(basis, truth):
    whitened, z, _, flux = (array[3] for array in truth)
    x = np.linspace(-1, 1, flux.size)
    observed, ivar = flux * np.exp(0.03 * np.sin(4 * x)), (200 / flux) ** 2
    plain, _ = fit_basis(basis, OBSERVED_WAVE_AA, observed, ivar, z, nuisance=EXACT, sampling="average")
    free = Nuisance(degree=8, model_error=0.0)
    fit, model = fit_basis(basis, OBSERVED_WAVE_AA, observed, ivar, z, nuisance=free, sampling="average")
    assert plain.chi2_per_pixel[0] > 2 * fit.chi2_per_pixel[0]
    np.testing.assert_allclose(model, observed, rtol=5e-3)
    width = np.sqrt(np.diag(fit.covariance[0])[1:])
    assert (np.abs(fit.whitened[0] - whitened) < 4 * width).all()


def test_a_wrong_redshift_is_found_as_velocity(basis, truth):
    _, z, _, flux = (array[5] for array in truth)
    given = (1 + z) * (1 - 40 / 299792.458) - 1
    nuisance = Nuisance(degree=0, velocity_kms=50.0, model_error=0.0)
    fit, _ = fit_basis(
        basis, OBSERVED_WAVE_AA, flux, (1e3 / flux) ** 2, given, nuisance=nuisance, sampling="average"
    )
    assert fit.velocity_kms[0] == pytest.approx(40.0, abs=1.0)


def test_unusable_pixels_do_not_count(basis, truth):
    _, z, _, flux = (array[7] for array in truth)
    ivar = (50 / flux) ** 2
    cut = ivar.copy()
    cut[1000:1100] = 0.0
    broken, broken_ivar = flux.copy(), ivar.copy()
    broken[1000:1050], broken_ivar[1050:1100] = np.nan, np.inf
    one, _ = fit_basis(basis, OBSERVED_WAVE_AA, flux, cut, z, nuisance=EXACT, sampling="average")
    other, _ = fit_basis(basis, OBSERVED_WAVE_AA, broken, broken_ivar, z, nuisance=EXACT, sampling="average")
    np.testing.assert_array_equal(one.mean, other.mean)
    assert one.n_pixels[0] == other.n_pixels[0] == flux.size - 100


def test_without_data_the_posterior_is_the_prior(basis):
    prior = GaussianPrior(np.linspace(-1, 1, SIZE), np.diag(np.linspace(0.5, 2, SIZE)))
    nothing = np.zeros(OBSERVED_WAVE_AA.size)
    fit, model = fit_basis(basis, OBSERVED_WAVE_AA, nothing, nothing, 0.1, prior=prior)
    np.testing.assert_array_equal(fit.whitened[0], prior.mean)
    np.testing.assert_array_equal(fit.covariance[0, 1:, 1:], prior.covariance)
    assert np.isnan(model).all()
    assert not fit.converged[0]


def test_survey_pixels_at_any_phase_give_the_same_coefficients(basis, truth):
    """Pixels of 69 km/s, half-way between those of the rest grid: interpolation must not broaden lines."""
    whitened = truth[0][11]
    ln_shape = basis.decode(whitened)
    z = 10 ** (0.5 * LOG10_STEP + 400 * LOG10_STEP) - 1
    wave = 3400.0 * 10 ** (LOG10_STEP * np.arange(50, 3800)) * (1 + 0.0963)
    position = np.log10(wave / (1 + z) / 3400.0) / LOG10_STEP
    flux = np.exp(CubicSpline(np.arange(ln_shape.size), ln_shape)(position))
    fit, _ = fit_basis(basis, wave, flux, (1e3 / flux) ** 2, z, nuisance=EXACT)
    np.testing.assert_allclose(fit.whitened[0], whitened, atol=0.05)


def test_moments_of_posteriors_are_those_of_the_population():
    rng = np.random.default_rng(0)
    truth = rng.normal([1.0, -2.0], [0.5, 2.0], (20000, 2))
    noisy = truth + rng.normal(0, 1, truth.shape)
    share = np.array([0.25, 4.0]) / np.array([1.25, 5.0])
    mean = np.array([1.0, -2.0]) + share * (noisy - np.array([1.0, -2.0]))
    prior = GaussianPrior.of_posteriors(mean, np.broadcast_to(np.diag(share), (20000, 2, 2)))
    np.testing.assert_allclose(prior.mean, [1.0, -2.0], atol=0.05)
    np.testing.assert_allclose(np.diag(prior.covariance), [0.25, 4.0], rtol=0.05)
