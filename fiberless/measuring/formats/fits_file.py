"""FITS files of spectra: which of their HDUs hold one, in the layouts of surveys, archives and programs."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from astropy.io import fits

from fiberless.errors import UsageError
from fiberless.measuring.formats.arms import Arm, desi_spectrum, joined_arms
from fiberless.measuring.formats.columns import Role, TableColumn
from fiberless.measuring.formats.image import described_rows, image_spectrum, rows_spectrum
from fiberless.measuring.formats.spectrum_file import FoundSpectrum, Medium
from fiberless.measuring.formats.table import spectrum_of_columns
from fiberless.sources.sdss.spec_file import BRIGHT_SKY, SdssSpectrum, is_sdss, sdss_spectrum
from fiberless.sources.sdss.spspec_file import is_spspec, read_spspec

__all__ = ["described_hdus", "fits_spectrum"]

_LAMOST_ROWS: Final = (
    (Role.FLUX, "flux"),
    (Role.IVAR, "ivar"),
    (Role.WAVE, "wavelength"),
    (Role.MASK, "andmask"),
    (None, "ormask"),
)


def fits_spectrum(name: str, hdus: fits.HDUList) -> FoundSpectrum | None:
    """Spectrum of an open FITS file; None if no HDU is known to hold one.

    Raises
    ------
    UsageError
        `not-a-spectrum`, `unknown-unit`.

    """
    if is_sdss(hdus):
        return _sdss(sdss_spectrum(hdus))
    if is_spspec(hdus):
        return _sdss(read_spspec(hdus))
    if _is_lamost_image(hdus):
        return _survey(rows_spectrum(name, hdus[0].header, hdus[0].data, _LAMOST_ROWS))
    found = desi_spectrum(name, hdus) or _of_tables(name, hdus) or image_spectrum(name, hdus)
    is_lamost = found is not None and "LAMOST" in str(hdus[0].header.get("TELESCOP", "")).upper()
    return _survey(found) if found is not None and is_lamost else found


def described_hdus(hdus: fits.HDUList) -> str:
    """What a file of no known layout holds, for a refusal."""
    found = []
    for number, hdu in enumerate(hdus):
        header = hdu.header
        title = f"HDU {number} {hdu.name}".strip()
        if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
            found.append(f"{title}: table of {', '.join(hdu.columns.names[:8])}")
        elif header.get("NAXIS", 0) >= 2:
            found.append(f"{title}: {described_rows(header)}")
        elif header.get("NAXIS", 0) == 1:
            found.append(f"{title}: {header['NAXIS1']} pixels without a wavelength axis that is known")
    return "; ".join(found) or "no data"


def _sdss(found: SdssSpectrum) -> FoundSpectrum:
    usable = (found.ivar > 0) & (found.and_mask & BRIGHT_SKY == 0)
    sigma = np.where(usable, 1.0 / np.sqrt(np.where(usable, found.ivar, 1.0)), 0.0)
    return FoundSpectrum(
        found.wave_aa, found.flux, sigma, Medium.SURVEY_VACUUM, found.notes, pipeline=found.pipeline
    )


def _survey(found: FoundSpectrum) -> FoundSpectrum:
    """LAMOST's own: in vacuum, of relative flux."""
    notes = (*found.notes, "LAMOST's fluxes are relative: only ratios and widths mean anything")
    notes = tuple(note for note in notes if not note.startswith("no flux unit given"))
    return FoundSpectrum(found.wave_aa, found.flux, found.error, Medium.VACUUM, notes, is_relative=True)


def _is_lamost_image(hdus: fits.HDUList) -> bool:
    header, data = hdus[0].header, hdus[0].data
    is_lamost = "LAMOST" in str(header.get("TELESCOP", "")).upper()
    return is_lamost and np.ndim(data) == 2 and len(data) == len(_LAMOST_ROWS)


