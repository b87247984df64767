import numpy as np
import pytest

from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.inference.basis import (
    LatentScaler,
    SpectralBasis,
    amplitude,
    ln_mean_flux,
    without_amplitude,
)
from fiberless.testing import toy_spectra


@pytest.fixture(scope="module")
def spectra():
    return toy_spectra(60, seed=3)


@pytest.fixture(scope="module")
def basis(spectra):
    return SpectralBasis.fit(spectra, n_components=8)


def test_mean_flux_of_a_power_law_is_its_integral():
    # F = lambda^-2: mean over [a, b] is 1 / (a b)
    ln_flux = -2 * np.log(REST_WAVE_AA)[None]
    assert ln_mean_flux(ln_flux) == pytest.approx(-np.log(3900.0 * 7300.0), abs=1e-4)


def test_amplitude_of_a_flat_spectrum_that_the_aperture_sees_whole_is_zero():
    # 22.5 mag per nanomaggy: 100 nmgy is m = 17.5, F_nu = 3.631e-27, F_lambda = F_nu c / lambda^2 at 6176 Å
    flux = 3.631e-27 * 2.99792458e18 / 6176**2 * 1e17
    assert amplitude(np.log([flux, 2 * flux]), np.array([100.0, 100.0])) == pytest.approx(
        [0, np.log(2)], abs=2e-3
    )


def test_components_are_orthonormal(basis):
    gram = basis.components.astype(float) @ basis.components.T
    assert np.allclose(gram, np.eye(8), atol=1e-5)


def test_spectra_of_the_sample_survive_the_round_trip(spectra, basis):
    decoded = basis.decode(basis.whiten(basis.encode(spectra)))
    normalised = spectra - ln_mean_flux(spectra)[:, None]
    assert np.sqrt(np.mean((decoded - normalised) ** 2)) < 2e-3


def test_decoded_spectra_have_unit_mean(basis):
    u = np.random.default_rng(0).normal(size=(5, 3, 8))
    decoded = basis.decode(u)
    assert decoded.shape == (5, 3, 3902)
    assert ln_mean_flux(decoded) == pytest.approx(0, abs=1e-5)


def test_coefficients_do_not_depend_on_brightness(spectra, basis):
    assert np.allclose(basis.encode(spectra + 7), basis.encode(spectra), atol=1e-3)


def test_whitened_coefficients_are_standard_and_come_back(spectra, basis):
    coefficients = basis.encode(spectra)
    u = basis.whiten(coefficients)
    assert np.allclose(u.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(u.std(axis=0), 1, atol=1e-3)
    assert np.allclose(basis.unwhiten(u), coefficients, atol=1e-4 * np.abs(coefficients).max())


def test_whitening_tames_outliers(basis):
    median_plus_50_sigma = basis.median + 50 * basis.scale
    plain = 50
    assert np.abs(basis.whiten(median_plus_50_sigma)).max() < plain / 5


def test_both_ways_to_the_components_agree(spectra):
    # a small sample goes through the SVD, a large one through the Gram matrix
    many = SpectralBasis.fit(np.tile(spectra, (18, 1)), 4)
    few = SpectralBasis.fit(spectra, 4)
    assert np.allclose(few.components, many.components, atol=1e-3)


def test_latent_round_trip():
    rng = np.random.default_rng(1)
    redshift, brightness = rng.uniform(0.031, 0.169, 50), rng.normal(0.3, 0.2, 50)
    whitened = rng.normal(size=(50, 40))
    scaler = LatentScaler.fit(redshift, brightness)
    latent = scaler.to_latent(redshift, brightness, whitened)
    assert latent.shape == (50, 42)
    assert np.allclose(latent[:, :2].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(latent[:, :2].std(axis=0), 1, atol=1e-6)
    parts = scaler.from_latent(latent)
    assert np.allclose(parts.redshift, redshift, atol=1e-7)
    assert np.allclose(parts.amplitude, brightness, atol=1e-6)
    assert np.allclose(parts.whitened, whitened, atol=1e-6)


def test_no_latent_leaves_the_support():
    scaler = LatentScaler.fit([0.06, 0.14], [0.0, 1.0])
    redshift = scaler.from_latent(np.full((1, 42), -60.0)).redshift
    assert 0.03 <= redshift[0] < 0.0301


@pytest.mark.parametrize("redshift", [0.03, 0.17, 0.2, -1.0])
def test_redshifts_without_a_logit_are_refused(redshift):
    scaler = LatentScaler.fit([0.06, 0.14], [0.0, 1.0])
    with pytest.raises(ValueError, match="inside"):
        scaler.to_latent([redshift], [0.0], np.zeros((1, 40)))


def test_only_the_amplitude_is_left_out():
    assert without_amplitude(np.arange(5.0)[None]).tolist() == [[0, 2, 3, 4]]


def test_arrays_cannot_be_changed(basis):
    with pytest.raises(ValueError, match="read-only"):
        basis.median[0] = 1
