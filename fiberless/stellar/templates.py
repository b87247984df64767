"""Stellar templates of the fitter: the shared populations in few basis vectors, with what each stands for."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from astropy.table import Table

from fiberless.arrays import FloatArray
from fiberless.astro.bands import LIGHT_SPEED_AA_S, response
from fiberless.astro.ssp import WIDE_WAVE_AA, load_ssp

__all__ = ["LIGHT_RANGE_AA", "RANK", "SOLAR_R_MAG", "SOLAR_V_MAG", "Templates", "templates"]

LIGHT_RANGE_AA: Final = (5070.0, 5950.0)
"""Rest-frame range whose light weighs ages and metallicities."""
RANK: Final = 64
"""Basis vectors kept: the templates are reproduced to 6e-4 rms, the worst to 1e-3."""
SOLAR_R_MAG: Final = 4.65
"""Absolute AB magnitude of the Sun in SDSS r (Willmer 2018, ApJS 236, 47, table 3)."""
SOLAR_V_MAG: Final = 4.80
"""Absolute AB magnitude of the Sun in Johnson V (the same table)."""
_SUN_CGS: Final = 3.828e33
_TEN_PARSEC_CM: Final = 3.0856775814913673e19


@dataclass(frozen=True, eq=False)
class Templates:
    """T populations, metallicities slowest, each of mean one over `LIGHT_RANGE_AA`.

    Parameters
    ----------
    vectors : (R, 4022) on `wavelength.TEMPLATE_WAVE_AA`, most important first
    mixing : (T, R) populations are `mixing @ vectors`
    log_age_gyr : (T,) lg of the mean age
    metallicity : (T,) lg of metallicity over solar
    mass_formed : (T,) M☉ per unit of weight, that is per L☉/Å of mean light
    mass_living : (T,) M☉ in living stars and remnants per unit of weight
    light_r, light_v : (T,) L☉ of the band per unit of weight

    """

    vectors: FloatArray
    mixing: FloatArray
    log_age_gyr: FloatArray
    metallicity: FloatArray
    mass_formed: FloatArray
    mass_living: FloatArray
    light_r: FloatArray
    light_v: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of metallicities and ages: T is their product."""
        grid = load_ssp()
        return grid.log_z_solar.size, grid.age_gyr.size


@cache
def templates(rank: int = RANK) -> Templates:
    """Singular-value decomposition of the packaged populations, kept for the life of the process."""
    grid = load_ssp()
    flux = grid.flux.astype(np.float64).reshape(-1, grid.wave_aa.size)
    inside = (grid.wave_aa > LIGHT_RANGE_AA[0]) & (grid.wave_aa < LIGHT_RANGE_AA[1])
    light = flux[:, inside].mean(axis=1)
    left, singular, vectors = np.linalg.svd(flux / light[:, None], full_matrices=False)
    wide = grid.flux_wide.astype(np.float64).reshape(light.size, -1)
    return Templates(
        vectors=vectors[:rank],
        mixing=left[:, :rank] * singular[:rank],
        log_age_gyr=np.tile(np.log10(grid.age_gyr), grid.log_z_solar.size),
        metallicity=np.repeat(np.asarray(grid.log_z_solar, dtype=np.float64), grid.age_gyr.size),
        mass_formed=1 / light,
        mass_living=grid.living_fraction.reshape(-1) / light,
        light_r=_band_light(wide, *response("r"), solar_mag=SOLAR_R_MAG) / light,
        light_v=_band_light(wide, *_johnson_v(), solar_mag=SOLAR_V_MAG) / light,
    )


def _johnson_v() -> tuple[FloatArray, FloatArray]:
    """Wavelengths in Å and energy response, turned into that of a photon counter."""
    table = Table.read(str(files("fiberless.stellar") / "tables" / "bessell_v.ecsv"), format="ascii.ecsv")
    wave_aa = np.asarray(table["wavelength"], dtype=np.float64)
    return wave_aa, np.asarray(table["response"], dtype=np.float64) / wave_aa


def _band_light(
    flux: FloatArray, wave_aa: FloatArray, throughput: FloatArray, *, solar_mag: float
) -> FloatArray:
    """Light (T,) in L☉ of the band, of spectra (T, 665) in L☉/Å on `WIDE_WAVE_AA`."""
    curve = np.interp(WIDE_WAVE_AA, wave_aa, throughput, left=0.0, right=0.0)
    passed = np.trapezoid(flux * curve * WIDE_WAVE_AA, WIDE_WAVE_AA, axis=-1)
    f_nu = passed / (LIGHT_SPEED_AA_S * np.trapezoid(curve / WIDE_WAVE_AA, WIDE_WAVE_AA))
    absolute = -2.5 * np.log10(f_nu * _SUN_CGS / (4 * np.pi * _TEN_PARSEC_CM**2)) - 48.6
    light: FloatArray = 10 ** (-0.4 * (absolute - solar_mag))
    return light
