"""Shares galaxies out to training, validation and test: by areas of the sky, or at random like the paper."""

import hashlib
from types import MappingProxyType
from typing import Final

import astropy.units as u
import numpy as np
from astropy_healpix import lonlat_to_healpix

from fiberless.arrays import FloatArray, IntArray
from fiberless.datasets.sdss.options import SplitRule
from fiberless.errors import UsageError

__all__ = ["PARTS", "sky_cells", "split_rows"]

PARTS: Final = ("train", "validation", "test")
_PLACES: Final = MappingProxyType({name: number for number, name in enumerate(PARTS)})


def split_rows(rule: SplitRule, ra_deg: FloatArray, dec_deg: FloatArray) -> dict[str, IntArray]:
    """Rows of each part, in an order that is random but always the same.

    Parameters
    ----------
    ra_deg, dec_deg : (N,) ICRS degrees

    Raises
    ------
    UsageError
        `invalid-parameter` if a part would be empty.

    """
    rng = np.random.default_rng(rule.seed)
    order = rng.permutation(len(ra_deg))
    part = (_sky_part if rule.kind == "sky" else _paper_part)(rule, ra_deg, dec_deg, order)
    rows = {name: order[part[order] == _PLACES[name]] for name in PARTS}
    if empty := [name for name in PARTS if not len(rows[name])]:
        advice = "more galaxies, larger shares, smaller cells (nside) or another seed are needed"
        raise UsageError("invalid-parameter", f"nothing falls to {' and '.join(empty)}: {advice}")
    return rows


def sky_cells(nside: int, ra_deg: FloatArray, dec_deg: FloatArray) -> IntArray:
    """HEALPix cell (nested) of each position. (N,)"""
    cells: IntArray = lonlat_to_healpix(ra_deg * u.deg, dec_deg * u.deg, nside, order="nested")
    return cells


def _sky_part(rule: SplitRule, ra_deg: FloatArray, dec_deg: FloatArray, _order: IntArray) -> IntArray:
    cells, place = np.unique(sky_cells(rule.nside, ra_deg, dec_deg), return_inverse=True)
    draw = np.array([_draw(f"{rule.seed}:{rule.nside}:{cell}") for cell in cells])
    test, validation = draw < rule.test_share, draw >= 1 - rule.validation_share
    part = np.where(test, _PLACES["test"], np.where(validation, _PLACES["validation"], _PLACES["train"]))
    of_rows: IntArray = part[place]
    return of_rows


def _paper_part(rule: SplitRule, ra_deg: FloatArray, _dec_deg: FloatArray, order: IntArray) -> IntArray:
    """int(0.1 N + 512) held out, 512 of them validation; which ones cannot be known from the paper."""
    n = len(ra_deg)
    held = int(0.1 * n + rule.validation_rows)
    part = np.full(n, _PLACES["train"])
    part[order[:held]] = _PLACES["test"]
    part[order[: rule.validation_rows]] = _PLACES["validation"]
    return part


def _draw(text: str) -> float:
    """Uniform number in [0, 1) that a text always gives."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
