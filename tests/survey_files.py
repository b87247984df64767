"""Files of a small survey in the archive's formats and layout, with answers known beforehand."""

import bz2
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from fiberless.astro.bands import BANDS
from fiberless.sources.sdss.names import FIELD_LIST_PATH, FieldName, frame_path, object_table_path

__all__ = [
    "CORNER",
    "GALAXY",
    "SHAPE",
    "STEP_DEG",
    "frame_header",
    "galaxy_frames",
    "object_id",
    "write_archive",
    "write_field_list",
    "write_object_table",
]

SHIFTS = {"u": (3.3, 7.4), "g": (0.4, 10.7), "r": (0.0, 0.0), "i": (-1.8, 2.7), "z": (-1.9, 7.0)}
"""Pixels by which the same position is displaced in each band, as in the survey."""
SHAPE = (300, 400)
GALAXY = (10.02, 0.01)
CORNER = (10.0, 0.0)
STEP_DEG = 0.396 / 3600


def frame_header(band, *, corner=CORNER):
    """North to the right, as the survey scans; the corner's position at the first pixel of r."""
    dx, dy = SHIFTS[band]
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CRPIX1": 1 + dx, "CRPIX2": 1 + dy, "CRVAL1": corner[0], "CRVAL2": corner[1]}
    cards |= {"CD1_1": 0.0, "CD1_2": STEP_DEG, "CD2_1": STEP_DEG, "CD2_2": 0.0, "RADESYS": "ICRS"}
    return fits.Header(cards | {"BUNIT": "nanomaggy", "FILTER": band})


def galaxy_frames(field=1, *, corner=CORNER):
    """Frame of each band with the galaxy `GALAXY` of σ 2.5 px and 10, 20, … 50 nmgy."""
    hdus = {}
    for index, band in enumerate(BANDS):
        header = frame_header(band, corner=corner)
        x, y = WCS(header).world_to_pixel_values(*GALAXY)
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        profile = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 12.5) / (12.5 * np.pi)
        noise = np.random.default_rng(field * 10 + index).normal(0, 0.01, SHAPE)
        hdus[band] = fits.PrimaryHDU((profile * 10 * (index + 1) + noise).astype("f4"), header)
    return hdus


def write_archive(root: Path, fields):
    """Frames, compressed, of several fields, and the list of fields.

    `fields` maps a name to (corner, score); scans run along the equator, whose node may be anywhere.
    """
    rows = []
    for name, (corner, score) in fields.items():
        for band, data in _compressed_frames(name.field, corner).items():
            path = root / frame_path(band, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        height, width = (side * STEP_DEG for side in SHAPE)
        outline = (corner[0], corner[0] + height, corner[1], corner[1] + width)
        rows.append({"name": name, "outline": outline, "score": score})
    write_field_list(root, rows)


@cache
def _compressed_frames(field, corner):
    streams = {band: BytesIO() for band in BANDS}
    for band, hdu in galaxy_frames(field, corner=corner).items():
        hdu.writeto(streams[band])
    return {band: bz2.compress(stream.getvalue(), 1) for band, stream in streams.items()}


def write_field_list(root: Path, rows):
    """Write `window_flist.fits`: rows of name, outline (mu from, to, nu from, to), and what differs."""
    default = {"node": 95.0, "incl": 0.0, "score": 0.5, "photo_status": 0}
    every = [default | {"dec": (row["outline"][2] + row["outline"][3]) / 2} | row for row in rows]
    names = [row["name"] for row in rows]
    outlines = np.array([row["outline"] for row in rows]).T
    edges = zip(("MU_START", "MU_END", "NU_START", "NU_END"), outlines, strict=True)
    columns = [
        *(fits.Column(key.upper(), "J", array=[getattr(n, key) for n in names]) for key in ("run", "field")),
        fits.Column("RERUN", "3A", array=[str(name.rerun) for name in names]),
        fits.Column("CAMCOL", "I", array=[name.camcol for name in names]),
        fits.Column("TAI", "5D", array=np.zeros((len(rows), 5))),
        *(
            fits.Column(key.upper(), "D", array=[row[key] for row in every])
            for key in ("dec", "node", "incl")
        ),
        *(fits.Column(key, "D", array=values) for key, values in edges),
        fits.Column("PHOTO_STATUS", "J", array=[row["photo_status"] for row in every]),
        fits.Column("SCORE", "E", array=[row["score"] for row in every]),
    ]
    path = root / FIELD_LIST_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path, overwrite=True)


def write_object_table(root: Path, field: FieldName, objects):
    """Write `photoObj` of a field: number in the field to (ra, dec)."""
    ra, dec = np.array(list(objects.values())).T
    columns = [
        fits.Column("OBJID", "19A", array=[str(object_id(field, index)) for index in objects]),
        fits.Column("ID", "J", array=list(objects)),
        fits.Column("MODELFLUX", "5E", array=np.ones((len(objects), 5))),
        fits.Column("RA", "D", array=ra),
        fits.Column("DEC", "D", array=dec),
    ]
    path = root / object_table_path(field)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)


def object_id(field: FieldName, index: int) -> int:
    """Return the objID of an object, by powers of two as the survey's documents give them."""
    return (
        2 * 2**59
        + field.rerun * 2**48
        + field.run * 2**32
        + field.camcol * 2**29
        + field.field * 2**16
        + index
    )