def _of_tables(name: str, hdus: fits.HDUList) -> FoundSpectrum | None:
    """Spectrum of the first table that holds one, or of LAMOST's several; None if none does."""
    tables = [hdu for hdu in hdus[1:] if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    found: list[tuple[str, FoundSpectrum]] = []
    refusals: list[UsageError] = []
    for hdu in tables:
        try:
            columns = list(_columns(name, hdu))
            spectrum = spectrum_of_columns(name, columns, cards=_cards(hdus, hdu)) if columns else None
        except UsageError as refusal:
            refusals.append(refusal)
            continue
        if spectrum is not None:
            found.append((hdu.name or f"HDU {hdus.index(hdu)}", spectrum))
    if found:
        return _one_of(found)
    if refusals and not _has_image(hdus):
        raise refusals[0]
    return None


def _has_image(hdus: fits.HDUList) -> bool:
    images = (hdu for hdu in hdus if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU))
    return any(hdu.header.get("NAXIS", 0) for hdu in images)


def _one_of(found: list[tuple[str, FoundSpectrum]]) -> FoundSpectrum:
    arms = [spectrum for title, spectrum in found if title.upper().startswith("COADD_")]
    if len(arms) > 1:
        return _joined(arms, [title for title, _ in found if title.upper().startswith("COADD_")])
    title, first = found[0]
    others = [other for other, _ in found[1:]]
    if not others:
        return first
    note = f"spectrum of {title}; not used: those of {', '.join(others[:10])}"
    return FoundSpectrum(**{**vars(first), "notes": (*first.notes, note)})


def _joined(found: list[FoundSpectrum], titles: list[str]) -> FoundSpectrum:
    arms = [_as_arm(spectrum) for spectrum in found]
    wave_aa, flux, ivar = joined_arms(arms)
    sigma = np.divide(1.0, np.sqrt(ivar), out=np.zeros_like(ivar), where=ivar > 0)
    notes = dict.fromkeys(note for spectrum in found for note in spectrum.notes)
    return FoundSpectrum(
        wave_aa,
        flux,
        None if any(spectrum.error is None for spectrum in found) else sigma,
        found[0].medium,
        (f"arms {', '.join(titles)} joined, weighted by their inverse variances", *notes),
        is_relative=any(spectrum.is_relative for spectrum in found),
    )


def _as_arm(found: FoundSpectrum) -> Arm:
    order = np.argsort(found.wave_aa)
    sigma = np.ones_like(found.flux) if found.error is None else found.error
    usable = np.isfinite(found.flux) & np.isfinite(sigma) & (sigma > 0)
    ivar = np.divide(1.0, sigma**2, out=np.zeros_like(sigma), where=usable)
    return Arm(found.wave_aa[order], np.nan_to_num(found.flux)[order], ivar[order])


def _cards(hdus: fits.HDUList, hdu: Any) -> dict[str, Any]:
    return {**dict(hdus[0].header), **dict(hdu.header)}


def _columns(name: str, hdu: Any) -> Iterator[TableColumn]:
    """Columns of a table of one spectrum, a pixel a row or one row of vectors."""
    data = hdu.data
    if data is None or len(data) == 0:
        return
    shapes = {title: np.shape(data[title])[1:] for title in hdu.columns.names}
    is_vectors = any(len(shape) == 1 and shape[0] > 1 for shape in shapes.values())
    if is_vectors and len(data) > 1 and any(_looks_like_wave(title) for title in shapes):
        raise UsageError(
            "not-a-spectrum", f"{name}: {hdu.name} holds {len(data)} spectra: one spectrum a file"
        )
    for number, column in enumerate(hdu.columns, start=1):
        values = np.asarray(data[column.name])
        if is_vectors:
            if values.ndim != 2 or values.shape[1] < 2:
                continue
            values = values[0]
        elif values.ndim != 1:
            continue
        words = {
            "ucd": str(hdu.header.get(f"TUCD{number}", "")),
            "utype": str(hdu.header.get(f"TUTYP{number}", "")),
            "description": str(hdu.header.get(f"TCOMM{number}", "")),
        }
        # PypeIt's masks are true where a pixel is good
        title = "good" if column.name == "mask" and hdu.header.get("DMODCLS") == "OneSpec" else column.name
        yield TableColumn.titled(title, values, (column.unit or "").strip() or None, **words)


def _looks_like_wave(title: str) -> bool:
    return title.lower().startswith(("wave", "lam", "loglam"))
