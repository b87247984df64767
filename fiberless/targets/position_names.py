"""What the name or the UCD of a column says: which angle of which system it is, if any."""

import re
from dataclasses import dataclass
from typing import Final

from fiberless.targets.angles import Axis
from fiberless.targets.frames import SkyFrame

__all__ = ["AxisName", "axis_of_name", "axis_of_ucd", "may_be_position"]


@dataclass(frozen=True)
class AxisName:
    """An angle that a name or a UCD speaks of.

    Parameters
    ----------
    axis : right ascension, declination, or longitude, latitude of another system
    stem : what both columns of a position have in common
    rank : the smaller, the more surely these are the object's own position
    frame : frame that is named; None where none is
    unit : unit within the name, as in `ra (deg)`

    """

    axis: Axis
    stem: str
    rank: int
    frame: SkyFrame | None = None
    unit: str = ""


_RA: Final = r"ra|r_a|right_?asc(?:ension)?|rasc|alpha(?:win|peak|psf|sky)?"
_DEC: Final = r"dec|de|decl(?:ination)?|delta(?:win|peak|psf|sky)?"
_REST: Final = (
    r"_?(?P<kind>mean|avg|median|best|stack|obj|cat|opt)?"
    r"_?(?P<frame>icrs|icrf|j?2000(?:_0)?|b?1950(?:_0)?|fk5|fk4|ep2000)?"
    r"(?:_?(?P<unit>degrees|degree|degs|deg|radians|radian|hours|hour|hms|dms|sexagesimal|sex|str|string)"
    r"|_(?P<short>d|rad|hrs|hr|h))?"
    r"_?(?P<late>icrs|j?2000(?:_0)?|b?1950(?:_0)?|fk5|fk4)?"
    r"(?P<copy>_(?:[1-9]|x|y|tab[12]))?"
)
_EQUATORIAL: Final = re.compile(
    rf"(?:(?P<prefix>[a-z0-9_]*[a-z0-9])_)?(?:(?P<ra>{_RA})|(?P<dec>{_DEC})){_REST}", re.ASCII
)
_GALACTIC: Final = re.compile(
    r"(?:(?:gal(?:actic)?_?|g_?)(?:(?P<lon>lon(?:gitude)?|long|l)|(?P<lat>lat(?:itude)?|b))|(?P<l>l)|(?P<b>b))"
    r"_?(?P<unit>degrees|degree|deg|radians|radian|rad)?",
    re.ASCII,
)
_WORLD: Final = {"x_world": "ra", "y_world": "dec", "xwin_world": "ra", "ywin_world": "dec"}
_OWN_PREFIX_WORDS: Final = (
    "target targ obj object source src plug coord coords cat mean sky skycoord pos position photo gal "
    "galaxy s"
)
_OWN_PREFIXES: Final = frozenset(_OWN_PREFIX_WORDS.split())
_NOT_POSITION_WORDS: Final = (
    "e err error sig sigma std stddev unc rms var ivar pm mu d diff off offset cov corr min max snr n "
    "u q f flag width fwhm"
)
_NOT_POSITIONS: Final = frozenset(_NOT_POSITION_WORDS.split())
_UCDS: Final[dict[str, Axis]] = {
    "pos.eq.ra": "ra",
    "pos.eq.dec": "dec",
    "pos.galactic.lon": "lon",
    "pos.galactic.lat": "lat",
}
_OLD_UCDS: Final[dict[str, tuple[Axis, int]]] = {
    "pos_eq_ra_main": ("ra", 0),
    "pos_eq_dec_main": ("dec", 0),
    "pos_eq_ra": ("ra", 1),
    "pos_eq_dec": ("dec", 1),
    "pos_gal_lon": ("lon", 1),
    "pos_gal_lat": ("lat", 1),
}
_SUSPECT_WORDS: Final = (
    "ra dec de decl alpha delta alf del lon lat long longitude latitude l b glon glat gal x y coord "
    "coords coordinate coordinates pos position radec sky skycoord hms dms icrs fk4 fk5 equinox elon "
    "elat ascension declination rarad sgl sgb rah ram ras ded dem des rad decd hpx healpix world phi "
    "theta wcs"
)
_SUSPECT: Final = frozenset(_SUSPECT_WORDS.split())
_ENDING_ALIKE: Final = (
    "camera",
    "spectra",
    "extra",
    "infra",
    "ultra",
    "tetra",
    "era",
    "aura",
    "hydra",
    "lyra",
    "codec",
)
_SUSPECT_PART: Final = re.compile(
    r"(?:[jJ]2000|[bB]1950|icrs|ICRS|fk[45]|FK[45]|radec|\br\.?a\.?$|ascension|decl|glon|glat|alpha|delta|skycoord|longitude|latitude"
    r"|(?:^|[a-z])ra[A-Z_]|[A-Z]?RA$|DEC$|(?:^|[a-z_])(?:Ra|Dec|RA|DEC)(?:$|[A-Z_]))"
)


