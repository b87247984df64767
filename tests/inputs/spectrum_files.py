"""Spectrum files as astronomers have them: one object a situation, with what becomes of it.

A situation a row, whatever its length. It is built from one synthetic galaxy of known redshift, wavelengths (vacuum), flux and errors.
"""
# ruff: noqa: E501

import gzip
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import Table
from scipy.special import ndtr

from fiberless.analysis.rebinning import bin_edges
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.lines import line
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, vacuum_to_air

REDSHIFT = 0.08
LINE_FLUX = {
    "OII_3730": 150.0, "Hbeta": 100.0, "OIII_4960": 33.557, "OIII_5008": 100.0, "Halpha": 286.0,
    "NII_6550": 33.784, "NII_6585": 100.0, "SII_6718": 60.0, "SII_6733": 45.0,
}  # fmt: skip
"""1e-17 erg/(s cm2)"""
BRIGHT_SKY, EMISSION_LINE = 1 << 23, 1 << 30
F_LAMBDA = "1e-17 erg / (s cm2 Angstrom)"


@dataclass(frozen=True, eq=False)
class Galaxy:
    """The spectrum that all files hold: observed vacuum Å, 1e-17 erg/(s cm2 Å); `bad` marks pixels."""

    wave_aa: FloatArray
    flux: FloatArray
    error: FloatArray
    bad: BoolArray

    @property
    def hit(self) -> FloatArray:
        """Flux with cosmic rays of 600 units on the bad pixels."""
        return np.where(self.bad, self.flux + 600, self.flux)


Build = Callable[[Path, Galaxy], Path]


@dataclass(frozen=True)
class SpectrumFile:
    """A file as it comes, and what becomes of it.

    Parameters
    ----------
    situation : what the file is, for people
    outcome : `read`, `predicted` or `refused`
    build : writes the file into a folder
    said : words in the notes, or in the refusal
    unsaid : words that must not be there
    slug : of the refusal
    has_error : whether its errors are read

    """

    situation: str
    outcome: Literal["read", "predicted", "refused"]
    build: Build
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    slug: str = "not-a-spectrum"
    has_error: bool = True


@cache
def galaxy() -> Galaxy:
    """A star-forming galaxy on the survey's grid, S/N about 30."""
    wave_aa = 10 ** (3.581 + 1e-4 * np.arange(3840))
    ssp = load_ssp()
    stars = ssp.flux[4, 22].astype(float) + 2 * ssp.flux[4, 12] / 10
    flux = 25 * np.interp(wave_aa / (1 + REDSHIFT), ssp.wave_aa, stars / stars.mean())
    edges = bin_edges(wave_aa)
    for name, total in LINE_FLUX.items():
        centre = line(name).wave_aa * (1 + REDSHIFT)
        flux += total * np.diff(ndtr((edges - centre) / (centre * 160 / LIGHT_SPEED_KMS))) / np.diff(edges)
    error = np.full(flux.size, 0.8)
    rng = np.random.default_rng(1)
    bad = np.zeros(flux.size, dtype=bool)
    bad[rng.choice(flux.size, 60, replace=False)] = True
    bad[np.abs(wave_aa - 6564.6 * (1 + REDSHIFT)) < 40] = False
    return Galaxy(wave_aa, flux + error * rng.standard_normal(flux.size), error, bad)


def table(columns: Callable[[Galaxy], Mapping[str, Any]], name: str = "spectrum.fits", **cards: Any) -> Build:
    """Builder of a table file, by the ending of its name."""

    def build(folder: Path, source: Galaxy) -> Path:
        made = Table(columns(source), meta=cards)
        path = folder / name
        made.write(path, overwrite=True)
        return path

    return build


def text(
    names: str,
    *values: Callable[[Galaxy], Sequence[Any]],
    delimiter: str = ",",
    name: str = "spectrum.csv",
    encode: Callable[[str], bytes] = str.encode,
) -> Build:
    """Builder of a text file: a first line of names, then rows of cells."""

    def build(folder: Path, source: Galaxy) -> Path:
        columns = [read(source) for read in values]
        rows = [delimiter.join(map(_cell, row)) for row in zip(*columns, strict=True)]
        path = folder / name
        path.write_bytes(encode("\n".join([*([names] if names else []), *rows]) + "\n"))
        return path

    return build


def image(
    rows: Callable[[Galaxy], Any],
    cards: Mapping[str, Any],
    *others: Callable[[Galaxy], fits.ImageHDU],
    name: str = "image.fits",
) -> Build:
    """Builder of a FITS image with cards, and further HDUs."""

    def build(folder: Path, source: Galaxy) -> Path:
        first = fits.PrimaryHDU(np.asarray(rows(source), dtype=np.float64))
        first.header.update(cards)
        fits.HDUList([first, *(other(source) for other in others)]).writeto(folder / name, overwrite=True)
        return folder / name

    return build


def hdus(make: Callable[[Galaxy], Sequence[Any]], name: str = "spectrum.fits") -> Build:
    """Builder of a FITS file from its HDUs."""

    def build(folder: Path, source: Galaxy) -> Path:
        fits.HDUList(list(make(source))).writeto(folder / name, overwrite=True)
        return folder / name

    return build


def raw(content: bytes, name: str = "file.dat") -> Build:
    """Builder of a file of these bytes."""

    def build(folder: Path, _: Galaxy) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return build


