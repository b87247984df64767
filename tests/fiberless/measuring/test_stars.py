"""Stars of an observed spectrum: the populations that the synthetic galaxy is made of."""

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux
from fiberless.measuring.files import measure_file
from fiberless.measuring.stars import stellar_measurements
from fiberless.properties import Flag
from fiberless.ssp import load_ssp

REDSHIFT = 0.08
NAMES = {
    "stellar_velocity",
    "velocity_dispersion",
    "stellar_age",
    "stellar_metallicity",
    "stellar_av",
    "stellar_ebv",
}


@pytest.fixture(scope="module")
def stars(galaxy):
    ivar = galaxy.error**-2.0
    return stellar_measurements(PixelFlux.of(galaxy.wave_aa, galaxy.flux[None], ivar[None]), REDSHIFT)


def test_age_and_metallicity_are_those_put_in(stars):
    """Two populations of one metallicity; ages weighted by their light at 5070–5950 Å."""
    ssp = load_ssp()
    window = (ssp.wave_aa > 5070) & (ssp.wave_aa < 5950)
    light = np.array([ssp.flux[4, 22, window].mean(), 0.2 * ssp.flux[4, 12, window].mean()])
    lg_age = light @ np.log10(ssp.age_gyr[[22, 12]]) / light.sum()
    assert np.log10(stars["stellar_age"].value) == pytest.approx(lg_age, abs=0.12)
    assert stars["stellar_metallicity"].value == pytest.approx(ssp.lg_z_solar[4], abs=0.15)
    assert stars["stellar_av"].value == pytest.approx(0.0, abs=0.15)
    assert stars["stellar_ebv"].value == pytest.approx(stars["stellar_av"].value / 4.05, rel=1e-3, abs=1e-6)


def test_velocity_is_that_of_the_redshift(stars, galaxy):
    assert stars["stellar_velocity"].value == pytest.approx(0.0, abs=15.0)
    pixels = PixelFlux.of(galaxy.wave_aa, galaxy.flux[None], galaxy.error[None] ** -2.0)
    moved = stellar_measurements(pixels, REDSHIFT - 0.0005)["stellar_velocity"]
    # 0.0005 c / (1 + z)
    assert moved.value - stars["stellar_velocity"].value == pytest.approx(138.8, abs=5.0)


def test_a_dispersion_below_the_instrument_s_is_flagged(stars):
    # the synthetic galaxy has the library's own width and no more
    assert stars["velocity_dispersion"].value < 90
    assert stars["velocity_dispersion"].flag is Flag.LOW_CONFIDENCE


def test_every_quantity_is_in_the_document_of_a_file(write_sdss):
    found = measure_file(write_sdss()).document.stars
    assert set(found) == NAMES
    for measured in found.values():
        assert measured.lower <= measured.value <= measured.upper


def test_no_starlight_gives_no_values():
    pixels = PixelFlux.of(np.arange(4000.0, 9000.0), np.zeros((1, 5000)), np.ones((1, 5000)))
    for measured in stellar_measurements(pixels, 0.1).values():
        assert measured.value is None
        assert measured.flag is Flag.LOW_CONFIDENCE
