"""Spectra in several arms joined into one: DESI's B, R and Z, LAMOST's B and R."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from astropy.io import fits

from fiberless.arrays import BoolArray, FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.formats.spectrum_file import FoundSpectrum, Medium

__all__ = ["Arm", "desi_spectrum", "joined_arms"]

_SAME_PIXEL: Final = 0.01
"""Of a pixel's width: wavelengths that differ by less are those of one pixel."""


class Arm(NamedTuple):
    """One arm: ascending wavelengths, flux and inverse variance, 0 where not to be used. (L,) each"""

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray


def desi_spectrum(name: str, hdus: fits.HDUList) -> FoundSpectrum | None:
    """Spectrum of a DESI coadd or spectra file; None if there are no HDUs like B_WAVELENGTH and B_FLUX.

    Raises
    ------
    UsageError
        `not-a-spectrum` if it holds several galaxies, with their number.

    """
    names = [hdu.name.upper() for hdu in hdus]
    letters = [title.removesuffix("_WAVELENGTH") for title in names if title.endswith("_WAVELENGTH")]
    letters = [letter for letter in letters if f"{letter}_FLUX" in names]
    if not letters:
        return None
    arms = [_arm(name, hdus, letter) for letter in letters]
    wave_aa, flux, ivar = joined_arms(arms)
    sigma = np.divide(1.0, np.sqrt(ivar), out=np.zeros_like(ivar), where=ivar > 0)
    known = {f"{letter}_{part}" for letter in letters for part in ("WAVELENGTH", "FLUX", "IVAR", "MASK")}
    unused = [title for title in names if title and title not in known and not title.startswith("PRIMARY")]
    notes = []
    if len(letters) > 1:
        notes.append(f"arms {', '.join(letters)} joined, weighted by their inverse variances")
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    without = [letter for letter in letters if f"{letter}_IVAR" not in names]
    if without:
        notes.append(f"no HDU {without[0]}_IVAR: no errors are known")
    return FoundSpectrum(wave_aa, flux, None if without else sigma, Medium.SURVEY_VACUUM, tuple(notes))


def joined_arms(arms: Sequence[Arm]) -> Arm:
    """One ascending spectrum of several: pixels of one wavelength are averaged by inverse variance.

    Where the pixels of overlapping arms lie apart, each arm is used up to the middle of the overlap.
    """
    ordered = sorted(arms, key=lambda arm: float(arm.wave_aa[0]))
    whole = ordered[0]
    for arm in ordered[1:]:
        whole = _joined_pair(whole, arm)
    return whole


def _arm(name: str, hdus: fits.HDUList, letter: str) -> Arm:
    flux = np.atleast_2d(np.asarray(hdus[f"{letter}_FLUX"].data, dtype=np.float64))
    if len(flux) != 1:
        detail = f"{name} holds {len(flux)} spectra: one spectrum a file (desispec: spectra[i:i+1].write)"
        raise UsageError("not-a-spectrum", detail)
    names = {hdu.name.upper() for hdu in hdus}
    ivar = np.ones(flux.shape[1])
    if f"{letter}_IVAR" in names:
        ivar = np.atleast_2d(np.asarray(hdus[f"{letter}_IVAR"].data, dtype=np.float64))[0]
    if f"{letter}_MASK" in names:
        ivar = np.where(np.atleast_2d(hdus[f"{letter}_MASK"].data)[0] != 0, 0.0, ivar)
    ivar = np.where(np.isfinite(ivar) & np.isfinite(flux[0]) & (ivar > 0), ivar, 0.0)
    return Arm(np.asarray(hdus[f"{letter}_WAVELENGTH"].data, dtype=np.float64), np.nan_to_num(flux[0]), ivar)


def _joined_pair(blue: Arm, red: Arm) -> Arm:
    first, last = float(red.wave_aa[0]), float(blue.wave_aa[-1])
    if first > last:
        return _appended(blue, red)
    step = float(np.median(np.diff(blue.wave_aa)))
    place = np.clip(np.searchsorted(blue.wave_aa, red.wave_aa - step / 2), 0, blue.wave_aa.size - 1)
    apart = np.abs(blue.wave_aa[place] - red.wave_aa)
    inside = red.wave_aa <= last + step / 2
    if (apart[inside] > _SAME_PIXEL * step).any():
        middle = (first + last) / 2
        return _appended(_cut(blue, blue.wave_aa < middle), _cut(red, red.wave_aa >= middle))
    weight, total = blue.ivar.copy(), blue.ivar * blue.flux
    np.add.at(weight, place[inside], red.ivar[inside])
    np.add.at(total, place[inside], (red.ivar * red.flux)[inside])
    mean = np.divide(total, weight, out=blue.flux.copy(), where=weight > 0)
    return _appended(Arm(blue.wave_aa, mean, weight), _cut(red, ~inside))


def _cut(arm: Arm, used: BoolArray) -> Arm:
    return Arm(arm.wave_aa[used], arm.flux[used], arm.ivar[used])


def _appended(blue: Arm, red: Arm) -> Arm:
    return Arm(*(np.concatenate(pair) for pair in zip(blue, red, strict=True)))
