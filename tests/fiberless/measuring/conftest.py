"""A synthetic galaxy of known redshift, and the kinds of files that it may come in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.special import ndtr

from fiberless.analysis.rebinning import bin_edges
from fiberless.arrays import FloatArray
from fiberless.astro.lines import line
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS
from fiberless.sources.sdss.spec_file import BRIGHT_SKY

REDSHIFT = 0.08
LINE_FLUX = {
    "OII_3730": 150.0, "Hbeta": 100.0, "OIII_4960": 33.557, "OIII_5008": 100.0, "Halpha": 286.0,
    "NII_6550": 33.784, "NII_6585": 100.0, "SII_6718": 60.0, "SII_6733": 45.0,
}  # fmt: skip


@dataclass(frozen=True)
class Galaxy:
    wave_aa: FloatArray
    flux: FloatArray
    error: FloatArray


@pytest.fixture(scope="session")
def galaxy() -> Galaxy:
    wave_aa = 10 ** (3.581 + 1e-4 * np.arange(3840))
    ssp = load_ssp()
    stars = ssp.flux[4, 22].astype(float) + 2 * ssp.flux[4, 12] / 10
    flux = 25 * np.interp(wave_aa / (1 + REDSHIFT), ssp.wave_aa, stars / stars.mean())
    edges = bin_edges(wave_aa)
    for name, total in LINE_FLUX.items():
        centre = line(name).wave_aa * (1 + REDSHIFT)
        flux += total * np.diff(ndtr((edges - centre) / (centre * 160 / LIGHT_SPEED_KMS))) / np.diff(edges)
    error = np.full(flux.size, 0.8)
    return Galaxy(wave_aa, flux + error * np.random.default_rng(1).standard_normal(flux.size), error)


@pytest.fixture
def write_sdss(galaxy: Galaxy, tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "spec-1-2-3.fits", *, pipeline: bool = True, bright: slice | None = None) -> Path:
        and_mask = np.zeros(galaxy.flux.size, dtype=np.int32)
        flux, ivar = galaxy.flux.copy(), galaxy.error**-2.0
        if bright is not None:
            and_mask[bright] = BRIGHT_SKY
            flux[bright] = 1e4
        columns = [
            fits.Column("flux", "E", array=flux),
            fits.Column("loglam", "E", array=np.log10(galaxy.wave_aa)),
            fits.Column("ivar", "E", array=ivar),
            fits.Column("and_mask", "J", array=and_mask),
        ]
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="COADD")]
        if pipeline:
            values = {"Z": ("E", 0.2), "ZWARNING": ("J", 0), "VDISP": ("E", 90.0), "VDISP_ERR": ("E", 5.0)}
            hdus.append(
                fits.BinTableHDU.from_columns(
                    [
                        fits.Column("CLASS", "6A", array=["GALAXY"]),
                        *(fits.Column(key, kind, array=[value]) for key, (kind, value) in values.items()),
                        fits.Column("SPECTROFLUX", "5E", array=[[10.0, 20.0, 30.0, 40.0, 50.0]]),
                    ]
                )
            )
            hdus.append(
                fits.BinTableHDU.from_columns(
                    [
                        fits.Column("LINENAME", "13A", array=["H_alpha", "[O_I] 6300"]),
                        fits.Column("LINEAREA", "E", array=[286.0, 3.0]),
                        fits.Column("LINEAREA_ERR", "E", array=[6.0, -1.0]),
                    ]
                )
            )
        path = tmp_path / name
        fits.HDUList(hdus).writeto(path)
        return path

    return write


@pytest.fixture
def write_csv(galaxy: Galaxy, tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "galaxy.csv", *, header: str = "wavelength,flux,error\n", wave_aa=None) -> Path:
        waves = galaxy.wave_aa if wave_aa is None else wave_aa
        columns = (
            (waves, galaxy.flux, galaxy.error)[: header.count(",") + 1] if header else (waves, galaxy.flux)
        )
        rows = "\n".join(",".join(f"{value:.6f}" for value in row) for row in zip(*columns, strict=True))
        path = tmp_path / name
        path.write_text(header + rows + "\n", encoding="utf-8")
        return path

    return write
