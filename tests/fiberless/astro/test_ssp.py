import numpy as np
import pytest

from fiberless.astro.bands import magnitude, synthetic_nmgy
from fiberless.astro.ssp import AGE_EDGES_GYR, WIDE_WAVE_AA, load_ssp


def test_the_grid_has_its_documented_shape():
    ssp = load_ssp()
    assert ssp.flux.shape == (6, 29, 4022)
    assert ssp.flux_wide.shape == (6, 29, 665)
    assert np.isfinite(ssp.flux).all()
    assert (ssp.flux > 0).all()
    assert len(AGE_EDGES_GYR) == 30


def test_an_old_solar_population_has_the_colours_of_the_library():
    """Solar, 8 Gyr, z = 0.10: u−g 1.79, g−r 1.01 (science page), between the bins at 7.8 and 9.9 Gyr."""
    ssp = load_ssp()
    colours = -np.diff(magnitude(synthetic_nmgy(WIDE_WAVE_AA * 1.1, ssp.flux_wide[4, 26] * 1e10)))
    assert colours[0] == pytest.approx(1.79, abs=0.03)
    assert colours[1] == pytest.approx(1.01, abs=0.02)


def test_both_grids_show_the_same_light():
    ssp = load_ssp()
    inside = (WIDE_WAVE_AA > 3450) & (WIDE_WAVE_AA < 8300)
    wide = np.trapezoid(ssp.flux_wide[..., inside], WIDE_WAVE_AA[inside])
    fine = (ssp.wave_aa >= WIDE_WAVE_AA[inside][0]) & (ssp.wave_aa <= WIDE_WAVE_AA[inside][-1])
    np.testing.assert_allclose(wide, np.trapezoid(ssp.flux[..., fine], ssp.wave_aa[fine]), rtol=4e-3)


def test_stars_die_and_stop_ionising_with_age():
    ssp = load_ssp()
    assert (np.diff(ssp.living_fraction, axis=1) < 0.01).all()
    assert ssp.living_fraction[4, -1] == pytest.approx(0.45, abs=0.03)
    assert (ssp.ionising_photons[:, 0] > 1000 * ssp.ionising_photons[:, 7]).all()


def test_metallicity_weights_interpolate_linearly_and_clip():
    ssp = load_ssp()
    value = np.array([-9.0, 0.0, 0.2, 9.0])
    weights = ssp.metallicity_weights(value)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0)
    np.testing.assert_allclose(
        weights @ ssp.log_z_solar, [np.log10(0.005), 0.0, 0.2, np.log10(2.5)], atol=1e-12
    )