def columns_hdu(name: str, cards: Mapping[str, Any] | None = None, **columns: Any) -> fits.BinTableHDU:
    """Table HDU of (format, unit, array) or (format, unit, array) triples by column name."""
    built = [fits.Column(key, kind, unit, array=values) for key, (kind, unit, values) in columns.items()]
    hdu = fits.BinTableHDU.from_columns(built, name=name)
    hdu.header.update(cards or {})
    return hdu


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.7g}" if isinstance(value, float) else str(value)


def wave(s: Galaxy) -> FloatArray:
    """Vacuum wavelengths, Å."""
    return s.wave_aa


def loglam(s: Galaxy) -> FloatArray:
    """Their decimal logarithms."""
    return np.log10(s.wave_aa)


def air(s: Galaxy) -> FloatArray:
    """Wavelengths in air, Å."""
    return vacuum_to_air(s.wave_aa)


def flux(s: Galaxy) -> FloatArray:
    """Flux, our unit."""
    return s.flux


def error(s: Galaxy) -> FloatArray:
    """Standard deviation, our unit."""
    return s.error


def ivar(s: Galaxy) -> FloatArray:
    """Inverse variance, 0 on bad pixels."""
    return np.where(s.bad, 0.0, s.error**-2.0)


def f_nu(s: Galaxy) -> FloatArray:
    """Flux in Jy."""
    return s.flux * 1e-17 * s.wave_aa**2 / 2.99792458e18 * 1e23


def counted(s: Galaxy) -> list[int]:
    """0, 1, 2 …"""
    return list(range(s.flux.size))


def _with_units(
    wave_unit: str, flux_unit: str | None, scale: Callable[[Galaxy], FloatArray], per_aa: float = 1.0
) -> Build:
    def make(s: Galaxy) -> list[Any]:
        values = scale(s)
        sigma = values / s.flux * s.error
        return [
            fits.PrimaryHDU(),
            columns_hdu(
                "T",
                wave=("D", wave_unit, s.wave_aa * per_aa),
                flux=("D", flux_unit, values),
                error=("D", flux_unit, sigma),
            ),
        ]

    return hdus(make)


def _linear(s: Galaxy, values: FloatArray, grid: FloatArray, axis: FloatArray | None = None) -> FloatArray:
    return np.interp(grid, s.wave_aa if axis is None else axis, values)


GRID = np.arange(3900.0, 9100.0, 1.5)
LINEAR_AXIS = {"CRVAL1": 3900.0, "CRPIX1": 1.0, "CDELT1": 1.5, "CD1_1": 1.5}
LOG_AXIS = {"CRVAL1": 3.581, "CRPIX1": 1.0, "CDELT1": 1e-4, "CD1_1": 1e-4, "DC-FLAG": 1}
IRAF = {"CTYPE1": "LINEAR", "DC-FLAG": 0, "WAT0_001": "system=equispec",
        "WAT1_001": "wtype=linear label=Wavelength units=angstroms"}  # fmt: skip


def _spec_hdu(s: Galaxy, *, upper: bool = False) -> fits.BinTableHDU:
    and_mask = np.where(s.bad, BRIGHT_SKY, 0)
    names = ("flux", "loglam", "ivar", "and_mask", "or_mask")
    names = tuple(name.upper() for name in names) if upper else names
    values = (s.hit, np.log10(s.wave_aa), s.error**-2.0, and_mask, and_mask)
    columns = {
        name: (kind, None, array)
        for name, kind, array in zip(names, ("E", "E", "E", "J", "J"), values, strict=True)
    }
    return columns_hdu("COADD", None, **columns)


def _spec(*others: Callable[[], Any], upper: bool = False) -> Build:
    return hdus(lambda s: [fits.PrimaryHDU(), _spec_hdu(s, upper=upper), *(other() for other in others)])


def _pipeline(**columns: Any) -> Callable[[], fits.BinTableHDU]:
    return lambda: columns_hdu("SPALL", None, **columns)


def _spspec(s: Galaxy) -> FloatArray:
    lines = np.zeros(s.flux.size)
    for name in LINE_FLUX:
        lines[np.abs(s.wave_aa / (1 + REDSHIFT) - line(name).wave_aa) < 10] = EMISSION_LINE
    mask = np.where(s.bad, BRIGHT_SKY, lines)
    return np.stack([s.hit, s.flux, s.error, mask, s.flux])


SPSPEC = {"TELESCOP": "SDSS 2.5-M", "PLATEID": 266, "MJD": 51630, "FIBERID": 5, "COEFF0": 3.581, "COEFF1": 1e-4,
          "CRVAL1": 3.581, "CD1_1": 1e-4, "CRPIX1": 1, "DC-FLAG": 1, "BUNIT": "1.0E-17 erg/cm/s/Ang",
          "Z": 0.08, "SPEC_CLN": 2}  # fmt: skip


