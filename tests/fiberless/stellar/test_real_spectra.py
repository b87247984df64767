"""Real SDSS spectra against the survey's own dispersions and line fits."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.wavelength import PIXEL_KMS
from fiberless.stellar import GAS_LINES, FitOptions, FitQuality, fit_stars

SPECTRA = Path(__file__).parents[4] / "shared" / "data" / "spectra"
STAR_FORMING_OR_AGN = (
    "1045-52725-0628",
    "0266-51602-0107",
    "0412-51871-0308",
    "0412-52258-0302",
    "0295-51585-0596",
)
TWICE = ("0412-51871-0308", "0412-52258-0302")
GALAXIES = (
    *STAR_FORMING_OR_AGN,
    "0266-51602-0001",
    "0266-51602-0166",
    "0266-51602-0614",
    "2515-54180-0377",
)
PIPELINE_NAME = {
    "Halpha": "H_alpha",
    "Hbeta": "H_beta",
    "OIII_5008": "[O_III] 5007",
    "NII_6585": "[N_II] 6583",
}
QUICK = FitOptions(draws=8)


@pytest.fixture(scope="module")
def survey():
    """Columns of a spectrum, and the survey's redshift, dispersion and line fluxes."""
    if not SPECTRA.is_dir():
        pytest.skip("no SDSS spectra in ../shared/data/spectra")

    def read(name):
        with fits.open(SPECTRA / f"spec-{name}.fits") as hdus:
            table, row = hdus[1].data, hdus[2].data
            columns = {
                key: np.array(table[key], dtype=np.float64) for key in ("loglam", "flux", "ivar", "wdisp")
            }
            values = {key: float(row[key][0]) for key in ("Z", "VDISP", "VDISP_ERR")}
            lines = {str(r["LINENAME"]).strip(): float(r["LINEAREA"]) for r in hdus[3].data}
        return columns, values, lines

    return read


@pytest.fixture(scope="module")
def fitted(survey):
    """Fit of each galaxy by name."""

    def fit(name, **more):
        columns, values, _ = survey(name)
        pixels = PixelFlux.of(10 ** columns["loglam"], columns["flux"][None], columns["ivar"][None])
        return fit_stars(pixels, np.array([values["Z"]]), options=QUICK, **more)

    found = {name: fit(name) for name in GALAXIES}
    return lambda name, **more: fit(name, **more) if more else found[name]


def test_dispersions_agree_with_the_survey(survey, fitted):
    """Where the survey's is above 90 km/s and the signal above 15."""
    ratios = [
        fitted(name).sigma_kms.value[0] / survey(name)[1]["VDISP"]
        for name in GALAXIES
        if survey(name)[1]["VDISP"] > 90 and fitted(name).signal_to_noise[0] > 15
    ]
    assert len(ratios) == 8
    assert np.median(ratios) == pytest.approx(1, abs=0.05)
    assert np.all(np.abs(np.array(ratios) - 1) < 0.25)


def test_a_galaxy_observed_twice_is_the_same(fitted):
    first, second = (fitted(name) for name in TWICE)
    for quantity in ("sigma_kms", "a_v", "log_age_light_gyr", "metallicity_light"):
        one, two = getattr(first, quantity), getattr(second, quantity)
        assert abs(one.value[0] - two.value[0]) < 3 * np.hypot(one.error[0], two.error[0])


def test_lines_agree_with_the_survey(survey, fitted):
    ratios = [
        fitted(name).line_flux.value[0, GAS_LINES.index(key)] / survey(name)[2][theirs]
        for name in STAR_FORMING_OR_AGN
        for key, theirs in PIPELINE_NAME.items()
    ]
    assert np.median(np.abs(np.array(ratios) - 1)) < 0.15


@pytest.mark.parametrize("name", GALAXIES)
def test_stars_explain_real_galaxies(fitted, name):
    fit = fitted(name)
    assert not fit.has(FitQuality.BAD_CHI2 | FitQuality.NOT_CONVERGED | FitQuality.AT_LIMIT)[0]
    assert abs(fit.velocity_kms.value[0]) < 60
    assert 0.7 < fit.chi2_per_pixel[0] < 2


def test_the_spectrum_s_own_instrument_hardly_matters(survey, fitted):
    name = GALAXIES[0]
    instrument = survey(name)[0]["wdisp"][None] * PIXEL_KMS
    own = fitted(name, instrument_kms=instrument)
    error = own.sigma_kms.error[0]
    assert own.sigma_kms.value[0] == pytest.approx(fitted(name).sigma_kms.value[0], abs=error)


@pytest.mark.parametrize("name", ["1931-53358-0251", "0269-51581-0003", "1942-53415-0005"])
def test_what_is_no_galaxy_is_not_measured(survey, name):
    """A quasar at z = 1.19, an empty fibre and sky."""
    columns, values, _ = survey(name)
    pixels = PixelFlux.of(10 ** columns["loglam"], columns["flux"][None], columns["ivar"][None])
    fit = fit_stars(pixels, np.array([values["Z"]]), options=QUICK)
    assert fit.has(FitQuality.NO_FIT)[0]
    assert np.isnan(fit.sigma_kms.value[0])
