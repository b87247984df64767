"""Templates and lines on pixels, and the derivatives that the fit steps by."""

import numpy as np
import pytest
from scipy.integrate import quad

from fiberless.analysis.rebinning import bin_edges
from fiberless.astro.bands import response
from fiberless.astro.lines import NII_DOUBLET_RATIO, line
from fiberless.astro.ssp import WIDE_WAVE_AA, load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, TEMPLATE_WAVE_AA, sigma_instrument_kms
from fiberless.stellar.broadening import PixelStars, survey_view
from fiberless.stellar.cut import cut_spectrum
from fiberless.stellar.fit import make_problem
from fiberless.stellar.gas import GAS_LINES, GasColumns
from fiberless.stellar.options import FitOptions
from fiberless.stellar.populations import population_values
from fiberless.stellar.templates import (
    LIGHT_RANGE_AA,
    RANK,
    SOLAR_R_MAG,
    SOLAR_V_MAG,
    _band_light,
    _johnson_v,
    templates,
)

RANGE = (3700.0, 7400.0)
LINEAR_AA = np.arange(3800.0, 7200.0, 0.9)


def at_a_tenth(wave_rest_aa):
    """The survey's instrument at redshift 0.1."""
    return sigma_instrument_kms(wave_rest_aa * 1.1)


@pytest.fixture
def stars():
    return PixelStars.of(bin_edges(LINEAR_AA), survey_view(0.1, RANGE, RANK))


def test_basis_reproduces_the_populations():
    known = templates()
    ssp = load_ssp()
    inside = (ssp.wave_aa > LIGHT_RANGE_AA[0]) & (ssp.wave_aa < LIGHT_RANGE_AA[1])
    flux = ssp.flux.reshape(-1, ssp.wave_aa.size).astype(float)
    flux /= flux[:, inside].mean(axis=1, keepdims=True)
    error = np.sqrt(np.mean((known.mixing @ known.vectors - flux) ** 2, axis=1))
    assert error.max() < 1.2e-3


def test_pixels_average_the_spectrum(stars):
    """The integral over many pixels is that of the templates, broadening keeping the light."""
    narrow = stars.basis(0.0, 150.0**2) * np.diff(bin_edges(LINEAR_AA))[:, None]
    wide = stars.basis(0.0, 151.0**2) * np.diff(bin_edges(LINEAR_AA))[:, None]
    direct = templates().vectors
    width = np.gradient(TEMPLATE_WAVE_AA)
    inside = (TEMPLATE_WAVE_AA > 4200) & (TEMPLATE_WAVE_AA < 7000)
    pixels = (LINEAR_AA > 4200) & (LINEAR_AA < 7000)
    first = narrow[pixels].sum(axis=0)[0]
    assert first == pytest.approx((direct[0] * width)[inside].sum(), rel=1e-3)
    assert wide[pixels].sum(axis=0)[0] == pytest.approx(first, rel=1e-5)


def test_derivatives_of_stars_are_those_of_differences(stars):
    mixture = templates().mixing[100]
    v, variance = 30.0, 140.0**2
    found = stars.derivatives(mixture, v, variance)
    for column, step in enumerate(((1.0, 0.0), (0.0, 50.0))):
        ahead, behind = (stars.basis(v + s * step[0], variance + s * step[1]) @ mixture for s in (1, -1))
        expected = (ahead - behind) / (2 * max(step))
        np.testing.assert_allclose(found[:, column], expected, atol=2e-4 * np.abs(expected).max())


def test_lines_are_gaussians_averaged_over_pixels():
    edges = bin_edges(LINEAR_AA)
    shapes = GasColumns.of(edges, at_a_tenth).shapes(50.0, np.log(80.0))
    wave = line("Hbeta").wave_aa
    sigma = np.hypot(80.0, sigma_instrument_kms(np.array(wave * 1.1)))

    def profile(x: float) -> float:
        t = (np.log(x / wave) * LIGHT_SPEED_KMS - 50.0) / sigma
        return float(np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi) / sigma * LIGHT_SPEED_KMS / x)

    pixel = int(np.argmin(np.abs(LINEAR_AA - wave))) + 2
    mean = quad(profile, edges[pixel], edges[pixel + 1])[0] / (edges[pixel + 1] - edges[pixel])
    column = shapes.columns[:, GAS_LINES.index("Hbeta")]
    assert column[pixel] == pytest.approx(mean, rel=1e-6)
    assert column @ np.diff(edges) == pytest.approx(1.0, abs=1e-6)


