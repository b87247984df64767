from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.dust import calzetti_curve
from fiberless.astro.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, TEMPLATE_WAVE_AA, resample_log_flux
from fiberless.datasets.mock.nebular import LINE_NAMES
from fiberless.datasets.mock.spectra import add_lines, broaden, rest_window

LINES = {
    "Halpha": 200.0, "Hbeta": 60.0, "Hgamma": 26.0, "OIII_5008": 80.0, "OIII_4960": 80.0 / OIII_DOUBLET_RATIO,
    "NII_6585": 70.0, "NII_6550": 70.0 / NII_DOUBLET_RATIO, "SII_6718": 30.0, "SII_6733": 25.0,
}  # fmt: skip
LEVEL = 20.0
"""Mean F_λ before dust over 5070–5950 Å, 1e-17 erg/(s cm2 Å)."""


@dataclass(frozen=True)
class Galaxy:
    """A simulated galaxy: shares of light of populations (metallicity index, age index), and the rest."""

    light: Mapping[tuple[int, int], float]
    sigma_kms: float
    redshift: float
    a_v: float
    gas_sigma_kms: float = 100.0
    gas_velocity_kms: float = 0.0
    line_scale: float = 1.0

    @property
    def log_age_gyr(self) -> float:
        return float(sum(w * np.log10(load_ssp().age_gyr[j]) for (_, j), w in self.light.items()))

    @property
    def metallicity(self) -> float:
        return float(sum(w * load_ssp().log_z_solar[i] for (i, _), w in self.light.items()))

    def line_flux(self, name: str) -> float:
        return LINES.get(name, 0.0) * self.line_scale

    def native(self) -> FloatArray:
        """Noiseless observed spectrum (4022,) on `TEMPLATE_WAVE_AA` × (1 + z), pixels of 69 km/s."""
        ssp = load_ssp()
        band = (ssp.wave_aa > 5070) & (ssp.wave_aa < 5950)
        stars = sum(w * _unit(ssp.flux[i, j], band) for (i, j), w in self.light.items())
        stars = LEVEL * stars * 10 ** (-0.4 * self.a_v * calzetti_curve(ssp.wave_aa))
        z, sigma = np.array([self.redshift]), np.array([self.sigma_kms])
        fluxes = np.array([[self.line_flux(name) for name in LINE_NAMES]])
        seen = broaden(stars[None].astype(np.float32), z, sigma)
        gas_sigma = np.array([self.gas_sigma_kms])
        return add_lines(seen, fluxes, z, gas_sigma, velocity_kms=self.gas_velocity_kms)[0].astype(float)

    def per_aa(self) -> FloatArray:
        """Noiseless observed spectrum (4500,) on `OBSERVED_WAVE_AA`, resampled as a prediction is."""
        ln_flux = np.log(rest_window(self.native()[None]))
        return np.exp(resample_log_flux(ln_flux, np.array([self.redshift]), OBSERVED_WAVE_AA))[0]

    def native_wave_aa(self) -> FloatArray:
        return TEMPLATE_WAVE_AA * (1 + self.redshift)


def _unit(flux: FloatArray, band: FloatArray) -> FloatArray:
    flux = flux.astype(float)
    return flux / flux[band].mean()


@pytest.fixture
def galaxies() -> tuple[Galaxy, ...]:
    """Single and double populations, dispersions above the library's."""
    return (
        Galaxy({(4, 25): 1.0}, 200.0, 0.100, 0.0),
        Galaxy({(4, 22): 1.0}, 120.0, 0.080, 0.3, gas_velocity_kms=40.0),
        Galaxy({(3, 18): 1.0}, 150.0, 0.060, 0.6),
        Galaxy({(4, 25): 0.6, (3, 12): 0.4}, 180.0, 0.120, 0.5),
        Galaxy({(5, 24): 0.5, (2, 10): 0.5}, 105.0, 0.090, 0.8),
    )


@pytest.fixture
def typical() -> Galaxy:
    return Galaxy({(4, 24): 0.7, (4, 14): 0.3}, 160.0, 0.08, 0.4)


@pytest.fixture
def noisy() -> Callable[..., PixelFlux]:
    """Spectra on one grid with white noise of a signal-to-noise ratio a pixel at the median flux."""

    def make(wave_aa: FloatArray, flux: FloatArray, *, ratio: float, n: int = 1, seed: int = 0) -> PixelFlux:
        error = np.median(flux) / ratio
        noise = error * np.random.default_rng(seed).standard_normal((n, flux.size))
        return PixelFlux.of(wave_aa, flux + noise, np.full((n, flux.size), error**-2))

    return make
