"""`SkyGrid`: where an image's pixels lie, from a few checked numbers of a header, never from its text.

wcslib is handed numbers, and projections of a list.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.wcs import WCS

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.images.cutout import TangentWcs
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.distortion import has_scamp_terms, has_sip, sip_moved, tpv_moved
from fiberless.images.fits.linear import Axes, card_text, number, read_axes
from fiberless.images.fits.sky_frame import SkyFrame, read_frame
from fiberless.images.fits.wcs import checked_wcs

__all__ = ["SkyGrid", "read_grid", "read_wcs"]

_PROJECTIONS: Final = frozenset(
    {"TAN", "SIN", "ZEA", "STG", "ARC", "CAR", "CEA", "MER", "SFL", "PAR", "MOL", "AIT"}
)
_PROJECTION_NUMBERS: Final = {"SIN": 2, "CEA": 1}
"""How many PV numbers of the latitude axis a projection has; all have defaults."""
_MAX_PV: Final = 10.0
_FARTHEST_DEG: Final = 1000.0
_LARGEST_STEP_DEG: Final = 0.01
"""Where no CTYPE says what an axis is, a larger step is no pixel's in degrees."""
_WCS_CARD = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT)[12]|(CD|PC)[12]_[12]|(CD|PC)00[12]00[12]")
_OTHER_WCS_CARD = re.compile(r"(CTYPE|CRVAL)[12][A-Z]")


@dataclass(frozen=True)
class SkyGrid:
    """What a header says of where its pixels lie.

    Parameters
    ----------
    wcs : world coordinates in ICRS; None if there are none, or none that are understood
    unplaced : where the position is not understood, a tangent plane with the header's own matrix, which is
        good for the pixel scale and for the shift between two such images; else None
    notes : what the caller should know

    """

    wcs: TangentWcs | None
    unplaced: TangentWcs | None = None
    notes: tuple[str, ...] = ()


def read_wcs(header: Mapping[str, CardValue]) -> TangentWcs | None:
    """World coordinates of a header as `read_grid` reads them, or None if it holds none that are understood.

    Raises
    ------
    UsageError
        `invalid-wcs` if the numbers are not finite, out of range or singular.

    """
    return read_grid(header).wcs


def read_grid(header: Mapping[str, CardValue]) -> SkyGrid:
    """Gnomonic world coordinates, ICRS, of a header in any of the usual conventions.

    A gnomonic header without distortion in ICRS or FK5 J2000 is taken as it is. Of all others the tangent
    plane at the image's middle is taken: within 30 arcsec of it they differ by less than 0.001 px.

    Raises
    ------
    UsageError
        `invalid-wcs` if the numbers are not finite, out of range or singular.

    """
    if not any(_WCS_CARD.fullmatch(card) for card in header):
        other = any(_OTHER_WCS_CARD.fullmatch(card) for card in header)
        return SkyGrid(None, notes=("only alternative world coordinates; not used",) if other else ())
    axes = read_axes(header)
    return _grid_off_sky(header) if axes is None else _grid_on_sky(header, axes)


def _grid_on_sky(header: Mapping[str, CardValue], axes: Axes) -> SkyGrid:
    crval, frame = _crval_deg(header, axes), read_frame(header, axes.names[0])
    is_tpv = axes.projection == "TPV" or (axes.projection == "TAN" and has_scamp_terms(header))
    projection = "TAN" if is_tpv else axes.projection.removesuffix("-SIP")
    if crval is None:
        return _unplaced(axes, "no CRVAL; position unknown")
    if frame is None:
        return _unplaced(axes, f"frame {_frame_name(header, axes)!r} not known; position unknown")
    if projection not in _PROJECTIONS:
        shown = card_text(header, f"CTYPE{axes.lon_axis}")[:16]
        return _unplaced(axes, f"CTYPE {shown!r} not known; position unknown", crval)
    if frame.frame is None and projection == "TAN" and not is_tpv and _is_plain(header):
        return SkyGrid(checked_wcs(TangentWcs(crval, axes.crpix, axes.matrix_deg)))
    notes = () if frame.frame is None else (f"position converted from {frame.name} to ICRS",)
    plane = _Plane(header, axes, crval, projection, is_tpv=is_tpv)
    return SkyGrid(checked_wcs(_tangent_at_middle(plane, frame)), notes=notes)


def _frame_name(header: Mapping[str, CardValue], axes: Axes) -> str:
    declared = card_text(header, "RADESYS") or card_text(header, "RADECSYS")
    return (declared if axes.names[0] == "RA" else axes.names[0])[:16]