def _desi(s: Galaxy, count: int = 1) -> list[Any]:
    """Arms on one grid of 0.8 Å, as desispec writes coadds."""
    made: list[Any] = [
        fits.PrimaryHDU(),
        columns_hdu("FIBERMAP", None, TARGETID=("K", None, [39627] * count)),
    ]
    for letter, low, high in (("B", 3812.0, 5800.0), ("R", 5760.0, 7620.0), ("Z", 7520.0, 9200.0)):
        grid = np.round(low + 0.8 * np.arange(int((high - low) / 0.8) + 1), 1)
        values = [np.tile(_linear(s, array, grid), (count, 1)) for array in (s.flux, s.error**-2.0)]
        mask = np.zeros((count, grid.size), np.int32)
        mask[:, 100] = 1
        values[0][:, 100] += 500
        hdu = fits.ImageHDU(grid, name=f"{letter}_WAVELENGTH")
        hdu.header["BUNIT"] = "Angstrom"
        made += [
            hdu,
            fits.ImageHDU(values[0].astype("f4"), name=f"{letter}_FLUX"),
            fits.ImageHDU(values[1].astype("f4"), name=f"{letter}_IVAR"),
            fits.ImageHDU(mask, name=f"{letter}_MASK"),
            fits.ImageHDU(np.ones((count, 11, 10), "f4"), name=f"{letter}_RESOLUTION"),
        ]
    return made


def _shifted_arm(s: Galaxy) -> list[Any]:
    """Arms of which R lies a third of a pixel off the others' grid."""
    made = _desi(s)
    arm = {hdu.name: hdu for hdu in made}
    arm["R_WAVELENGTH"].data = arm["R_WAVELENGTH"].data + 0.27
    arm["R_FLUX"].data = _linear(s, s.flux, arm["R_WAVELENGTH"].data)[None].astype("f4")
    return made


def _lamost_image(s: Galaxy) -> FloatArray:
    return np.stack([s.hit, ivar(s), s.wave_aa, s.bad, s.bad])


def _lamost_table(s: Galaxy) -> list[Any]:
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "LAMOST"
    n = s.flux.size
    names = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
    columns = {
        name: (f"{n}E", None, array[None]) for name, array in zip(names, _lamost_image(s), strict=True)
    }
    columns["WAVELENGTH"] = (f"{n}D", None, s.wave_aa[None])
    return [primary, columns_hdu("COADD", None, **columns)]


def _gama(s: Galaxy) -> FloatArray:
    rows = [_linear(s, array, GRID) for array in (s.flux, s.error)]
    return np.stack([*rows, rows[0] * 30, rows[1] * 30, np.full(GRID.size, 400.0)])


GAMA = {**LINEAR_AXIS, "CTYPE1": "Wavelength", "CUNIT1": "Angstroms", "BUNIT": "10^-17 erg/s/cm^2/A",
        "ROW1": "Spectrum", "ROW2": "Error", "ROW3": "Spectrum_nocalib", "ROW4": "Error_nocalib",
        "ROW5": "Sky", "ORIGIN": "GAMA"}  # fmt: skip
SIXDF = {
    **LINEAR_AXIS,
    "CUNIT1": "Angstroms",
    "OBSRA": 1.0,
    "OBSDEC": -1.0,
    "Z": 0.08,
    "Z_HELIO": 0.08,
    "QUALITY": 4,
}


def _sixdf(s: Galaxy) -> FloatArray:
    rows = [_linear(s, array, GRID) for array in (s.flux, s.error**2)]
    return np.stack([*rows, np.full(GRID.size, 400.0), GRID])


def _eso(s: Galaxy, *, in_air: bool = False) -> list[Any]:
    """Phase 3: one row of vectors with UCDs, nm, erg/(s cm2 Å); a second flux that is not calibrated."""
    n = s.flux.size
    cgs = "erg cm**(-2) s**(-1) angstrom**(-1)"
    waves = (air(s) if in_air else s.wave_aa) / 10
    hdu = columns_hdu(
        "SPECTRUM",
        {"VOCLASS": "SPECTRUM V2.0", "NELEM": n},
        WAVE=(f"{n}D", "nm", waves[None]),
        FLUX_REDUCED=(f"{n}E", "adu", (s.flux * 40)[None]),
        ERR_REDUCED=(f"{n}E", "adu", (s.error * 40)[None]),
        FLUX=(f"{n}D", cgs, (s.hit * 1e-17)[None]),
        ERR=(f"{n}D", cgs, (s.error * 1e-17)[None]),
        QUAL=(f"{n}J", None, s.bad.astype(int)[None]),
        SNR=(f"{n}E", None, (s.flux / s.error)[None]),
    )
    ucds = (
        "em.wl;obs.atmos" if in_air else "em.wl",
        "phot.flux.density;em.wl;src.net;stat.uncalib",
        "stat.error;phot.flux.density;em.wl;src.net;stat.uncalib",
        "phot.flux.density;em.wl;src.net;meta.main",
        "stat.error;phot.flux.density;em.wl;src.net;meta.main",
        "meta.code.qual;meta.main",
        "stat.snr;meta.main",
    )
    for number, ucd in enumerate(ucds, start=1):
        hdu.header[f"TUCD{number}"] = ucd
    return [fits.PrimaryHDU(), hdu]


def _specutils(folder: Path, s: Galaxy) -> Path:
    import specutils  # noqa: PLC0415  # optional
    from astropy.nddata import StdDevUncertainty  # noqa: PLC0415

    read = specutils.Spectrum(
        flux=s.hit * units.Unit(F_LAMBDA), spectral_axis=s.wave_aa * units.AA,
        uncertainty=StdDevUncertainty(s.error), mask=s.bad,
    )  # fmt: skip
    read.write(folder / "masked.fits", format="tabular-fits", overwrite=True)
    return folder / "masked.fits"


