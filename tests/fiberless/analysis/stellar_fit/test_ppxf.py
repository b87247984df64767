"""The fitter against pPXF (Cappellari 2023), the tool that astronomers trust.

pPXF's licence forbids commercial use: it is installed for this test alone (`pip install -e .[oracle]`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from astropy.io import fits

from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.stellar_fit import GAS_LINES, FitOptions, FitQuality, fit_stars
from fiberless.analysis.stellar_fit.broadening import survey_view
from fiberless.analysis.stellar_fit.gas import GasColumns
from fiberless.analysis.stellar_fit.populations import population_values
from fiberless.analysis.stellar_fit.templates import RANK, templates
from fiberless.dust import calzetti_curve
from fiberless.wavelength import LOG10_STEP, PIXEL_KMS, TEMPLATE_WAVE_AA, sigma_instrument_kms

ppxf = pytest.importorskip("ppxf.ppxf", reason="pPXF is not installed: pip install -e .[oracle]")
pytestmark = pytest.mark.filterwarnings("ignore")

RANGE = FitOptions().fit_range_aa
HALPHA = GAS_LINES.index("Halpha")
REFERENCE_NGC3522 = {"sigma_kms": 99.0, "lg_age_yr": 9.87, "metallicity": 0.00516}
"""`ppxf_example_population_gas_sdss.py` of ppxf 9.5.2: E-MILES populations, ten polynomials."""
REFERENCE_NGC3073 = {"sigma_kms": 35.0, "halpha": 3.989}
"""`ppxf_example_gas_sdss_tied.py`; Hα in units of the median flux times a pixel."""


@dataclass(frozen=True)
class Oracle:
    """What pPXF finds with our templates, lines, dust and instrument."""

    sigma_kms: float
    lg_age_gyr: float
    metallicity: float
    a_v: float
    halpha: float


def ask_ppxf(wave_aa, flux, ivar, redshift, used) -> Oracle:
    view = survey_view(redshift, RANGE, RANK)
    vectors = scipy.fft.irfft(view.transform, n=2 * (len(view.transform) - 1), axis=0)
    stars = vectors[: TEMPLATE_WAVE_AA.size] @ templates().mixing.T
    half = 10 ** (LOG10_STEP / 2)
    edges = np.append(TEMPLATE_WAVE_AA / half, TEMPLATE_WAVE_AA[-1] * half)
    gas = (
        GasColumns.of(edges, lambda wave: sigma_instrument_kms(wave * (1 + redshift)))
        .shapes(0.0, 0.0)
        .columns
    )
    peak = gas.max(axis=0)
    component = np.repeat([0, 1], [stars.shape[1], gas.shape[1]])
    place = slice(np.flatnonzero(used)[0], np.flatnonzero(used)[-1] + 1)
    scale = np.median(flux[place])
    noise = 1 / np.sqrt(np.where(ivar > 0, ivar, 1.0)) / scale
    screen = {
        "start": [0.3],
        "bounds": [[0, 5]],
        "component": component == 0,
        "func": lambda wave, a_v: 10 ** (-0.4 * a_v * calzetti_curve(wave)),
    }
    answer = ppxf.ppxf(
        np.column_stack([stars, gas / peak]), flux[place] / scale, noise[place], PIXEL_KMS,
        [[0.0, 140.0], [0.0, 120.0]], component=component, moments=[2, 2], degree=-1,
        lam=wave_aa[place] / (1 + redshift), lam_temp=TEMPLATE_WAVE_AA, mask=used[place], dust=[screen],
        gas_component=component > 0, gas_names=np.array(GAS_LINES), quiet=True,
    )  # fmt: skip
    means = population_values(answer.weights[: stars.shape[1]])
    return Oracle(
        sigma_kms=float(np.sqrt(answer.sol[0][1] ** 2 - view.floor_kms2)),
        lg_age_gyr=float(means["lg_age_light_gyr"]),
        metallicity=float(means["metallicity_light"]),
        a_v=float(answer.dust[0]["sol"][0]),
        halpha=float(answer.weights[stars.shape[1] + HALPHA] / peak[HALPHA] * scale * (1 + redshift)),
    )


@pytest.fixture(scope="module", params=["NGC3522", "NGC3073"])
def real(request):
    """One of the two SDSS spectra in the wheel: name, wavelengths, flux, inverse variance, redshift."""
    path = Path(ppxf.__file__).parent / "spectra" / f"{request.param}_SDSS_DR18.fits"
    with fits.open(path) as hdus:
        table = hdus["COADD"].data
        columns = (np.array(table[name], dtype=np.float64) for name in ("loglam", "flux", "ivar"))
        loglam, flux, ivar = columns
        return request.param, 10**loglam, flux, ivar, float(hdus["SPECOBJ"].data["z"][0])


def test_real_spectra_with_the_same_templates(real):
    _, wave, flux, ivar, redshift = real
    fit = fit_stars(PixelFlux.of(wave, flux[None], ivar[None]), np.array([redshift]))
    oracle = ask_ppxf(wave, flux, ivar, redshift, fit.used[0])
    assert fit.sigma_kms.value[0] == pytest.approx(oracle.sigma_kms, abs=5)
    assert fit.lg_age_light_gyr.value[0] == pytest.approx(oracle.lg_age_gyr, abs=0.1)
    assert fit.metallicity_light.value[0] == pytest.approx(oracle.metallicity, abs=0.1)
    assert fit.a_v.value[0] == pytest.approx(oracle.a_v, abs=0.05)
    assert fit.line_flux.value[0, HALPHA] == pytest.approx(oracle.halpha, rel=0.05)


def test_real_spectra_against_the_reference_output(real):
    """Other populations (E-MILES), other instrument widths, polynomials: still within the tolerances."""
    name, wave, flux, ivar, redshift = real
    fit = fit_stars(PixelFlux.of(wave, flux[None], ivar[None]), np.array([redshift]))
    if name == "NGC3522":
        assert fit.quality[0] == FitQuality.GOOD
        assert fit.sigma_kms.value[0] == pytest.approx(REFERENCE_NGC3522["sigma_kms"], abs=5)
        assert fit.lg_age_light_gyr.value[0] + 9 == pytest.approx(REFERENCE_NGC3522["lg_age_yr"], abs=0.1)
        assert fit.metallicity_light.value[0] == pytest.approx(REFERENCE_NGC3522["metallicity"], abs=0.1)
        return
    assert fit.has(FitQuality.LOW_DISPERSION)[0]
    assert fit.sigma_kms.value[0] == pytest.approx(REFERENCE_NGC3073["sigma_kms"], abs=5)
    pixel_aa = 6564.632 * (1 + redshift) * np.log(10) * LOG10_STEP
    halpha = REFERENCE_NGC3073["halpha"] * np.median(flux) * pixel_aa
    assert fit.line_flux.value[0, HALPHA] == pytest.approx(halpha, rel=0.05)


def test_noisy_mocks_with_the_same_templates(galaxies, noisy):
    """Same optimum: differences far below the errors."""
    for seed, galaxy in enumerate(galaxies):
        wave = galaxy.native_wave_aa()
        pixels = noisy(wave, galaxy.native(), ratio=15.0, seed=seed)
        options = FitOptions(clip_sigma=0, draws=12)
        fit = fit_stars(pixels, np.array([galaxy.redshift]), options=options)
        oracle = ask_ppxf(wave, pixels.flux[0], pixels.ivar[0], galaxy.redshift, fit.used[0])
        pairs = (
            (fit.sigma_kms, oracle.sigma_kms),
            (fit.lg_age_light_gyr, oracle.lg_age_gyr),
            (fit.metallicity_light, oracle.metallicity),
            (fit.a_v, oracle.a_v),
        )
        for estimate, expected in pairs:
            assert abs(estimate.value[0] - expected) < 0.3 * estimate.error[0]