def axis_of_ucd(ucd: str) -> AxisName | None:
    """Angle that a UCD names (of either version); None for another, or an error or offset of one."""
    word = ucd.strip().lower()
    if word in _OLD_UCDS:
        axis, rank = _OLD_UCDS[word]
        return AxisName(axis, "", rank, _frame_of(axis))
    words = [part.strip() for part in word.split(";")]
    found = _UCDS.get(words[0])
    if found is None or any(part.startswith(("stat.", "arith.", "instr.offset")) for part in words[1:]):
        return None
    return AxisName(found, "", 0 if "meta.main" in words else 1, _frame_of(found))


def axis_of_name(name: str) -> AxisName | None:
    """Angle that a name speaks of, whatever its case and its marks; None where it speaks of none."""
    word = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    if word in _WORLD:
        axis: Axis = "ra" if _WORLD[word] == "ra" else "dec"
        return AxisName(axis, word[1:], 3)
    if found := _EQUATORIAL.fullmatch(word):
        return _equatorial(found, is_computed=name.startswith("_"))
    if found := _GALACTIC.fullmatch(word):
        is_longitude = bool(found["lon"] or found["l"])
        rank = 4 if found["l"] or found["b"] else 2
        return AxisName(
            "lon" if is_longitude else "lat", "gal", rank, SkyFrame("galactic"), found["unit"] or ""
        )
    return None


def may_be_position(name: str, *, ucd: str, is_angle: bool) -> bool:
    """Whether a column that is not understood might hold a position; its table is not read by names then."""
    if is_angle or ucd.strip().lower().startswith(("pos.", "pos_")):
        return True
    words = [name, *re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    if any(word.lower() in _SUSPECT for word in words) or _SUSPECT_PART.search(name):
        return True
    word = name.strip().lower()
    return word.endswith(("ra", "dec")) and not word.endswith(_ENDING_ALIKE)


def _equatorial(found: re.Match[str], *, is_computed: bool) -> AxisName | None:
    prefix = found["prefix"] or ""
    if set(prefix.split("_")) & _NOT_POSITIONS:
        return None
    said = (found["frame"] or found["late"] or "").replace("_0", "")
    frame = {"fk4": SkyFrame("fk4", "B1950"), "fk5": SkyFrame("fk5", "J2000")}.get(said)
    if said.endswith("1950"):
        frame = SkyFrame("fk4", "B1950")
    elif said in {"icrs", "icrf"}:
        frame = SkyFrame("icrs")
    rank = 3
    if prefix in _OWN_PREFIXES:
        rank = 2
    elif not prefix and not found["copy"]:
        rank = 0 if is_computed or not said else 1
    unit = found["unit"] or found["short"] or ""
    return AxisName(
        axis="ra" if found["ra"] else "dec",
        stem=f"{prefix}|{found['kind'] or ''}|{said}|{found['copy'] or ''}",
        rank=rank,
        frame=frame,
        unit="" if unit in {"str", "string"} else unit,
    )


def _frame_of(axis: Axis) -> SkyFrame | None:
    return SkyFrame("galactic") if axis in {"lon", "lat"} else None
