"""Catalogue photometry of both surveys in one cut: redshifts and dereddened magnitudes in u, g, r, i, z."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.table import Table

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import BANDS, N_BANDS, magnitude
from fiberless.contract.manifest import PROMISED_REDSHIFT, TRAINED_REDSHIFT
from fiberless.datasets.mock.galaxies import draw_galaxies
from fiberless.datasets.mock.hyperparameters import Hyperparameters
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError

__all__ = [
    "COLOURS",
    "TABLE_MINUS_SURVEY_MAG",
    "Photometry",
    "as_in_table",
    "draw_photometry",
    "observed_photometry",
    "read_photometry",
    "with_catalogue_errors",
]

COLOURS: Final = ("u-g", "g-r", "r-i", "i-z")
_BRIGHT_LIMIT: Final = 14.0
_CHUNK: Final = 500
_MAGNITUDE_COLUMNS: Final = tuple(f"mag_{band}" for band in BANDS)
_ERROR_AT: Final = {
    "u": ((16.75, 17.75, 18.75, 19.75, 20.75, 21.75), (0.0106, 0.0155, 0.0284, 0.0509, 0.105, 0.222)),
    "g": ((15.25, 16.25, 17.25, 18.25, 19.25, 20.25), (0.0017, 0.0024, 0.0036, 0.0061, 0.0113, 0.0164)),
    "r": ((14.25, 15.25, 16.25, 17.25, 18.25, 19.25), (0.0014, 0.0018, 0.0025, 0.0041, 0.0074, 0.0129)),
    "i": ((14.25, 15.25, 16.25, 17.25, 18.25, 19.25), (0.0015, 0.0021, 0.0032, 0.0053, 0.0105, 0.0162)),
    "z": ((14.25, 15.25, 16.25, 17.25, 18.25, 19.25), (0.0028, 0.0049, 0.0084, 0.0168, 0.0346, 0.0572)),
}
"""Median statistical error in mag by magnitude, from MAGGIES_IVAR of the real table at 0.03 < z < 0.17, its
floor of 0.0217 mag taken out in quadrature. In u it is the sky noise of 190 pixels: model magnitudes."""
_ERROR_SCATTER_DEX: Final = 0.2
_CALIBRATION_MAG: Final = np.array([0.02, 0.01, 0.01, 0.01, 0.01])
"""Zero points of the releases up to DR12 (Padmanabhan et al. 2008, ApJ 674, 1217: 2 % in u, 1 % in griz)."""

TABLE_MINUS_SURVEY_MAG: Final = np.array([-0.046, 0.016, 0.014, 0.014, 0.005])
"""Magnitudes of the real table less those of the survey's images: the table is on kcorrect's AB system.

Medians over the 238 objects that the table shares with the sample in kcorrect 5.1.9 (`gst_tests_small.fits`,
MODELFLUX and EXTINCTION): u−g −0.065 ± 0.007, g−r 0.002 ± 0.002, r−i 0.001 ± 0.001, i−z 0.009 ± 0.002, the
same for red and blue, bright and faint galaxies. kcorrect's corrections to AB are of this size in u."""


@dataclass(frozen=True, eq=False)
class Photometry:
    """Redshifts (N,) and total magnitudes (N, 5) corrected for Galactic extinction."""

    redshift: FloatArray
    magnitudes: FloatArray

    def __len__(self) -> int:
        return len(self.redshift)

    @property
    def colours(self) -> FloatArray:
        """Differences of neighbouring bands in the order of `COLOURS`. (N, 4)"""
        return -np.diff(self.magnitudes, axis=1)

    @property
    def r_mag(self) -> FloatArray:
        """Magnitudes in r. (N,)"""
        return self.magnitudes[:, BANDS.index("r")]

    def take(self, rows: BoolArray | IntArray) -> "Photometry":
        """Rows of the sample."""
        return Photometry(self.redshift[rows], self.magnitudes[rows])

    def main_sample(self) -> "Photometry":
        """Galaxies at 0.05 < z < 0.15 and 14 < r < 17.77 that are detected in every band."""
        low, high = PROMISED_REDSHIFT
        inside = (self.redshift > low) & (self.redshift < high) & np.isfinite(self.magnitudes).all(axis=1)
        return self.take(inside & (self.r_mag > _BRIGHT_LIMIT) & (self.r_mag < MAIN_LIMIT))


