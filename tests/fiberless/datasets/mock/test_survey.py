"""Statistics of the simulated survey that must not drift; bands around what was tuned to real galaxies."""

import numpy as np
import pytest

from fiberless.analysis.breaks import dn4000
from fiberless.analysis.rebinning import PixelFlux
from fiberless.apertures import aperture_nmgy
from fiberless.bands import magnitude
from fiberless.datasets.mock.survey import MAIN_LIMIT, TRUTH_NAMES, simulate
from fiberless.wavelength import OBSERVED_WAVE_AA, resample_log_flux

N = 600


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


def test_colours_agree_with_the_real_survey(truth):
    """Median and 16–84 % of g−r at 0.08 < z < 0.11, r < 17.77: 0.835, 0.564–0.955 in 1,774 real galaxies."""
    sample = (truth["r_mag"] < MAIN_LIMIT) & (np.abs(truth["redshift"] - 0.095) < 0.015)
    low, middle, high = np.quantile(truth["g_r"][sample], [0.16, 0.5, 0.84])
    assert middle == pytest.approx(0.835, abs=0.08)
    assert low == pytest.approx(0.564, abs=0.08)
    assert high == pytest.approx(0.955, abs=0.04)


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
    large = magnitude(aperture_nmgy(survey["image"].astype(np.float32), radii_arcsec=(7.0,))[:, 2, 0])
    assert np.median(large - truth["r_mag"]) == pytest.approx(0.05, abs=0.06)


def test_noise_of_spectra_is_the_one_stated(survey, truth):
    shape = np.exp(resample_log_flux(survey["ln_shape"], truth["redshift"], OBSERVED_WAVE_AA))
    model = shape * np.exp(truth["ln_norm"])[:, None]
    pull = (survey["flux"].astype(float) - model) / survey["sigma"]
    assert np.nanstd(pull) == pytest.approx(1.0, abs=0.02)
    signal = np.median((model / survey["sigma"])[:, 1500:2500], axis=1)
    assert np.median(signal[truth["r_mag"] < MAIN_LIMIT]) == pytest.approx(16, abs=5)
