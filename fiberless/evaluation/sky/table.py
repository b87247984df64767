"""Real galaxies in tables: the documented schema (docs/sky.md), its reader, and the cuts that tests share.

Parquet needs pyarrow (extra `parquet`); the rows that the package ships need nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from safetensors.numpy import load_file

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import BANDS
from fiberless.astro.extinction import EXTINCTION_PER_EBV, galactic_ebv_map
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.errors import UsageError

__all__ = [
    "COLOUR_RANGE",
    "GALAXY_TABLE",
    "LICENSED_SOURCES",
    "OBSERVED_MAGNITUDES",
    "REQUIRED_COLUMNS",
    "SPECTRAL_CLASSES",
    "RealGalaxies",
    "pooled_photometry",
    "read_columns",
    "read_galaxies",
    "shipped_galaxies",
]

GALAXY_TABLE: Final = "real_galaxies.parquet"
REQUIRED_COLUMNS: Final = ("src", "zspec", *BANDS)
"""A table without one of them is refused; single values may be missing."""
OBSERVED_MAGNITUDES: Final = ("dr7", "observed")
"""Values of `magtype` whose magnitudes still hold the Galaxy's dust, which the library's map takes out."""
LICENSED_SOURCES: Final = ("star_qso_galaxy", "mlz_mgs")
"""Sources of the shipped rows, in the order of their numbers in the file."""
COLOUR_RANGE: Final = ((-0.5, 3.5), (-0.5, 2.0), (-0.5, 1.2), (-0.8, 1.2))
"""u−g, g−r, r−i, i−z of galaxies; beyond it a catalogue's photometry has failed."""
SPECTRAL_CLASSES: Final = ("", "NONE", "STARFORMING", "STARBURST", "AGN", "BROADLINE")
"""First word of the survey's sub-class; "NONE" where a source with classes gives none, "" where unknown."""
_MAGNITUDE_RANGE: Final = (5.0, 35.0)
_SAME_OBJECT_ARCSEC: Final = 2.0
_SHIPPED: Final = "licensed_galaxies.safetensors"
_Strings: TypeAlias = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class RealGalaxies:
    """N real galaxies of several sources; what a source does not have is NaN.

    Parameters
    ----------
    source : (N,) names
    redshift : (N,) spectroscopic
    magnitudes : (N, 5) ugriz, corrected for the Galaxy's dust
    ebv : (N,) mag, E(B−V) of the library's map; NaN without a position
    log_stellar_mass : (N,) of M☉
    sigma_kms : (N,) stellar velocity dispersion in the survey's fibre
    r50_arcsec : (N,) half-light radius in r along the major axis, the PSF taken out
    axis_ratio : (N,) minor over major axis in r
    spectral_class : (N,) class of the survey's spectrum, one of `SPECTRAL_CLASSES`
    matched_sigma_kms : (N,) `sigma_kms` of the galaxy, in whichever source lists it

    """

    source: _Strings
    redshift: FloatArray
    magnitudes: FloatArray
    ebv: FloatArray
    log_stellar_mass: FloatArray
    sigma_kms: FloatArray
    r50_arcsec: FloatArray
    axis_ratio: FloatArray
    spectral_class: _Strings
    matched_sigma_kms: FloatArray

    def __len__(self) -> int:
        return len(self.redshift)

    def take(self, rows: BoolArray | IntArray) -> "RealGalaxies":
        """Rows of the table."""
        return RealGalaxies(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def names(self) -> list[str]:
        """Sources, in alphabetical order."""
        return sorted(set(self.source.tolist()))

    def of(self, source: str) -> "RealGalaxies":
        """Rows of one source."""
        return self.take(self.source == source)

    def photometry(self) -> Photometry:
        """Redshifts and magnitudes of the galaxies whose five magnitudes are sound."""
        sound = np.isfinite(self.redshift) & self.has_sound_colours()
        return Photometry(self.redshift[sound], self.magnitudes[sound])

    def has_sound_colours(self) -> BoolArray:
        """Whether all five magnitudes are there, with colours that galaxies have. (N,)"""
        colours = -np.diff(self.magnitudes, axis=1)
        low, high = np.array(COLOUR_RANGE).T
        sound: BoolArray = ((colours > low) & (colours < high)).all(axis=1)
        return sound


def read_galaxies(folder: Path) -> RealGalaxies:
    """Read `real_galaxies.parquet` of a folder.

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no such table, it cannot be read, or columns are missing.

    """
    columns = read_columns(folder / GALAXY_TABLE, REQUIRED_COLUMNS)
    return galaxies_of(columns)


def read_columns(path: Path, required: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Columns of a Parquet table; missing numbers are NaN.

    Raises
    ------
    UsageError
        `invalid-parameter`, naming the file and the columns that it lacks.

    """
    if find_spec("pyarrow") is None:
        raise UsageError("invalid-parameter", "Parquet needs pyarrow: pip install 'fiberless[parquet]'")
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError("invalid-parameter", f"{path} is no table of real galaxies: {error}") from error
    missing = [name for name in required if name not in table.column_names]
    if missing:
        raise UsageError("invalid-parameter", f"{path} lacks the columns {', '.join(missing)}")
    return {name: table[name].to_numpy() for name in table.column_names}


def galaxies_of(columns: Mapping[str, npt.NDArray[Any]]) -> RealGalaxies:
    """Galaxies of the columns of one table, magnitudes corrected for dust where they still hold it."""
    n = len(columns["zspec"])
    magnitudes = np.stack([_number(columns, band, n) for band in BANDS], axis=1)
    low, high = _MAGNITUDE_RANGE
    with np.errstate(invalid="ignore"):
        magnitudes[~((magnitudes > low) & (magnitudes < high))] = np.nan
    ebv = _reddening(_number(columns, "ra", n), _number(columns, "dec", n))
    dusty = np.isin(columns["magtype"].astype(str), OBSERVED_MAGNITUDES) if "magtype" in columns else None
    if dusty is not None:
        magnitudes[dusty] -= ebv[dusty, None] * EXTINCTION_PER_EBV
    sigma = _number(columns, "sigma", n)
    sigma = np.where(sigma > 0, sigma, np.nan)
    r50, axis_ratio = _shape(columns, n)
    source = columns["src"].astype(str)
    return RealGalaxies(
        source=source,
        redshift=_number(columns, "zspec", n),
        magnitudes=magnitudes,
        ebv=ebv,
        log_stellar_mass=_number(columns, "logm", n),
        sigma_kms=sigma,
        r50_arcsec=r50,
        axis_ratio=axis_ratio,
        spectral_class=_spectral_class(columns, source),
        matched_sigma_kms=_of_same_object(sigma, _number(columns, "ra", n), _number(columns, "dec", n)),
    )


def shipped_galaxies() -> RealGalaxies:
    """The openly licensed rows that come with the package: 18,813 galaxies of two sources (NOTICE)."""
    path = files("fiberless.evaluation.sky") / "tables" / _SHIPPED
    columns = load_file(str(path))
    n = len(columns["redshift"])
    r_mag, colours = columns["r_mag"].astype(np.float64), columns["colours"].astype(np.float64)
    u_g, g_r, r_i, i_z = colours.T
    magnitudes = np.stack([r_mag + g_r + u_g, r_mag + g_r, r_mag, r_mag - r_i, r_mag - r_i - i_z], axis=1)
    unknown = np.full(n, np.nan)
    return RealGalaxies(
        source=np.array(LICENSED_SOURCES)[columns["source"]],
        redshift=columns["redshift"].astype(np.float64),
        magnitudes=magnitudes,
        ebv=unknown,
        log_stellar_mass=unknown,
        sigma_kms=unknown,
        r50_arcsec=unknown,
        axis_ratio=unknown,
        spectral_class=np.array(SPECTRAL_CLASSES)[columns["spectral_class"]],
        matched_sigma_kms=unknown,
    )


def pooled_photometry(galaxies: RealGalaxies) -> Photometry:
    """Galaxies of all sources that have five sound magnitudes."""
    parts = [galaxies.of(name).photometry() for name in galaxies.names()]
    return Photometry(
        np.concatenate([part.redshift for part in parts]), np.concatenate([part.magnitudes for part in parts])
    )


def _number(columns: Mapping[str, npt.NDArray[Any]], name: str, n: int) -> FloatArray:
    """A column as float64, NaN where the table has none."""
    if name not in columns:
        return np.full(n, np.nan)
    try:
        return columns[name].astype(np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError("invalid-parameter", f"column {name} is no number: {error}") from error


def _reddening(ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """E(B−V) where there is a position."""
    ebv = np.full(len(ra_deg), np.nan)
    known = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    if known.any():
        ebv[known] = galactic_ebv_map(ra_deg[known], dec_deg[known])
    return ebv


def _shape(columns: Mapping[str, npt.NDArray[Any]], n: int) -> tuple[FloatArray, FloatArray]:
    """Half-light radius and axis ratio: `r50` and `ba`, else between those of the two model profiles.

    The weight of the de Vaucouleurs profile is the chance of an elliptical galaxy, a half if unknown.
    """
    elliptical = _number(columns, "p_el", n)
    share = np.where(np.isfinite(elliptical), elliptical, 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_de_vaucouleurs, log_exponential = (
            np.log10(_number(columns, name, n)) for name in ("devrad_r", "exprad_r")
        )
        between = 10 ** (share * log_de_vaucouleurs + (1 - share) * log_exponential)
    ratio = share * _number(columns, "devab_r", n) + (1 - share) * _number(columns, "expab_r", n)
    given_r50, given_ratio = _number(columns, "r50", n), _number(columns, "ba", n)
    r50 = np.where(given_r50 > 0, given_r50, between)
    axis_ratio = np.where(given_ratio > 0, given_ratio, ratio)
    sound = np.isfinite(r50) & (r50 > 0) & np.isfinite(axis_ratio) & (axis_ratio > 0) & (axis_ratio <= 1)
    return np.where(sound, r50, np.nan), np.where(sound, axis_ratio, np.nan)


def _spectral_class(columns: Mapping[str, npt.NDArray[Any]], source: _Strings) -> _Strings:
    """First words of `subclass`; in a source with classes, a row without one is "NONE"."""
    if "subclass" not in columns:
        return np.full(len(source), "", dtype="<U16")
    words = [str(value).split()[0] if value else "" for value in columns["subclass"].tolist()]
    known = np.array([word if word in SPECTRAL_CLASSES[2:] else "" for word in words], dtype="<U16")
    classified = np.isin(source, np.unique(source[known != ""]))
    return np.where(classified & (np.array(words, dtype="<U16") == ""), "NONE", known)


def _of_same_object(values: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """Values of each row, else of the nearest row within 2" that has one."""
    placed = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    giving, asking = (
        np.flatnonzero(placed & np.isfinite(values)),
        np.flatnonzero(placed & ~np.isfinite(values)),
    )
    found = values.copy()
    if len(giving) and len(asking):
        positions = SkyCoord(ra_deg, dec_deg, unit="deg")
        nearest, distance, _ = positions[asking].match_to_catalog_sky(positions[giving])
        same = distance.arcsec < _SAME_OBJECT_ARCSEC
        found[asking[same]] = values[giving[nearest[same]]]
    return found
