"""Statistics of the simulated survey that must not drift; bands around what was tuned to real galaxies."""

import numpy as np
import pytest

from fiberless.analysis.indices.breaks import dn4000
from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.bands import magnitude
from fiberless.astro.extinction import transmission
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.datasets.mock.survey import MAIN_LIMIT, TRUTH_NAMES, simulate
from fiberless.datasets.mock_report.shapes import light_radii_arcsec
from fiberless.images.apertures import aperture_nmgy

N = 1200


@pytest.fixture(scope="module")
def survey():
    return simulate(12, N)


@pytest.fixture(scope="module")
def truth(survey):
    return dict(zip(TRUTH_NAMES, survey["truth"].T.astype(float), strict=True))


def test_the_same_seed_gives_the_same_galaxies():
    first, second = simulate([5, 1], 12), simulate([5, 1], 12)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    assert not np.array_equal(first["image"], simulate([5, 2], 12)["image"])


def test_columns_have_their_shapes_and_are_finite(survey):
    assert survey["image"].shape == (N, 5, 64, 64)
    assert survey["ln_shape"].shape == (N, 3902)
    assert survey["flux"].shape == survey["sigma"].shape == (N, 4500)
    for values in survey.values():
        assert np.isfinite(values).all()


def test_redshifts_and_magnitudes_have_their_margin(truth):
    assert truth["redshift"].min() >= 0.03 - 1e-6
    assert truth["redshift"].max() <= 0.17 + 1e-6
    assert 0.6 < (truth["r_mag"] < MAIN_LIMIT).mean() < 0.9
    assert truth["r_mag"].max() < 19.5


def test_breaks_separate_the_two_populations(survey, truth):
    ln_flux = survey["ln_shape"]
    flux = np.exp(resample_log_flux(ln_flux, truth["redshift"], OBSERVED_WAVE_AA))
    values = dn4000(PixelFlux.of(OBSERVED_WAVE_AA, flux, None), truth["redshift"])
    main = (truth["r_mag"] < MAIN_LIMIT) & np.isfinite(values)
    quiescent = truth["quiescent"] > 0
    assert np.median(values[main & quiescent]) == pytest.approx(1.84, abs=0.06)
    assert np.median(values[main & ~quiescent]) == pytest.approx(1.33, abs=0.06)


def test_spectrum_and_image_are_of_the_same_light(survey, truth):
    """The fibre's flux density and the image's r aperture of the same radius agree on average."""
    aperture = aperture_nmgy(survey["image"].astype(np.float32), radii_arcsec=(1.5,))[:, 2, 0]
    ratio = np.exp(truth["ln_norm"]) / aperture
    assert np.std(np.log(ratio)) < 0.15
    fainter = 22.5 - 2.5 * np.log10(aperture)
    assert np.corrcoef(fainter, truth["ln_norm"])[0, 1] < -0.98


def test_images_hold_the_galaxy_s_flux(survey, truth):
    """Within 7" is 95 % of the median galaxy's light, behind the Galaxy's dust."""
    large = magnitude(aperture_nmgy(survey["image"].astype(np.float32), radii_arcsec=(7.0,)))[..., 0]
    expected = truth["r_mag"] - 2.5 * np.log10(transmission(truth["ebv"])[:, 2])
    assert np.median(large[:, 2] - expected) == pytest.approx(0.05, abs=0.05)
    reddened = truth["g_r"] - 2.5 * np.log10(np.divide(*transmission(truth["ebv"])[:, 1:3].T))
    assert np.median(large[:, 1] - large[:, 2] - reddened) == pytest.approx(0.0, abs=0.03)


def test_sizes_are_those_of_the_main_sample(survey, truth):
    """Median half-light radius 2.1" in the main sample; twelve real galaxies at hand have 2.6" ± 0.2"."""
    main = truth["r_mag"] < MAIN_LIMIT
    radii = light_radii_arcsec(survey["image"][main].astype(np.float32))
    assert np.median(radii[:, 0]) == pytest.approx(2.1, abs=0.2)
    assert np.median(radii[:, 1] / radii[:, 0]) == pytest.approx(2.6, abs=0.2)


def test_types_are_mixed_as_in_the_main_sample(truth):
    """Half are quiescent; AGN in 8 % at lg M = 10 to 38 % at 11.5 make a quarter (Kauffmann et al. 2003)."""
    main = truth["r_mag"] < MAIN_LIMIT
    assert (truth["quiescent"] > 0)[main].mean() == pytest.approx(0.52, abs=0.08)
    assert (truth["agn"] > 0)[main].mean() == pytest.approx(0.27, abs=0.08)


def test_noise_of_spectra_is_the_one_stated(survey, truth):
    shape = np.exp(resample_log_flux(survey["ln_shape"], truth["redshift"], OBSERVED_WAVE_AA))
    model = shape * np.exp(truth["ln_norm"])[:, None]
    pull = (survey["flux"].astype(float) - model) / survey["sigma"]
    # the wrong calibration is smooth: neighbours share it
    assert np.nanstd(np.diff(pull, axis=1)) / np.sqrt(2) == pytest.approx(1.0, abs=0.01)
    assert np.nanstd(pull) == pytest.approx(1.035, abs=0.025)
    signal = np.median((model / survey["sigma"])[:, 1500:2500], axis=1)
    assert np.median(signal[truth["r_mag"] < MAIN_LIMIT]) == pytest.approx(16, abs=5)
