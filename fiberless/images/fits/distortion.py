"""Distortion polynomials of world coordinates: SIP in pixels, TPV on the tangent plane."""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.linear import number

__all__ = ["has_scamp_terms", "has_sip", "sip_moved", "tpv_moved"]

_MAX_SIP_ORDER: Final = 9
_SIP = re.compile(r"[AB]_[0-9]_[0-9]")
_SCAMP_TERM: Final = 5
_TPV_RADIAL: Final = (1, 3, 5, 7)


def has_sip(header: Mapping[str, CardValue]) -> bool:
    """Whether a header has coefficients of a SIP polynomial."""
    return any(_SIP.fullmatch(card) for card in header)


def sip_moved(
    header: Mapping[str, CardValue], dx: FloatArray, dy: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Pixel offsets from CRPIX with their SIP terms added (Shupe et al. 2005, ASP 347, 491, eq. 1).

    Raises
    ------
    UsageError
        `invalid-wcs` if a coefficient is not a usable number.

    """
    moved = {"A": dx.copy(), "B": dy.copy()}
    for card in header:
        if _SIP.fullmatch(card):
            p, q = int(card[2]), int(card[4])
            if p + q <= _MAX_SIP_ORDER:
                moved[card[0]] += number(header, card) * dx**p * dy**q
    return moved["A"], moved["B"]


def has_scamp_terms(header: Mapping[str, CardValue]) -> bool:
    """Whether a header of projection TAN has PV terms that only TPV has, as SCAMP writes them."""
    return any(
        match and (int(match[1]) >= _SCAMP_TERM or match[1] == "0")
        for match in (re.fullmatch(r"PV[12]_([0-9]{1,2})", card) for card in header)
    )


def tpv_moved(
    header: Mapping[str, CardValue], xi: FloatArray, eta: FloatArray, *, lon_axis: int, lat_axis: int
) -> tuple[FloatArray, FloatArray]:
    """Tangent-plane coordinates in degrees with the TPV polynomial applied (FITS registry, TPV, 2012).

    Raises
    ------
    UsageError
        `invalid-wcs` if a coefficient is not a usable number.

    """
    return (
        _tpv_sum(header, lon_axis, _tpv_terms(xi, eta)),
        _tpv_sum(header, lat_axis, _tpv_terms(eta, xi)),
    )


def _tpv_sum(header: Mapping[str, CardValue], axis: int, terms: list[FloatArray]) -> FloatArray:
    """Σ PVi_k × term k; PVi_1 is 1 where it is absent."""
    total = np.zeros_like(terms[0])
    for k, term in enumerate(terms):
        total = total + number(header, f"PV{axis}_{k}", float(k == 1)) * term
    return total


def _tpv_terms(x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """Forty terms in the registry's order: by degree, x's power falling, r behind each odd degree."""
    r = np.hypot(x, y)
    terms: list[FloatArray] = []
    for degree in range(8):
        terms += [x ** (degree - power) * y**power for power in range(degree + 1)]
        if degree in _TPV_RADIAL:
            terms.append(r**degree)
    return terms