def _zipped(count: int) -> Build:
    def build(folder: Path, s: Galaxy) -> Path:
        inner = text("wavelength,flux,error", wave, flux, error)(folder, s).read_text()
        with zipfile.ZipFile(folder / "spectrum.zip", "w") as archive:
            for i in range(count):
                archive.writestr(f"{i}.csv", inner)
        return folder / "spectrum.zip"

    return build


def _votable(folder: Path, s: Galaxy) -> Path:
    ours = units.Unit("1e-19 W / (m2 nm)")
    made = Table({"spectral": s.wave_aa / 10 * units.nm, "data": s.hit * ours, "noise_level": s.error * ours})
    made["use"] = s.bad.astype(int)
    for name, ucd in (("spectral", "em.wl"), ("data", "phot.flux.density;em.wl"),
                      ("noise_level", "stat.error;phot.flux.density;em.wl"), ("use", "meta.code.qual")):  # fmt: skip
        made[name].meta["ucd"] = ucd
    made.write(folder / "spectrum.vot", format="votable", overwrite=True)
    return folder / "spectrum.vot"


def _machine_readable(folder: Path, s: Galaxy) -> Path:
    ours = units.Unit(F_LAMBDA)
    made = Table({"wave": s.wave_aa * units.AA, "flux": s.flux * ours, "err": s.error * ours})
    made.write(folder / "table.mrt", format="ascii.mrt", overwrite=True)
    return folder / "table.mrt"


def _plain(s: Galaxy) -> dict[str, Any]:
    return {"wavelength": s.wave_aa * units.AA, "flux": s.hit * units.Unit(F_LAMBDA)}


def _multispec(kind: str) -> dict[str, Any]:
    return {"WAT0_001": "system=multispec", "WAT1_001": "wtype=multispec label=Wavelength units=angstroms",
            "WAT2_001": f'wtype=multispec spec1 = "{kind}"', "CRVAL1": 1.0, "CDELT1": 1.0,
            "BUNIT": "erg/cm2/s/A"}  # fmt: skip


def _mixed(
    first: Callable[[Galaxy], FloatArray], **others: Callable[[Galaxy], Any]
) -> Callable[[Galaxy], dict[str, Any]]:
    return lambda s: {"wave": first(s), **{name: read(s) for name, read in others.items()}}


def _cgs(s: Galaxy) -> FloatArray:
    return s.flux * 1e-17