def read_photometry(table: Path) -> Photometry:
    """Real galaxies: a table with REDSHIFT and MAGGIES in nanomaggies, u, g, r, i, z first.

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no such table.

    """
    try:
        rows = Table.read(table)
        maggies, redshift = np.asarray(rows["MAGGIES"])[:, :N_BANDS], np.asarray(rows["REDSHIFT"], float)
    except (OSError, KeyError, IndexError) as error:
        raise UsageError("invalid-parameter", f"{table} holds no real photometry: {error}") from error
    return Photometry(redshift, magnitude(maggies))


def as_in_table(photometry: Photometry) -> Photometry:
    """Magnitudes of the survey's images, brought to the system of the real table."""
    return Photometry(photometry.redshift, photometry.magnitudes + TABLE_MINUS_SURVEY_MAG)


def draw_photometry(
    seed: int,
    n: int,
    *,
    fit: Hyperparameters | None = None,
    redshifts: tuple[float, float] = TRAINED_REDSHIFT,
) -> Photometry:
    """Draw n galaxies of the simulated sky and make their light alone, without images or spectra.

    A tenth of a millisecond each. Those that `draw_galaxies` keeps come back, at all magnitudes, as noiseless
    totals.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, n, _CHUNK):
        population, light = draw_galaxies(rng, min(_CHUNK, n - start), fit=fit, redshifts=redshifts)
        parts.append(Photometry(population.redshift, magnitude(light.band_nmgy.sum(axis=1))))
    return Photometry(*(np.concatenate(column) for column in zip(*map(_columns, parts), strict=True)))


def observed_photometry(shards: ShardSet, *, limit: int | None = None) -> Photometry:
    """Noiseless totals of a data set on disk, from its truth columns.

    Raises
    ------
    UsageError
        `invalid-parameter` if the data set was made before totals in five bands were written.

    """
    magnitudes = np.stack([shards.truth(name, limit=limit) for name in _MAGNITUDE_COLUMNS], axis=1)
    return Photometry(shards.truth("redshift", limit=limit), magnitudes)


def with_catalogue_errors(seed: int, photometry: Photometry) -> Photometry:
    """Add the errors that the real table's magnitudes carry: statistical ones and the zero points'."""
    rng = np.random.default_rng(seed)
    typical = np.stack(
        [_error(band, photometry.magnitudes[:, column]) for column, band in enumerate(BANDS)], axis=1
    )
    # the scatter is that of sizes and seeing, which the bands share
    sigma = typical * 10 ** rng.normal(0, _ERROR_SCATTER_DEX, (len(photometry), 1))
    total = np.hypot(sigma, _CALIBRATION_MAG)
    # added to fluxes, so that faint magnitudes are skewed as real ones are
    factor = 1 + rng.standard_normal(total.shape) * total * np.log(10) / 2.5
    with np.errstate(invalid="ignore"):
        return Photometry(photometry.redshift, photometry.magnitudes - 2.5 * np.log10(factor))


def _error(band: str, magnitudes: FloatArray) -> FloatArray:
    """Typical error in mag; beyond the table's ends it goes as the sky noise does, 0.4 dex a magnitude."""
    at, error = _ERROR_AT[band]
    beyond = np.clip(magnitudes - at[-1], 0, None)
    inside: FloatArray = np.exp(np.interp(magnitudes, at, np.log(error)))
    return inside * 10 ** (0.4 * beyond)


def _columns(photometry: Photometry) -> tuple[FloatArray, FloatArray]:
    return photometry.redshift, photometry.magnitudes
