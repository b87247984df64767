"""FITS bytes to a `Cutout` and back: the meaning of what the gate let through."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS
from fiberless.astro.extinction import MAX_EBV
from fiberless.errors import UsageError
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout, TangentWcs
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import UPLOAD_LIMITS, Limits, walk_fits
from fiberless.images.fits.pixels import central_start, check_bands, decode, fill_invalid, pad_with_noise
from fiberless.images.fits.placing import common_wcs, image_position
from fiberless.images.fits.planes import Plane, find_planes, single_plane
from fiberless.images.fits.units import nmgy_factor, unit_note

__all__ = [
    "MIN_PIXELS",
    "cutout_header",
    "cutout_pixels",
    "read_band_files",
    "read_cutout",
    "write_cutout",
]

MIN_PIXELS: Final = 32
"""Smallest side, 12.7 arcsec: below it most of the 7 arcsec aperture would be invented."""

_T = TypeVar("_T", bound=np.generic)
_SOURCES: Final = frozenset({"sdss", "hips", "archive", "mock"})
_MAX_NOTES: Final = 9
_NOTE_CHARACTERS: Final = 60


def read_cutout(data: bytes, *, name: str = "image", limits: Limits = UPLOAD_LIMITS) -> Cutout:
    """Cutout of one FITS file.

    The central 64×64 pixels; a smaller image is padded with noise of its own sky. The central pixel of an
    odd axis lands on pixel 31, the middle of an even one between pixels 31 and 32. `ra` and `dec` are the
    position of that centre, or the cards RA and DEC where these agree with it.

    Parameters
    ----------
    data : FITS, plain or gzipped: a (5, H, W) cube, or five image HDUs named u, g, r, i, z; nanomaggies
    name : what error messages call the file
    limits : what the file may ask for

    Raises
    ------
    UsageError
        One of the slugs of FITS content; any input leads to a valid cutout or to this.

    """
    with _naming(name):
        hdus = walk_fits(data, limits=limits)
        found = find_planes(hdus)
        in_order = tuple(plane.band for plane in found.planes) == BANDS
        notes = [*([] if in_order else ["bands reordered to u, g, r, i, z"]), *found.notes]
        return _assemble(found.planes, notes=notes, primary=hdus[0].header)


def read_band_files(
    files: Mapping[str, bytes], *, limits: Limits = UPLOAD_LIMITS, notes: Sequence[str] = ()
) -> Cutout:
    """Cutout of five FITS files, the first image of each, aligned with each other.

    Parameters
    ----------
    files : band to FITS bytes; the keys are u, g, r, i, z
    limits : what each file may ask for
    notes : on how the files were named, for the caller

    Raises
    ------
    UsageError
        As `read_cutout`; `wrong-band-count` if a band is missing, `wrong-band-order` if a key is no band or
        a file names another band, `invalid-wcs` if the images are not aligned.

    """
    if unknown := sorted(set(files) - set(BANDS)):
        raise UsageError("wrong-band-order", f"{unknown[0][:20]!r} is none of the bands u, g, r, i, z")
    if missing := [band for band in BANDS if band not in files]:
        raise UsageError("wrong-band-count", f"there is no file for {', '.join(missing)}")
    planes: list[Plane] = []
    told = list(notes)
    for band in BANDS:
        with _naming(band):
            found = single_plane(walk_fits(files[band], limits=limits), band)
            planes += found.planes
            told += found.notes
    return _assemble(planes, notes=told, primary={})


def write_cutout(cutout: Cutout, path: Path | None = None) -> bytes:
    """FITS file of a cutout: equal cutouts, equal bytes; `read_cutout` gives the cutout back.

    A (5, H, W) float32 cube in the primary HDU, masked pixels NaN, bands in BAND1…BAND5.

    Parameters
    ----------
    cutout : what to write
    path : where to write it, if anywhere

    """
    stream = BytesIO()
    hdu = fits.PrimaryHDU(cutout_pixels(cutout), header=cutout_header(cutout))
    hdu.writeto(stream)
    data = stream.getvalue()
    if path is not None:
        path.write_bytes(data)
    return data


def cutout_pixels(cutout: Cutout) -> FloatArray:
    """Pixels as FITS holds them: (5, H, W) float32, NaN where masked."""
    if cutout.mask is None:
        return cutout.flux_nmgy.astype(np.float32)
    return np.where(cutout.mask, np.float32(np.nan), cutout.flux_nmgy)


def cutout_header(cutout: Cutout) -> fits.Header:
    """Cards that describe a cutout's image HDU: unit, bands, origin, position, world coordinates."""
    header = fits.Header()
    header["BUNIT"] = ("nanomaggy", "3.631e-6 Jy")
    for index, band in enumerate(BANDS, start=1):
        header[f"BAND{index}"] = (band, f"plane {index}")
    header["CUTSRC"] = (cutout.source, "where the image comes from")
    for index, note in enumerate(cutout.notes[:_MAX_NOTES], start=1):
        header[f"NOTE{index}"] = note.encode("ascii", "replace").decode()[:_NOTE_CHARACTERS]
    if cutout.ra is not None and cutout.dec is not None:
        header["RA"] = (cutout.ra, "[deg] ICRS")
        header["DEC"] = (cutout.dec, "[deg] ICRS")
    if cutout.ebv is not None:
        header["EBV"] = (cutout.ebv, "[mag] Galactic E(B-V) still in the image")
    if cutout.wcs is not None:
        header.update(_wcs_cards(cutout.wcs))
    return header