def test_tied_doublets_share_a_column():
    edges = bin_edges(LINEAR_AA)
    column = (
        GasColumns.of(edges, at_a_tenth).shapes(0.0, np.log(80.0)).columns[:, GAS_LINES.index("NII_6585")]
    )
    blue = LINEAR_AA < 6567
    ratio = (column * ~blue).sum() / (column * blue).sum()
    assert ratio == pytest.approx(NII_DOUBLET_RATIO, rel=1e-3)


def test_derivatives_of_lines_are_those_of_differences():
    gas = GasColumns.of(bin_edges(LINEAR_AA), at_a_tenth)
    shapes = gas.shapes(20.0, 4.5)
    by_velocity = (gas.shapes(20.5, 4.5).columns - gas.shapes(19.5, 4.5).columns) / 1.0
    by_ln_sigma = (gas.shapes(20.0, 4.501).columns - gas.shapes(20.0, 4.499).columns) / 0.002
    np.testing.assert_allclose(shapes.by_velocity, by_velocity, atol=1e-4 * np.abs(by_velocity).max())
    np.testing.assert_allclose(shapes.by_ln_sigma, by_ln_sigma, atol=1e-4 * np.abs(by_ln_sigma).max())


def test_slope_is_that_of_the_projected_cost(typical, noisy):
    """At the best linear coefficients the cost's gradient is that of the model at fixed coefficients."""
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=20.0)
    options = FitOptions(multiplicative_degree=2)
    problem = make_problem(cut_spectrum(pixels, 0, typical.redshift, options=options), options)
    theta = np.array([20.0, 130.0**2, -15.0, 4.4, 0.5, 0.02, -0.01])
    slope, _ = problem.evaluate(theta).normal()
    for place, step in enumerate((0.2, 40.0, 0.2, 1e-3, 1e-3, 1e-4, 1e-4)):
        shift = np.zeros(theta.size)
        shift[place] = step
        ahead, behind = (problem.evaluate(theta + s * shift).cost for s in (1, -1))
        assert slope[place] == pytest.approx((behind - ahead) / (4 * step), rel=2e-3, abs=1e-6)


def test_population_values_of_one_population():
    ssp = load_ssp()
    weights = np.zeros(ssp.log_z_solar.size * ssp.age_gyr.size)
    weights[4 * ssp.age_gyr.size + 26] = 2.0
    values = population_values(weights)
    assert values.log_age_light_gyr == pytest.approx(np.log10(ssp.age_gyr[26]))
    assert values.metallicity_mass == pytest.approx(0.0, abs=1e-6)
    fraction = 10 ** (values.log_ml_living_r - values.log_ml_formed_r)
    assert fraction == pytest.approx(ssp.living_fraction[4, 26], rel=1e-6)


def test_means_are_weighted_by_light_and_by_mass():
    known, weights = templates(), np.zeros(174)
    weights[[130, 140]] = 0.75, 0.25
    mass = weights * known.mass_formed
    values = population_values(weights)
    light_mean = 0.75 * known.log_age_gyr[130] + 0.25 * known.log_age_gyr[140]
    assert values.log_age_light_gyr == pytest.approx(light_mean)
    assert values.log_age_mass_gyr == pytest.approx(mass @ known.log_age_gyr / mass.sum())
    assert values.log_age_mass_gyr > values.log_age_light_gyr


@pytest.mark.parametrize("band", ["r", "v"])
def test_light_is_in_units_of_the_sun(band):
    """A black body of the Sun's temperature and luminosity is the Sun to a tenth."""
    planck = 1 / (WIDE_WAVE_AA**5 * np.expm1(1.43877e8 / (WIDE_WAVE_AA * 5772)))
    norm = np.pi**4 / 15 / (1.43877e8 / 5772) ** 4
    curve = (*response("r"), SOLAR_R_MAG) if band == "r" else (*_johnson_v(), SOLAR_V_MAG)
    light = _band_light((planck / norm)[None], *curve[:2], solar_mag=curve[2])
    assert light[0] == pytest.approx(1.0, abs=0.1)


def test_no_weights_give_no_values():
    assert all(np.isnan(value) for value in population_values(np.zeros(174)))
