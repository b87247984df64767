from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from fiberless.analysis.rebinning import bin_edges
from fiberless.arrays import FloatArray
from fiberless.astro.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, line, lines
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, OBSERVED_WAVE_AA, PIXEL_KMS, sigma_instrument_kms

SPECTRA = Path(__file__).parents[4] / "shared" / "data" / "spectra"
RATIO_TO_HBETA = {
    "OII_3727": 1.0, "OII_3730": 1.3, "NeIII_3870": 0.15, "H8": 0.1, "Hepsilon": 0.15, "Hdelta": 0.259,
    "Hgamma": 0.468, "Hbeta": 1.0, "HeI_5877": 0.1, "OI_6302": 0.1, "OI_6365": 0.033,
    "Halpha": 3.5, "SII_6718": 0.7, "SII_6733": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class Synthetic:
    """Spectra (N, 4500) and what was put into them: fluxes (N,) and continuum (N,) by line name."""

    flux: FloatArray
    redshift: FloatArray
    line_flux: dict[str, FloatArray]
    continuum: dict[str, FloatArray]

    def ew(self, name: str) -> FloatArray:
        return self.line_flux[name] / (1 + self.redshift) / self.continuum[name]


@cache
def _populations(sigma_star_kms: float) -> tuple[FloatArray, FloatArray]:
    ssp = load_ssp()
    flux = ssp.flux.astype(np.float64).reshape(-1, ssp.wave_aa.size)
    flux /= flux.mean(axis=1, keepdims=True)
    return ssp.wave_aa, gaussian_filter1d(flux, sigma_star_kms / PIXEL_KMS, axis=1)


def stars(rng: np.random.Generator, sigma_star_kms: float) -> tuple[FloatArray, FloatArray]:
    """Random history, every population behind its own dust: rest wavelengths (P,) and flux (P,)."""
    wave, populations = _populations(sigma_star_kms)
    weights = rng.dirichlet(np.full(len(populations), 0.1))
    tau = np.repeat(rng.uniform(0, 1.5, size=2), (len(populations) + 1) // 2)[: len(populations)]
    screens = np.exp(-tau[:, None] * (wave / 5500) ** -0.7)
    return wave, 20 * weights @ (populations * screens)


def gaussian_lines(
    wave_aa: FloatArray, redshift: float, sigma_kms: float, fluxes: dict[str, float]
) -> FloatArray:
    edges = bin_edges(wave_aa)
    total = np.zeros_like(wave_aa)
    for name, flux in fluxes.items():
        centre = line(name).wave_aa * (1 + redshift)
        sigma = np.hypot(sigma_kms, sigma_instrument_kms(np.array(centre))) / LIGHT_SPEED_KMS * centre
        total += flux * np.diff(ndtr((edges - centre) / sigma)) / np.diff(edges)
    return total


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., Synthetic]:
    def make(
        *, redshift: FloatArray, sigma_kms: FloatArray, ew_hbeta_aa: FloatArray, seed: int = 0
    ) -> Synthetic:
        rng = np.random.default_rng(seed)
        spectra, line_fluxes, levels = [], [], []
        for z, sigma, ew in zip(redshift, sigma_kms, ew_hbeta_aa, strict=True):
            wave, continuum = stars(rng, float(rng.choice([80.0, 160.0, 280.0])))
            level = {
                name: float(continuum[np.abs(wave - known.wave_aa) < 10].mean())
                for name, known in lines().items()
            }
            hbeta = ew * level["Hbeta"] * (1 + z)
            fluxes = {name: ratio * hbeta for name, ratio in RATIO_TO_HBETA.items()}
            fluxes["OIII_5008"], fluxes["NII_6585"] = hbeta * rng.uniform(0.3, 3.0, size=2)
            fluxes["OIII_4960"] = fluxes["OIII_5008"] / OIII_DOUBLET_RATIO
            fluxes["NII_6550"] = fluxes["NII_6585"] / NII_DOUBLET_RATIO
            starlight = np.interp(OBSERVED_WAVE_AA / (1 + z), wave, continuum)
            spectra.append(starlight + gaussian_lines(OBSERVED_WAVE_AA, z, sigma, fluxes))
            line_fluxes.append(fluxes)
            levels.append(level)
        return Synthetic(
            np.array(spectra),
            np.asarray(redshift),
            {name: np.array([f[name] for f in line_fluxes]) for name in line_fluxes[0]},
            {name: np.array([c[name] for c in levels]) for name in levels[0]},
        )

    return make


@dataclass(frozen=True)
class Observed:
    """An SDSS spectrum with the survey's redshift and line fluxes."""

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    redshift: FloatArray
    pipeline_flux: dict[str, float]


@pytest.fixture(scope="session")
def observed() -> Callable[[str], Observed]:
    def read(name: str) -> Observed:
        path = SPECTRA / f"spec-{name}.fits"
        if not path.exists():
            pytest.skip(f"real SDSS spectra are not here: {path.name}")
        with fits.open(path) as hdus:
            coadd, fit, line_fits = hdus[1].data, hdus[2].data, hdus[3].data
            return Observed(
                10 ** np.array(coadd["loglam"], dtype=np.float64),
                np.array(coadd["flux"], dtype=np.float64)[None],
                np.array(coadd["ivar"], dtype=np.float64)[None],
                np.array(fit["Z"], dtype=np.float64),
                {str(row["LINENAME"]).strip(): float(row["LINEAREA"]) for row in line_fits},
            )

    return read


@pytest.fixture(scope="session")
def real_spectrum() -> Callable[[str], Path]:
    def path_of(name: str) -> Path:
        path = SPECTRA / f"spec-{name}.fits"
        if not path.exists():
            pytest.skip(f"real SDSS spectra are not here: {path.name}")
        return path

    return path_of