def _assemble(planes: Sequence[Plane], *, notes: Sequence[str], primary: Mapping[str, CardValue]) -> Cutout:
    by_band = {plane.band: plane for plane in planes}
    ordered = [by_band[band] for band in BANDS]
    side = _square_side(ordered)
    window = _window(side)
    flux = np.stack([_plane_flux(plane, window) for plane in ordered])
    check_bands(flux)
    filled, mask = fill_invalid(flux)
    wcs, grid_notes = common_wcs(ordered, side)
    position, position_note = image_position(wcs, [by_band["r"].header, primary], side)
    told = [
        *_stored_notes(by_band["r"].header),
        *notes,
        *(unit_note(plane.header) for plane in ordered),
        *grid_notes,
        position_note,
    ]
    if mask.any():
        told.append(f"{int(mask.sum())} invalid pixels masked and filled from neighbours")
    if side < CUTOUT_PIXELS:
        told.append(f"padded from {side}x{side} to {CUTOUT_PIXELS}x{CUTOUT_PIXELS} with noise of its own sky")
    return Cutout(
        flux_nmgy=_padded(filled, side),
        mask=_placed(mask, side, fill=False) if mask.any() else None,
        ra=position[0] if position else None,
        dec=position[1] if position else None,
        ebv=_stored_ebv([by_band["r"].header, primary]),
        source=_source(by_band["r"].header),
        notes=tuple(dict.fromkeys(note for note in told if note)),
        wcs=wcs,
    )


def _square_side(planes: Sequence[Plane]) -> int:
    shapes = {plane.stored.shape for plane in planes}
    height, width = planes[0].stored.shape
    if len(shapes) > 1 or height != width:
        shown = ", ".join(f"{h}×{w}" for h, w in sorted(shapes))
        raise UsageError("fits-shape", f"the bands must be squares of one size; they are {shown}")
    if height < MIN_PIXELS:
        raise UsageError(
            "image-too-small", f"{height}×{width} px; at least {MIN_PIXELS}×{MIN_PIXELS} are needed"
        )
    return int(height)


def _window(side: int) -> slice:
    start = max(0, central_start(side))
    return slice(start, start + CUTOUT_PIXELS)


def _plane_flux(plane: Plane, window: slice) -> FloatArray:
    with np.errstate(all="ignore"):
        return decode(plane.stored[window, window], plane.hdu) * nmgy_factor(plane.header, plane.band)


def _padded(flux_nmgy: FloatArray, side: int) -> FloatArray:
    missing = _placed(np.zeros(flux_nmgy.shape, dtype=bool), side, fill=True)
    return pad_with_noise(_placed(flux_nmgy, side, fill=0.0), missing)


def _placed(values: npt.NDArray[_T], side: int, *, fill: float) -> npt.NDArray[_T]:
    """Array (5, h, w) in its place in (5, 64, 64)."""
    before = max(0, -central_start(side))
    after = max(0, CUTOUT_PIXELS - side - before)
    return np.pad(values, ((0, 0), (before, after), (before, after)), constant_values=fill)


def _stored_notes(header: Mapping[str, CardValue]) -> list[str]:
    cards = [header.get(f"NOTE{index}") for index in range(1, _MAX_NOTES + 1)]
    return [card for card in cards if isinstance(card, str)]


def _stored_ebv(headers: Sequence[Mapping[str, CardValue]]) -> float | None:
    """E(B−V) of the first header that gives it, checked."""
    for card in (header["EBV"] for header in headers if "EBV" in header):
        if isinstance(card, bool) or not isinstance(card, int | float) or not 0 <= card <= MAX_EBV:
            raise UsageError("invalid-parameter", f"EBV must be a number in 0–{MAX_EBV:g} mag, not {card!r}")
        return float(card)
    return None


def _source(header: Mapping[str, CardValue]) -> str:
    claimed = header.get("CUTSRC")
    return claimed if isinstance(claimed, str) and claimed in _SOURCES else "upload"


def _wcs_cards(wcs: TangentWcs) -> dict[str, str | float]:
    names = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
    numbers = dict(zip(names, (*wcs.crpix, *wcs.crval_deg, *wcs.cd_deg), strict=True))
    axes = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    plane: dict[str, str | float] = {"CTYPE3": "BAND", "CRPIX3": 1.0, "CRVAL3": 1.0, "CD3_3": 1.0}
    return {"WCSAXES": 3, **axes, "RADESYS": "ICRS", **numbers, **plane}


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the file's name before the detail of a usage error."""
    try:
        yield
    except UsageError as error:
        raise UsageError(error.slug, f"{name}: {error.detail}") from error
