"""The fitter against pPXF (Cappellari 2023), the tool that astronomers trust.

pPXF's licence forbids commercial use: it is installed for this test alone (`pip install -e .[oracle]`). It is
slow, so that few spectra are compared; `PPXF_MOCKS=60 pytest -s …` compares those of docs/properties.md and
prints their table.
"""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from astropy.io import fits

from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.dust import calzetti_curve
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import LOG10_STEP, PIXEL_KMS, TEMPLATE_WAVE_AA, sigma_instrument_kms
from fiberless.stellar import GAS_LINES, FitOptions, FitQuality, fit_stars
from fiberless.stellar.broadening import survey_view
from fiberless.stellar.gas import GasColumns
from fiberless.stellar.populations import population_values
from fiberless.stellar.templates import RANK, templates

ppxf = pytest.importorskip("ppxf.ppxf", reason="pPXF is not installed: pip install -e .[oracle]")
pytestmark = pytest.mark.filterwarnings("ignore")

RANGE = FitOptions().fit_range_aa
HALPHA = GAS_LINES.index("Halpha")
N_MOCKS = int(os.environ.get("PPXF_MOCKS", "12"))
COMPARED = ("sigma_kms", "log_age_gyr", "metallicity", "a_v")
REFERENCE_NGC3522 = {"sigma_kms": 99.0, "log_age_yr": 9.87, "metallicity": 0.00516}
"""`ppxf_example_population_gas_sdss.py` of ppxf 9.5.2: E-MILES populations, ten polynomials."""
REFERENCE_NGC3073 = {"sigma_kms": 35.0, "halpha": 3.989}
"""`ppxf_example_gas_sdss_tied.py`; Hα in units of the median flux times a pixel."""


@dataclass(frozen=True)
class Oracle:
    """What pPXF finds with our templates, lines, dust and instrument."""

    sigma_kms: float
    log_age_gyr: float
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
        log_age_gyr=float(means["log_age_light_gyr"]),
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
    assert fit.log_age_light_gyr.value[0] == pytest.approx(oracle.log_age_gyr, abs=0.1)
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
        assert fit.log_age_light_gyr.value[0] + 9 == pytest.approx(REFERENCE_NGC3522["log_age_yr"], abs=0.1)
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
            (fit.log_age_light_gyr, oracle.log_age_gyr),
            (fit.metallicity_light, oracle.metallicity),
            (fit.a_v, oracle.a_v),
        )
        for estimate, expected in pairs:
            assert abs(estimate.value[0] - expected) < 0.3 * estimate.error[0]


def random_galaxy(rng, galaxy):
    """One to three populations of random age, metallicity and share, behind random dust."""
    metals, ages = load_ssp().flux.shape[:2]
    light = dict.fromkeys(
        zip(rng.integers(0, metals, 3).tolist(), rng.integers(6, ages, 3).tolist(), strict=True), 0.0
    )
    light = dict(list(light.items())[: rng.integers(1, 4)])
    shares = rng.dirichlet(np.ones(len(light)))
    return replace(
        galaxy,
        light=dict(zip(light, shares.tolist(), strict=True)),
        sigma_kms=rng.uniform(95, 280),
        redshift=rng.uniform(0.03, 0.15),
        a_v=rng.uniform(0, 1),
        gas_sigma_kms=rng.uniform(70, 180),
        gas_velocity_kms=rng.normal(0, 40),
        line_scale=10 ** rng.uniform(-1, 0.3),
    )


def both_errors(rng, galaxy, noisy, seed):
    """Our estimates and pPXF's, (4,) each, less the truth."""
    wave = galaxy.native_wave_aa()
    pixels = noisy(wave, galaxy.native(), ratio=rng.uniform(6, 24), seed=seed)
    fit = fit_stars(pixels, np.array([galaxy.redshift]), options=FitOptions(draws=0))
    oracle = ask_ppxf(wave, pixels.flux[0], pixels.ivar[0], galaxy.redshift, fit.used[0])
    truth = np.array([galaxy.sigma_kms, galaxy.log_age_gyr, galaxy.metallicity, galaxy.a_v])
    estimates = (fit.sigma_kms, fit.log_age_light_gyr, fit.metallicity_light, fit.a_v)
    ours = np.array([estimate.value[0] for estimate in estimates])
    return ours - truth, np.array([getattr(oracle, name) for name in COMPARED]) - truth


@pytest.mark.slow
@pytest.mark.timeout(0)  # computing, as long as the machine takes
def test_random_mocks_scatter_no_more_than_with_ppxf(typical, noisy):
    """At S/N 6 to 24, both with the default options: no polynomials, 4 σ clipping (pPXF: our pixels)."""
    rng = np.random.default_rng(460)
    pairs = [both_errors(rng, random_galaxy(rng, typical), noisy, seed) for seed in range(N_MOCKS)]
    ours, theirs = (np.array(errors) for errors in zip(*pairs, strict=True))
    scatter = [1.4826 * np.median(np.abs(x - np.median(x, axis=0)), axis=0) for x in (ours, theirs)]
    rms = [np.std(x, axis=0) for x in (ours, theirs)]
    apart = np.median(ours - theirs, axis=0)
    for j, name in enumerate(COMPARED):
        medians = " | ".join(f"{np.median(x[:, j]):+.3f}" for x in (ours, theirs))
        spreads = " | ".join(f"{x[0][j]:.3f} | {x[1][j]:.3f}" for x in (scatter, rms))
        sys.stdout.write(f"| {name} | {apart[j]:+.4f} | {medians} | {spreads} |\n")
    assert np.all(np.abs(apart) < 0.3 * rms[1])
    assert np.all(rms[0] < 1.15 * rms[1])
