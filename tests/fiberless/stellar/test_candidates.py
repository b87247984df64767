"""The short fit of candidates, against known answers and against the full fit."""

from dataclasses import replace

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.dust import calzetti_curve
from fiberless.astro.wavelength import LOG10_STEP, REST_WAVE_AA, TEMPLATE_MARGIN
from fiberless.errors import UsageError
from fiberless.stellar import FitOptions, fit_candidates, fit_stars
from fiberless.stellar.broadening import PixelStars, survey_view
from fiberless.stellar.tabulated import RANK, fitted_pixels, tabulated_stars
from fiberless.stellar.templates import templates

RANGE = (3700.0, 7400.0)


def ln_rest(galaxy):
    """(1, 3902) on the rest grid, as a model decodes it."""
    return np.log(galaxy.native()[TEMPLATE_MARGIN:-TEMPLATE_MARGIN])[None]


def fit_one(galaxy):
    return fit_candidates(ln_rest(galaxy), np.array([galaxy.redshift]))


def test_known_galaxies_are_found_again(galaxies):
    for galaxy in galaxies:
        found = fit_one(galaxy)
        assert found.sigma_kms[0] == pytest.approx(galaxy.sigma_kms, abs=1)
        assert found.a_v[0] == pytest.approx(galaxy.a_v, abs=0.02)
        assert found.populations.log_age_light_gyr[0] == pytest.approx(galaxy.log_age_gyr, abs=0.03)
        assert found.populations.metallicity_light[0] == pytest.approx(galaxy.metallicity, abs=0.03)
        assert found.misfit[0] < 0.002


def test_emission_lines_do_not_matter(typical):
    bare, glowing = (fit_one(replace(typical, line_scale=scale)) for scale in (0.0, 2.0))
    assert glowing.sigma_kms[0] == pytest.approx(bare.sigma_kms[0], abs=1)
    assert glowing.a_v[0] == pytest.approx(bare.a_v[0], abs=0.01)


def test_candidates_share_their_tables_and_keep_their_order(typical):
    """Dispersion rises along the candidates; a fit that starts from its neighbour's answer ends as alone."""
    family = [replace(typical, sigma_kms=sigma) for sigma in (110.0, 150.0, 190.0, 230.0)]
    found = fit_candidates(np.concatenate([ln_rest(one) for one in family]), np.full(4, typical.redshift))
    assert found.sigma_kms == pytest.approx([one.sigma_kms for one in family], abs=2)
    alone = fit_one(family[2])
    assert found.sigma_kms[2] == pytest.approx(alone.sigma_kms[0], abs=0.5)
    assert found.a_v[2] == pytest.approx(alone.a_v[0], abs=0.01)


def test_short_and_full_fits_agree(typical):
    galaxy = replace(typical, sigma_kms=175.0, a_v=0.7)
    options = FitOptions(draws=0)
    pixels = PixelFlux.of(galaxy.native_wave_aa(), galaxy.native()[None])
    full = fit_stars(pixels, np.array([galaxy.redshift]), options=options)
    short = fit_one(galaxy)
    assert short.sigma_kms[0] == pytest.approx(full.sigma_kms.value[0], abs=2)
    assert short.a_v[0] == pytest.approx(full.a_v.value[0], abs=0.03)
    assert short.populations.log_ml_living_r[0] == pytest.approx(full.log_ml_living_r.value[0], abs=0.05)


def test_what_templates_cannot_make_shows_as_misfit(typical):
    comb = ln_rest(typical) + 0.1 * np.sign(np.sin(REST_WAVE_AA / 15))
    assert fit_candidates(comb, np.array([typical.redshift])).misfit[0] > fit_one(typical).misfit[0]


def test_tables_are_the_templates_behind_dust():
    """Interpolated between nodes, in the coordinates' own space, to 2e-3 of the light of each population."""
    half = 10 ** (LOG10_STEP / 2)
    edges = np.append(REST_WAVE_AA / half, REST_WAVE_AA[-1] * half)
    stars = PixelStars.of(edges, survey_view(0.1, RANGE, RANK))
    mixing, table = templates().mixing[:, :RANK].T, tabulated_stars(0.1)
    for sigma, a_v in ((97.0, 0.13), (171.0, 1.1), (333.0, 2.6)):
        screen = 10 ** (-0.4 * a_v * calzetti_curve(REST_WAVE_AA[fitted_pixels()]))
        expected = (stars.basis(0.0, sigma**2)[fitted_pixels()] @ mixing) * screen[:, None]
        found = table.axes.T @ (table.model(sigma, a_v).basis @ mixing)
        away = np.sqrt(np.mean((found - expected) ** 2, axis=0) / np.mean(expected**2, axis=0))
        assert away.max() < 2e-3
        assert np.median(away) < 1e-3


def test_derivatives_of_tables_are_those_of_differences():
    table, mixture = tabulated_stars(0.1), templates().mixing[120, :RANK]
    here = table.model(160.0, 0.6)
    pairs = ((here.by_sigma, (0.5, 0.0)), (here.by_a_v, (0.0, 0.01)))
    for derivative, (sigma, a_v) in pairs:
        ahead, behind = (
            table.model(160.0 + sign * sigma, 0.6 + sign * a_v).basis @ mixture for sign in (1, -1)
        )
        expected = (ahead - behind) / (2 * max(sigma, a_v))
        np.testing.assert_allclose(derivative @ mixture, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [(3902,), (2, 3901), (0, 3902), (3, 3902)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="ln_flux_rest must be"):
        fit_candidates(np.zeros(shape), np.full(0 if shape == (0, 3902) else 2, 0.1))
