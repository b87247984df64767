"""Gas quantities at values worked by hand."""

import numpy as np
import pytest

from fiberless.analysis.gas.abundances import (
    ABUNDANCES,
    CASE_B_DECREMENT,
    balmer_ebv,
    log_halpha_luminosity,
    log_sfr_halpha,
    oxygen_abundance,
)
from fiberless.astro.dust import cardelli_curve


@pytest.mark.parametrize(
    ("name", "ratio", "expected"),
    [
        ("n2_pp04", -0.5, 8.615),
        ("o3n2_pp04", 1.0, 8.41),
        ("n2_m13", -0.5, 8.512),
        ("o3n2_m13", 1.0, 8.319),
    ],
)
def test_abundances_by_hand(name, ratio, expected):
    assert oxygen_abundance(np.array(ratio), ABUNDANCES[name]) == pytest.approx(expected, abs=1e-9)


def test_the_decrement_of_case_b_is_no_dust():
    assert balmer_ebv(np.array([CASE_B_DECREMENT]))[0] == pytest.approx(0.0, abs=1e-12)


def test_screened_lines_give_their_screen_back():
    ebv = 0.37
    k_hbeta, k_halpha = 3.1 * cardelli_curve(np.array([4862.69, 6564.63]))
    decrement = CASE_B_DECREMENT * 10 ** (0.4 * ebv * (k_hbeta - k_halpha))
    assert balmer_ebv(np.array([decrement]))[0] == pytest.approx(ebv, abs=1e-4)


def test_no_decrement_is_no_reddening():
    assert np.isnan(balmer_ebv(np.array([0.0, -1.0, np.nan]))).all()


def test_the_curve_is_one_at_v_and_known_at_the_balmer_lines():
    """Widely tabulated k(Hα) = 2.53, k(Hβ) = 3.61."""
    values = 3.1 * cardelli_curve(np.array([1e4 / 1.82, 6563.0, 4861.0]))
    np.testing.assert_allclose(values, [3.1, 2.535, 3.609], atol=2e-3)


def test_the_curve_goes_on_into_the_infrared():
    """A(K)/A_V = 0.114 at 2.2 µm in the paper's table 3; no step at 1.1 per µm."""
    assert cardelli_curve(np.array(2.2e4)) == pytest.approx(0.114, abs=2e-3)
    blue, red = cardelli_curve(1e4 / np.array([1.1001, 1.0999]))
    assert blue == pytest.approx(red, abs=2e-3)


def test_luminosity_and_star_formation_by_hand():
    """At z = 0.1 the distance is 460.3 Mpc; 1e-15 erg/(s cm2) are 2.535e40 erg/s."""
    given = {"halpha": np.array([100.0]), "redshift": np.array([0.1])}
    assert 10 ** log_halpha_luminosity(**given, ebv=np.zeros(1))[0] == pytest.approx(2.535e40, rel=2e-3)
    assert log_sfr_halpha(**given, ebv=np.zeros(1))[0] == pytest.approx(np.log10(2.535e40) - 41.27, abs=1e-3)


def test_dust_makes_it_brighter_and_negative_dust_does_nothing():
    halpha, redshift = np.full(3, 50.0), np.full(3, 0.05)
    dusty, clean, negative = log_sfr_halpha(halpha, redshift, ebv=np.array([0.5, 0.0, -0.5]))
    assert dusty - clean == pytest.approx(0.4 * 2.535 * 0.5, abs=1e-3)
    assert negative == clean


def test_no_flux_or_no_distance_is_no_rate():
    rates = log_sfr_halpha(np.array([-1.0, 10.0]), np.array([0.1, 0.0]), ebv=np.zeros(2))
    assert np.isnan(rates).all()