@dataclass(frozen=True, eq=False)
class _Plane:
    """World coordinates that are understood, in numbers."""

    header: Mapping[str, CardValue]
    axes: Axes
    crval_deg: tuple[float, float]
    projection: str
    is_tpv: bool

    def position_deg(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(longitude, latitude) of pixel positions, the centre of the first pixel being 0."""
        dx, dy = x + 1 - self.axes.crpix[0], y + 1 - self.axes.crpix[1]
        if has_sip(self.header):
            dx, dy = sip_moved(self.header, dx, dy)
        a, b, c, d = self.axes.matrix_deg
        xi, eta = a * dx + b * dy, c * dx + d * dy
        if self.is_tpv:
            lon_axis, lat_axis = self.axes.lon_axis, self.axes.lat_axis
            xi, eta = tpv_moved(self.header, xi, eta, lon_axis=lon_axis, lat_axis=lat_axis)
        if not (np.abs([xi, eta]) < _FARTHEST_DEG).all():
            raise UsageError("invalid-wcs", "the image's middle lies far off its reference point")
        lon, lat = self._projection().wcs_pix2world(xi, eta, 1)
        return lon, lat

    def _projection(self) -> WCS:
        """Projection alone: its pixels are degrees on the plane of projection."""
        built = WCS(naxis=2)
        built.wcs.ctype = [f"RA---{self.projection}", f"DEC--{self.projection}"]
        built.wcs.cunit = ["deg", "deg"]
        built.wcs.crval = self.crval_deg
        built.wcs.crpix = [0.0, 0.0]
        built.wcs.cdelt = [1.0, 1.0]
        for name in ("LONPOLE", "LATPOLE"):
            if name in self.header:
                setattr(built.wcs, name.lower(), _angle(self.header, name))
        terms = range(1, _PROJECTION_NUMBERS.get(self.projection, 0) + 1)
        cards = [(term, f"PV{self.axes.lat_axis}_{term}") for term in terms]
        built.wcs.set_pv(
            [(2, term, _projection_number(self.header, card)) for term, card in cards if card in self.header]
        )
        return built


def _tangent_at_middle(plane: _Plane, frame: SkyFrame) -> TangentWcs:
    """Tangent plane at an image's middle, ICRS, with the matrix of central differences over ±1 px."""
    x0, y0 = ((number(plane.header, f"NAXIS{axis}", 1) - 1) / 2 for axis in (1, 2))
    try:
        with np.errstate(all="ignore"):
            lon, lat = plane.position_deg(
                x0 + np.array([0.0, 1.0, -1.0, 0.0, 0.0]), y0 + np.array([0.0, 0.0, 0.0, 1.0, -1.0])
            )
            _refuse_off_sky(lon, lat)
            ra, dec = frame.to_icrs_deg(lon, lat)
            xi, eta = _gnomonic_deg(ra, dec)
    except (ValueError, RuntimeError) as error:
        raise UsageError("invalid-wcs", "the numbers of its world coordinates do not fit together") from error
    cd = ((xi[1] - xi[2]) / 2, (xi[3] - xi[4]) / 2, (eta[1] - eta[2]) / 2, (eta[3] - eta[4]) / 2)
    a, b, c, d = map(float, cd)
    crval = (float(ra[0]) % 360.0, float(dec[0]))
    return TangentWcs(crval_deg=crval, crpix=(x0 + 1, y0 + 1), cd_deg=(a, b, c, d))


def _refuse_off_sky(lon_deg: FloatArray, lat_deg: FloatArray) -> None:
    if not (np.isfinite(lon_deg).all() and np.isfinite(lat_deg).all() and (np.abs(lat_deg) <= 90).all()):
        raise UsageError("invalid-wcs", "the image's middle lies off the sky in its own projection")


def _gnomonic_deg(ra_deg: FloatArray, dec_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Tangent-plane coordinates about the first of some positions (Calabretta & Greisen 2002, eq. 54)."""
    d_ra, dec = np.radians(ra_deg - ra_deg[0]), np.radians(dec_deg)
    depth = np.sin(dec[0]) * np.sin(dec) + np.cos(dec[0]) * np.cos(dec) * np.cos(d_ra)
    xi = np.cos(dec) * np.sin(d_ra) / depth
    eta = (np.cos(dec[0]) * np.sin(dec) - np.sin(dec[0]) * np.cos(dec) * np.cos(d_ra)) / depth
    return np.degrees(xi), np.degrees(eta)


def _is_plain(header: Mapping[str, CardValue]) -> bool:
    """Whether nothing but CRPIX, CRVAL and the matrix matters to a gnomonic header."""
    return not has_sip(header) and _angle(header, "LONPOLE", 180.0) == 180.0  # its default


def _crval_deg(header: Mapping[str, CardValue], axes: Axes) -> tuple[float, float] | None:
    if "CRVAL1" not in header and "CRVAL2" not in header:
        return None
    lon = number(header, f"CRVAL{axes.lon_axis}") * axes.unit_deg[0]
    lat = number(header, f"CRVAL{axes.lat_axis}") * axes.unit_deg[1]
    if abs(lat) > 90:
        raise UsageError("invalid-wcs", f"CRVAL{axes.lat_axis} = {lat:g} is no declination")
    return lon % 360.0, lat


def _grid_off_sky(header: Mapping[str, CardValue]) -> SkyGrid:
    """Grid of axes that are not said to be on the sky; a matrix of small numbers is still a pixel scale."""
    types = [card_text(header, f"CTYPE{axis}")[:12] for axis in (1, 2)]
    note = f"axes {types[0]!r}, {types[1]!r} not on the sky; position unknown"
    as_sky = {**header, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    try:
        axes = read_axes(as_sky)
    except UsageError:
        return SkyGrid(None, notes=(note,))
    if axes is None or not 0 < max(map(abs, axes.matrix_deg)) < _LARGEST_STEP_DEG:
        return SkyGrid(None, notes=(note,))
    return _unplaced(axes, note)


def _unplaced(axes: Axes, note: str, crval: tuple[float, float] = (0.0, 0.0)) -> SkyGrid:
    own = checked_wcs(TangentWcs(crval, axes.crpix, axes.matrix_deg))
    return SkyGrid(None, unplaced=own, notes=(note,))


def _angle(header: Mapping[str, CardValue], keyword: str, default: float | None = None) -> float:
    value = number(header, keyword, default)
    if abs(value) > 360:
        raise UsageError("invalid-wcs", f"{keyword} = {value:g} is no angle in degrees")
    return value


def _projection_number(header: Mapping[str, CardValue], card: str) -> float:
    value = number(header, card)
    if abs(value) > _MAX_PV:
        raise UsageError("invalid-wcs", f"{card} = {value:g} lies outside ±{_MAX_PV:g}")
    return value