MEDIUM = "does not say whether"
SDSS = (
    SpectrumFile("SDSS spec file whose HDU 2 is an image", "read", _spec(lambda: fits.ImageHDU(np.ones((3, 3)))), unsaid=(MEDIUM,)),
    SpectrumFile("SDSS spec file whose HDU 2 has no ZWARNING", "read",
              _spec(_pipeline(CLASS=("6A", None, ["GALAXY"]), Z=("E", None, [0.08])))),
    SpectrumFile("SDSS spec file whose HDU 2 is empty", "read",
              _spec(_pipeline(CLASS=("6A", None, np.array([], "S6")), Z=("E", None, np.array([]))))),
    SpectrumFile("SDSS spec file without further HDUs", "read", _spec()),
    SpectrumFile("SDSS-V spec file with capital names", "read", _spec(upper=True)),
    SpectrumFile("SDSS spSpec file of DR1 to DR7, emission lines marked in its mask", "read",
              image(_spspec, SPSPEC, name="spSpec-51630-0266-005.fit"), unsaid=(MEDIUM,)),
)  # fmt: skip
SURVEYS = (
    SpectrumFile("DESI coadd of one target: arms B, R and Z", "read", hdus(_desi),
              said=("arms B, R, Z joined", "FIBERMAP", "B_RESOLUTION"), unsaid=(MEDIUM,)),
    SpectrumFile("DESI coadd of several targets", "refused", hdus(lambda s: _desi(s, 5)), said=("5 spectra",)),
    SpectrumFile("LAMOST image of five rows (DR1 to DR7)", "read", image(_lamost_image, {"TELESCOP": "LAMOST", **LOG_AXIS}),
              said=("relative", "ormask"), unsaid=(MEDIUM,)),
    SpectrumFile("LAMOST table of one row (DR8 on)", "read", hdus(_lamost_table), said=("relative", "ORMASK"), unsaid=(MEDIUM,)),
    SpectrumFile("GAMA image of five rows named by ROWn", "read", image(_gama, GAMA), said=("Sky", "Spectrum_nocalib", MEDIUM)),
    SpectrumFile("GAMA image of five rows known by its ORIGIN alone", "read", image(_gama,
              {key: value for key, value in GAMA.items() if not key.startswith("ROW")}), said=("uncalibrated spectrum",)),
    SpectrumFile("6dF image of spectrum, variance, sky and wavelength", "read", image(_sixdf, SIXDF), said=("sky", "variance")),
    SpectrumFile("6dF table of counts per second", "read",
              hdus(lambda s: [fits.PrimaryHDU(), columns_hdu("T", WAVE=("D", "Angstroms", s.wave_aa), FLUX=("D", "counts/s", s.flux))]),
              said=("relative",), has_error=False),
    SpectrumFile("ESO Phase 3: one row of vectors with UCDs, in nm", "read", hdus(_eso), said=("FLUX_REDUCED", "SNR")),
    SpectrumFile("ESO Phase 3 in air (UCD em.wl;obs.atmos)", "read", hdus(lambda s: _eso(s, in_air=True)), said=("in air: converted",)),
    SpectrumFile("image of rows that no card names", "refused", image(_gama, {**LINEAR_AXIS, "BUNIT": "Jy"}), said=("5 rows", "ROW1")),
)  # fmt: skip
UNFAMILIAR = (
    SpectrumFile("DESI arms on grids that do not match", "read", hdus(_shifted_arm), said=("arms B, R, Z",)),
    SpectrumFile("a file of an HDU kind that is not known", "refused", hdus(lambda s: [fits.PrimaryHDU(), columns_hdu("T",
              pixel=("D", None, s.wave_aa), adu_level=("D", None, s.flux))]), said=("pixel, adu_level",)),
    SpectrumFile("rows whose names are not known", "refused", image(lambda s: np.stack([_linear(s, s.flux, GRID)] * 2),
              {**LINEAR_AXIS, "ROW1": "apple", "ROW2": "pear", "BUNIT": F_LAMBDA}), said=("apple", "pear")),
    SpectrumFile("an ECSV table of a kind that is not known", "read", table(lambda s: {**_plain(s), "error": s.error, "mask": s.bad},
              name="s.ecsv", kind="stacked"), said=("kind = 'stacked'",)),
    SpectrumFile("columns named predicted and observed side by side", "refused",
              text("wavelength,predicted_flux,observed_flux,error", wave, flux, flux, error), said=("predicted_flux", "observed_flux")),
    SpectrumFile("a predicted file without its samples", "refused", image(flux, {"PREDICT": True, **LINEAR_AXIS}), said=("SAMPLES",)),
    SpectrumFile("a column of errors under a name that is not known", "read", table(_mixed(wave, flux=flux, plusminus=error)),
              said=("columns not used: plusminus",), has_error=False),
    SpectrumFile("lines of different numbers of cells", "refused",
              raw(b"wave,flux\n" + b"".join(b"%d,1\n%d,1,1,1\n%d\n" % (n, n, n) for n in range(4000, 4300)), "s.csv"), said=("differ",)),
    SpectrumFile("words in brackets that are no unit", "read", text("wavelength (observed),flux (total),error", wave, flux, error),
              said=("no flux unit",)),
    SpectrumFile("wavelengths in the rest frame", "refused", text("rest_wavelength,flux,error", lambda s: s.wave_aa / 1.08, flux, error),
              said=("rest frame",)),
    SpectrumFile("SPECSYS = TOPOCENT", "read", image(lambda s: _linear(s, s.flux, GRID), {**LINEAR_AXIS, "CTYPE1": "WAVE",
              "SPECSYS": "TOPOCENT", "BUNIT": F_LAMBDA}), said=("from the telescope",), has_error=False),
)  # fmt: skip
IMAGES = (
    SpectrumFile("IRAF, linear", "read", image(lambda s: _linear(s, s.flux, GRID) * 1e-17, {**LINEAR_AXIS, **IRAF, "BUNIT": "erg/cm2/s/A"}),
              said=(MEDIUM,), has_error=False),
    SpectrumFile("IRAF, log-linear (DC-FLAG = 1)", "read", image(_cgs, {**IRAF, **LOG_AXIS, "BUNIT": "erg/(s cm2 Angstrom)"}), has_error=False),
    SpectrumFile("IRAF multispec, linear", "read", image(lambda s: _linear(s, s.flux, GRID) * 1e-17,
              _multispec(f"1 1 0 3900. 1.5 {GRID.size} 0. 1 1")), has_error=False),
    SpectrumFile("IRAF multispec, Legendre", "read", image(lambda s: _linear(s, s.flux, GRID) * 1e-17,
              _multispec(f"1 1 2 3900. 1.5 {GRID.size} 0. 1 1 1. 0. 2 2 1. {GRID.size}. {GRID.mean()} {(GRID[-1] - GRID[0]) / 2}")),
              has_error=False),
    SpectrumFile("IRAF multispec, cubic spline", "refused", image(lambda s: _linear(s, s.flux, GRID) * 1e-17,
              _multispec(f"1 1 2 3900. 1.5 {GRID.size} 0. 1 1 1. 0. 3 2 1. 2. 3. 4.")), said=("dispersion of kind",)),
    SpectrumFile("IRAF bands named by BANDIDn", "read", image(
              lambda s: np.stack([_linear(s, a, GRID) for a in (s.flux, s.flux, s.error)])[:, None, :] * 1e-17,
              {**LINEAR_AXIS, **IRAF, "BUNIT": "erg/cm2/s/A", "BANDID1": "spectrum - background none, weights variance, clean no",
               "BANDID2": "raw - background none", "BANDID3": "sigma - background none"}), said=("raw",)),
    SpectrumFile("CTYPE1 = AWAV, wavelengths in air", "read",
              image(lambda s: _linear(s, s.flux, GRID, air(s)), {**LINEAR_AXIS, "CTYPE1": "AWAV", "CUNIT1": "Angstrom", "BUNIT": F_LAMBDA}),
              said=("in air: converted",), has_error=False),
    SpectrumFile("CTYPE1 = WAVE, errors and mask in HDUs named ERR and DQ", "read",
              image(lambda s: _linear(s, s.flux, GRID), {**LINEAR_AXIS, "CTYPE1": "WAVE", "CUNIT1": "Angstrom", "BUNIT": F_LAMBDA},
                    lambda s: fits.ImageHDU(_linear(s, s.error, GRID), name="ERR"),
                    lambda _: fits.ImageHDU(np.zeros(GRID.size, np.int32), name="DQ")), unsaid=(MEDIUM,)),
    SpectrumFile("an HDU beside the flux that is not known", "read",
              image(lambda s: _linear(s, s.flux, GRID), {**LINEAR_AXIS, "CTYPE1": "WAVE", "BUNIT": F_LAMBDA},
                    lambda _: fits.ImageHDU(np.ones(GRID.size), name="ATMOS")), said=("ATMOS",), has_error=False),
    SpectrumFile("CUNIT1 that is not known", "refused", image(flux, {**LINEAR_AXIS, "CUNIT1": "furlong", "BUNIT": F_LAMBDA}),
              said=("furlong",), slug="unknown-unit"),
    SpectrumFile("pixels without a wavelength axis", "refused", image(flux, {"BUNIT": F_LAMBDA}), said=("without a wavelength axis",)),
    SpectrumFile("BUNIT that is not known", "refused", image(flux, {**LINEAR_AXIS, "BUNIT": "foo/bar"}), said=("foo/bar",), slug="unknown-unit"),
    SpectrumFile("image of the sky", "refused", image(lambda _: np.ones((50, 200)),
              {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 1.0, "CDELT1": 1e-4})),
)  # fmt: skip
TABLES = (
    SpectrumFile("specutils' tabular-fits with a mask", "read", _specutils),
    SpectrumFile("FITS table of wave, flux, ivar", "read", table(_mixed(wave, flux=lambda s: s.hit, ivar=ivar)),
              said=("inverse variance in column ivar", "no flux unit"), unsaid=("no errors",)),
    SpectrumFile("FITS table of loglam, flux, ivar and mask", "read",
              table(lambda s: {"loglam": loglam(s), "flux": s.hit, "ivar": s.error**-2.0, "mask": s.bad}), said=("inverse variance",)),
    SpectrumFile("variance", "read", table(_mixed(wave, flux=flux, variance=lambda s: s.error**2)), said=("variance in column variance",)),
    SpectrumFile("column good, true where a pixel is to be used", "read", table(_mixed(wave, flux=lambda s: s.hit, err=error, good=lambda s: ~s.bad))),
    SpectrumFile("quality flags of several bits", "read", table(_mixed(wave, flux=lambda s: s.hit, sigma=error, QUALITY=lambda s: s.bad * 5))),
    SpectrumFile("names that are not known beside units that are", "read",
              table(lambda s: {"x": s.wave_aa * units.AA, "y": s.flux * units.Unit(F_LAMBDA)}), has_error=False),
    SpectrumFile("sky and model beside the flux", "read", table(_mixed(wave, flux=flux, std=error, sky=flux, model=flux)), said=("sky, model",)),
    SpectrumFile("a velocity dispersion named sigma", "read",
              table(lambda s: {"wave": s.wave_aa, "flux": s.flux, "sigma": np.full(s.flux.size, 70.0) * units.km / units.s}),
              said=("columns not used: sigma",), has_error=False),
    SpectrumFile("column wave_air", "read", table(lambda s: {"wave_air": air(s), "flux": s.flux, "err": s.error}), said=("in air: converted",)),
    SpectrumFile("column lambda_vac", "read", table(lambda s: {"lambda_vac": s.wave_aa, "flux": s.flux, "err": s.error}), unsaid=(MEDIUM,)),
    SpectrumFile("AIRORVAC with a word that is not known", "read", table(_mixed(wave, flux=flux, err=error), AIRORVAC="helium"),
              said=("helium", "medium of the wavelengths is not known"), unsaid=(MEDIUM,)),
    SpectrumFile("VOTable by UCDs alone", "read", _votable),
    SpectrumFile("ECSV in nm and W / (m2 um)", "read", table(lambda s: {
              "wavelength": s.wave_aa / 10 * units.nm, "flux": s.flux * 1e-16 * units.Unit("W / (m2 um)"),
              "uncertainty": s.error * 1e-16 * units.Unit("W / (m2 um)")}, name="s.ecsv"), said=(MEDIUM,)),
    SpectrumFile("ECSV whose meta says air", "read", table(lambda s: {**_plain(s), "wavelength": air(s) * units.AA, "err": s.error,
              "mask": s.bad}, name="s.ecsv", medium="air"), said=("in air: converted",)),
    SpectrumFile("two columns that could each be the flux", "refused", table(lambda s: {"wave": s.wave_aa, "flux_a1": s.flux, "flux_b1": s.flux}),
              said=("flux_a1, flux_b1",)),
    SpectrumFile("a table of many spectra, a row each", "refused", hdus(lambda s: [fits.PrimaryHDU(), columns_hdu("T",
              WAVE=(f"{s.flux.size}E", None, np.tile(s.wave_aa, (3, 1))), FLUX=(f"{s.flux.size}E", None, np.tile(s.flux, (3, 1))))]),
              said=("3 spectra",)),
    SpectrumFile("a mask that takes out every pixel", "refused", table(_mixed(wave, flux=flux, mask=lambda s: np.ones(s.flux.size, bool))),
              said=("mask marks every pixel",), slug="no-valid-pixels"),
    SpectrumFile("a mask that takes out nearly every pixel", "refused", table(_mixed(wave, flux=flux, mask=lambda s: ~s.bad)),
              said=("column mask", "good or bad"), slug="no-valid-pixels"),
    SpectrumFile("PypeIt's coadd, whose mask is true where a pixel is good", "read", hdus(lambda s: [fits.PrimaryHDU(),
              columns_hdu("SPECTRUM", {"DMODCLS": "OneSpec"}, wave=("D", None, s.wave_aa), flux=("D", None, s.hit),
                          ivar=("D", None, s.error**-2.0), mask=("K", None, (~s.bad).astype(int)))]), said=("inverse variance",)),
    SpectrumFile("JWST's x1d: um, Jy and further errors", "read", hdus(lambda s: [fits.PrimaryHDU(), columns_hdu("EXTRACT1D",
              WAVELENGTH=("D", "um", s.wave_aa / 1e4), FLUX=("D", "Jy", f_nu(s)), FLUX_ERROR=("D", "Jy", f_nu(s) / s.flux * s.error),
              SB_ERROR=("D", "MJy/sr", s.flux), DQ=("J", None, np.zeros(s.flux.size)))]), said=("SB_ERROR",)),
    SpectrumFile("HST's x1d: one row of vectors", "read", hdus(lambda s: [fits.PrimaryHDU(), columns_hdu("SCI",
              SPORDER=("I", None, [1]), WAVELENGTH=(f"{s.flux.size}D", "Angstroms", s.wave_aa[None]),
              NET=(f"{s.flux.size}E", "Counts/s", s.flux[None]), FLUX=(f"{s.flux.size}D", "erg/s/cm**2/Angstrom", s.flux[None] * 1e-17),
              ERROR=(f"{s.flux.size}D", "erg/s/cm**2/Angstrom", s.error[None] * 1e-17))]), said=("NET",)),
    SpectrumFile("mask in words that are not known", "refused", table(_mixed(wave, flux=flux, mask=lambda s: np.full(s.flux.size, "perhaps"))),
              said=("perhaps",)),
)  # fmt: skip
UNITS = (
    *(SpectrumFile(f"wavelengths in {unit!r}", "read", _with_units(unit, F_LAMBDA, flux, per_aa)) for unit, per_aa in (
        ("A", 1), ("Ang", 1), ("Angstroms", 1), ("ANGSTROM", 1), ("0.1nm", 1), ("nm", 0.1), ("um", 1e-4), ("micron", 1e-4))),
    *(SpectrumFile(f"flux in {unit!r}", "read", _with_units("Angstrom", unit, lambda s, x=scale: s.flux * x), unsaid=("no flux unit",))
      for unit, scale in (("erg/s/cm2/A", 1e-17), ("1E-17 erg/cm^2/s/Ang", 1), ("10**-17 erg s-1 cm-2 angstrom-1", 1),
                          ("erg cm**(-2) s**(-1) angstrom**(-1)", 1e-17), ("10^(-16) erg.cm^(-2).s^(-1).A^(-1)", 0.1), ("flam", 1e-17))),
    SpectrumFile("flux in 'Jy'", "read", _with_units("Angstrom", "Jy", f_nu)),
    SpectrumFile("flux in 'mJy'", "read", _with_units("Angstrom", "mJy", lambda s: f_nu(s) * 1e3)),
    SpectrumFile("flux in counts", "read", _with_units("Angstrom", "counts", flux), said=("relative",)),
    SpectrumFile("flux without a unit, of the size of erg/(s cm2 Å)", "read", _with_units("Angstrom", None, _cgs),
              said=("taken as erg / (s cm2 Angstrom)",)),
    SpectrumFile("flux without a unit, of no usual size", "refused", _with_units("Angstrom", None, lambda s: s.flux * 1e-7),
              said=("neither",), slug="unknown-unit"),
    SpectrumFile("flux in magnitudes", "refused", _with_units("Angstrom", "mag", flux), said=("'mag'",), slug="unknown-unit"),
    SpectrumFile("wavelengths in a unit that is not known", "refused", _with_units("parsec", F_LAMBDA, flux), said=("parsec",), slug="unknown-unit"),
)  # fmt: skip
TEXTS = (
    SpectrumFile("CSV with pandas' index", "read", text(",wavelength,flux,error", counted, wave, flux, error)),
    SpectrumFile("CSV by semicolons", "read", text("wavelength;flux;error", wave, flux, error, delimiter=";")),
    SpectrumFile("CSV by semicolons with decimal commas", "read", text("wavelength;flux;error", wave, flux, error, delimiter=";",
              encode=lambda words: words.replace(".", ",").encode())),
    SpectrumFile("text by tabs, a byte order mark and CRLF", "read", text("wavelength\tflux\terror", wave, flux, error, delimiter="\t",
              encode=lambda words: b"\xef\xbb\xbf" + words.replace("\n", "\r\n").encode())),
    SpectrumFile("text in UTF-16", "read", text("wavelength\tflux\terror", wave, flux, error, delimiter="\t",
              encode=lambda words: words.encode("utf-16"))),
    SpectrumFile("names in a Latin-1 comment", "read", text("# wavelength (\xc5) flux error", wave, flux, error, delimiter=" ",
              encode=lambda words: words.encode("latin-1")), said=("no flux unit",)),
    SpectrumFile("CSV packed by gzip", "read", text("wavelength,flux,error", wave, flux, error, name="s.csv.gz",
              encode=lambda words: gzip.compress(words.encode()))),
    SpectrumFile("CSV in a zip archive", "read", _zipped(1)),
    SpectrumFile("CSV of loglam, flux, ivar", "read", text("loglam,flux,ivar", loglam, lambda s: s.hit, ivar), said=("inverse variance",)),
    SpectrumFile("units in brackets after the names", "read", text("Wavelength [nm],Flux (erg/s/cm2/A),Sigma (erg/s/cm2/A)",
              lambda s: s.wave_aa / 10, _cgs, lambda s: s.error * 1e-17), unsaid=("no flux unit",)),
    SpectrumFile("units in a line below the names", "read", text("wave,flux,err\nnm,erg/s/cm2/A,erg/s/cm2/A",
              lambda s: s.wave_aa / 10, _cgs, lambda s: s.error * 1e-17), unsaid=("no flux unit",)),
    SpectrumFile("unit in a name: wavelength_nm", "read", text("wavelength_nm,flux,flux_err", lambda s: s.wave_aa / 10, flux, error)),
    SpectrumFile("lam_obs, flux_obs, ivar", "read", text("lam_obs,flux_obs,ivar", wave, lambda s: s.hit, ivar), said=("inverse variance",)),
    SpectrumFile("masks in words", "read", text("wave,flux,err,mask", wave, lambda s: s.hit, error, lambda s: [str(b) for b in s.bad])),
    SpectrumFile("columns without names", "read", text("", wave, flux, error, delimiter=" "), said=("without names",)),
    SpectrumFile("a comment that says air", "read", text("# wavelengths in air\nwave,flux,err", air, flux, error), said=("in air: converted",)),
    SpectrumFile("named columns that are not known", "refused", text("a,b,c", wave, flux, error), said=("a, b, c", "known are wavelength")),
    SpectrumFile("wavelengths known, no flux", "refused", text("wave,b,c", wave, flux, error), said=("no column of flux", "wave, b, c")),
    SpectrumFile("SkyServer's CSV: Wavelength, Flux, BestFit, SkyFlux", "read", text("Wavelength,Flux,BestFit,SkyFlux", wave, flux, flux, error),
              said=("BestFit, SkyFlux",), has_error=False),
    SpectrumFile("columns numbered in comments", "read", text("# 1: lambda [Angstrom]\n# 2: flux [1e-17 erg/s/cm2/A]\n# 3: error", wave, flux, error,
              delimiter=" "), unsaid=("no flux unit", "understood")),
    SpectrumFile("comments that do not name the columns", "read", text("# observed on a clear night", wave, flux, error, delimiter=" "),
              said=("no names of columns understood",), unsaid=("without names",)),
    SpectrumFile("a journal's machine-readable table", "read", _machine_readable, unsaid=("no flux unit",)),
    SpectrumFile("lines of remarks before the names", "read", text("Object: NGC 1234\nDate, 2020-01-01\nwavelength,flux,error", wave, flux, error),
              said=("2 lines before",)),
    SpectrumFile("R's names without one for the index", "read", text('"wavelength" "flux" "error"', lambda s: [f'"{i}"' for i in counted(s)],
              wave, flux, error, delimiter=" ")),
    SpectrumFile("no names, the first column counts the rows", "read", text("", counted, wave, flux, error, delimiter=" "), said=("counts the rows",)),
    SpectrumFile("missing cells", "read", text("wave,flux,err", wave, lambda s: ["" if b else f"{f:.6g}" for b, f in zip(s.bad, s.flux, strict=True)], error)),
    SpectrumFile("wavelengths in nm that no unit names", "refused", text("wave,flux,err", lambda s: s.wave_aa / 10, flux, error), said=("another unit",)),
    SpectrumFile("one column", "refused", text("wavelength", wave), said=("one column",)),
)  # fmt: skip
OTHERS = (
    SpectrumFile("an empty file", "refused", raw(b""), said=("empty",)),
    SpectrumFile("a NumPy file", "refused", raw(b"\x93NUMPY\x01\x00"), said=("NumPy",)),
    SpectrumFile("a JSON file", "refused", raw(b'{"wavelength": [1, 2]}'), said=("JSON",)),
    SpectrumFile("an HDF5 file", "refused", raw(b"\x89HDF\r\n\x1a\n"), said=("HDF5",)),
    SpectrumFile("a damaged gzip file", "refused", raw(gzip.compress(b"wave,flux\n" * 1000)[:40], "s.csv.gz"), said=("damaged",)),
    SpectrumFile("an archive of several files", "refused", _zipped(2), said=("2 files",)),
    SpectrumFile("words", "refused", raw(b"Dear colleague,\nthe spectrum follows.\n"), said=("no table",)),
)  # fmt: skip
SITUATIONS = (*SDSS, *SURVEYS, *UNFAMILIAR, *IMAGES, *TABLES, *UNITS, *TEXTS, *OTHERS)
