"""Which columns of a table hold the identifier and the position, in which units and which frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from fiberless.errors import UsageError
from fiberless.targets.angles import DEGREES, AngleUnit, Axis, angle_unit, is_angle_unit
from fiberless.targets.frames import ICRS, SkyFrame
from fiberless.targets.position_names import AxisName, axis_of_name, axis_of_ucd, may_be_position

__all__ = ["CellType", "PositionColumns", "TableField", "TargetColumns", "find_columns"]

CellType: TypeAlias = Literal["number", "text", ""]
_ID_WORDS: Final = (
    "id object_id objid name object_name objname main_id identifier source_id sourceid targetid "
    "target_id specobjid bestobjid designation object obj_id obj_name source_name galaxy galaxy_id "
    "target target_name source catalog_id catalogid cat_id iau_name gal_id label sdss_id sdss_name "
    "nedname prefname"
)
_IDS: Final = tuple(_ID_WORDS.split())
_ID_UCDS: Final = ("meta.id;meta.main", "id_main", "meta.id", "id_number")
_COMBINED: Final = frozenset({"radec", "coord", "coords", "coordinates", "position", "pos", "skycoord"})
_EQUINOXES: Final = frozenset({"equinox"})
_SYSTEMS: Final = frozenset({"frame", "radesys", "radecsys", "coordsys", "coord_sys", "coordinate_system"})


@dataclass(frozen=True)
class TableField:
    """What a table says of a column.

    Parameters
    ----------
    type : whether its cells are numbers or text; "" where it does not say
    frame : frame that is declared for it; the error if it is not a known one; None where none is

    """

    name: str
    unit: str = ""
    ucd: str = ""
    type: CellType = ""
    frame: SkyFrame | UsageError | None = None


@dataclass(frozen=True)
class PositionColumns:
    """Places of two angles, or of one text that holds both, and what they are in.

    Parameters
    ----------
    first, second : places of longitude and latitude; the same where one text holds both
    equinox, system : places of columns that say the frame of each row

    """

    first: int
    second: int
    axes: tuple[Axis, Axis] = ("ra", "dec")
    units: tuple[AngleUnit, AngleUnit] = (DEGREES, DEGREES)
    frame: SkyFrame = ICRS
    equinox: int | None = None
    system: int | None = None

    @property
    def is_combined(self) -> bool:
        """Whether one text holds both angles."""
        return self.first == self.second


@dataclass(frozen=True)
class TargetColumns:
    """Places of the columns; without a position the identifier alone names the target."""

    id: int | None
    position: PositionColumns | None

    @property
    def places(self) -> list[int]:
        """Places in use, in order."""
        at = self.position
        inside = () if at is None else (at.first, at.second, at.equinox, at.system)
        return sorted({place for place in (self.id, *inside) if place is not None})


class _Candidate(NamedTuple):
    """One column that may be an angle of a position; `key` orders candidates, the best first."""

    place: int
    named: AxisName
    key: tuple[int, ...]
    unit: AngleUnit | None


def find_columns(fields: Iterable[TableField]) -> TargetColumns:
    """Columns of a table: by UCD, type and unit first, then by name, whatever its case.

    Raises
    ------
    UsageError
        `bad-table` if there is neither a position nor an identifier alone; if several columns may be the
        position and none is the likelier; if a unit is none of angle. It names what was found.

    """
    known = list(fields)
    name_place = _identifier(known)
    position = _position(known)
    if position is None:
        _refuse_unknown_position(known, name_place)
    return TargetColumns(id=name_place, position=position)


def _identifier(fields: Sequence[TableField]) -> int | None:
    names = [_plain(field.name) for field in fields]
    for word in _IDS:
        if word in names:
            return names.index(word)
    ucds = [field.ucd.strip().lower() for field in fields]
    return next((ucds.index(word) for word in _ID_UCDS if word in ucds), None)


def _position(fields: Sequence[TableField]) -> PositionColumns | None:
    candidates = [one for place, field in enumerate(fields) if (one := _candidate(place, field))]
    pairs = sorted(_pairs(candidates), key=lambda pair: max(pair[0].key, pair[1].key))
    if not pairs:
        return _combined(fields)
    best = pairs[0]
    _refuse_ambiguous(fields, pairs)
    for one in best:
        if one.unit is None:
            angle_unit(fields[one.place].unit or one.named.unit, one.named.axis)  # raises, with the unit
    frame = _declared_frame(fields, best)
    _check_frame(fields, best, frame)
    return PositionColumns(
        first=best[0].place,
        second=best[1].place,
        axes=(best[0].named.axis, best[1].named.axis),
        units=(best[0].unit or DEGREES, best[1].unit or DEGREES),
        frame=frame,
        equinox=_place_of(fields, _EQUINOXES) if frame == ICRS or frame.name in {"fk4", "fk5"} else None,
        system=_place_of(fields, _SYSTEMS) if frame == ICRS else None,
    )


def _candidate(place: int, field: TableField) -> _Candidate | None:
    by_name, by_ucd = axis_of_name(field.name), axis_of_ucd(field.ucd)
    if by_ucd is None and field.ucd.strip().lower().startswith(("stat.", "arith.", "pos.", "error", "phot.")):
        return None  # an error, a proper motion, another system: its UCD says that it is no position
    named = _both(by_name, by_ucd)
    if named is None:
        return None
    try:
        unit = angle_unit(field.unit or named.unit, named.axis)
    except UsageError:
        unit = None
    is_text = field.type == "text"
    key = (
        int(unit is None),
        int(named.axis in {"lon", "lat"}),
        int(named.frame is not None and named.frame.name == "fk4"),
        int(is_text or (unit is not None and unit.degrees is None)),
        2 if by_ucd is None else by_ucd.rank,
        named.rank,
    )
    return _Candidate(place, named, key, unit)


def _both(by_name: AxisName | None, by_ucd: AxisName | None) -> AxisName | None:
    """What name and UCD say together; where they disagree the UCD counts."""
    if by_ucd is None or by_name is None:
        return by_ucd or by_name
    return by_name if by_name.axis == by_ucd.axis else by_ucd


def _pairs(candidates: Sequence[_Candidate]) -> Iterable[tuple[_Candidate, _Candidate]]:
    """Each longitude with its latitude: of the same stem, or else the only one that ranks like it."""
    for first in (one for one in candidates if one.named.axis in {"ra", "lon"}):
        wanted = "dec" if first.named.axis == "ra" else "lat"
        seconds = [one for one in candidates if one.named.axis == wanted]
        alike = [one for one in seconds if one.named.stem == first.named.stem]
        if not alike and first.key[-2] < 2:
            alike = [one for one in seconds if one.key[-2] == first.key[-2]]
            alike = alike if len(alike) == 1 else []
        yield from ((first, second) for second in alike)


def _refuse_ambiguous(fields: Sequence[TableField], pairs: Sequence[tuple[_Candidate, _Candidate]]) -> None:
    """Refuse where another pair is as likely: the same words twice, or prefixes that are not known."""
    best = pairs[0]
    best_key = max(best[0].key, best[1].key)
    others = [pair for pair in pairs[1:] if max(pair[0].key, pair[1].key) == best_key]
    for other in others:
        is_same_word = other[0].named.stem == best[0].named.stem and best_key[-2] == 2
        if is_same_word or best_key[-1] >= 3:
            raise UsageError(
                "bad-table",
                f"several columns may be the position: {_names(fields, best)} and {_names(fields, other)}; "
                "call one pair ra, dec",
            )


def _declared_frame(fields: Sequence[TableField], pair: Sequence[_Candidate]) -> SkyFrame:
    """Frame that the table declares for a pair, or else its names; ICRS where neither does."""
    frames: set[SkyFrame] = set()
    for one in pair:
        declared = fields[one.place].frame or one.named.frame
        if isinstance(declared, UsageError):
            raise declared
        frames |= {declared} if declared else set()
    if len(frames) > 1:
        raise UsageError(
            "bad-table", f"{_names(fields, pair)}: the two columns are declared in different frames"
        )
    return frames.pop() if frames else ICRS


def _check_frame(fields: Sequence[TableField], pair: Sequence[_Candidate], frame: SkyFrame) -> None:
    """A declared frame must be of the angles that it is declared for."""
    if frame.is_equatorial != (pair[0].named.axis == "ra"):
        raise UsageError("bad-table", f"{_names(fields, pair)}: declared in the system {frame.name}")


def _combined(fields: Sequence[TableField]) -> PositionColumns | None:
    """One column of text that holds both angles, as SIMBAD lists them."""
    for place, field in enumerate(fields):
        word = _plain(field.name).replace("_", "").rstrip("0123456789")
        is_simbad = field.name.strip().lower().startswith("coord1 (icrs")
        if field.type != "number" and (word in _COMBINED or is_simbad):
            if isinstance(field.frame, UsageError):
                raise field.frame
            return PositionColumns(
                place, place, frame=field.frame or ICRS, equinox=_place_of(fields, _EQUINOXES)
            )
    return None


def _place_of(fields: Sequence[TableField], names: frozenset[str]) -> int | None:
    return next((place for place, field in enumerate(fields) if _plain(field.name) in names), None)


def _refuse_unknown_position(fields: Sequence[TableField], name_place: int | None) -> None:
    """Refuse a table whose position is not understood; its names are never asked for in its stead."""
    found = ", ".join(field.name[:32] for field in fields[:20]) or "none"
    if name_place is None:
        raise UsageError("bad-table", f"columns ra and dec are needed, or object IDs in id; found {found}")
    others = [field for place, field in enumerate(fields) if place != name_place]
    suspect = [
        one for one in others if may_be_position(one.name, ucd=one.ucd, is_angle=is_angle_unit(one.unit))
    ]
    if suspect:
        named = ", ".join(one.name[:32] for one in suspect[:6])
        raise UsageError(
            "bad-table",
            f"columns ra and dec are needed: {named} may hold positions, but no pair of them is known; "
            f"found {found}. Call them ra, dec; or send the ids alone to ask for them by name",
        )


def _names(fields: Sequence[TableField], pair: Sequence[_Candidate]) -> str:
    return ", ".join(fields[one.place].name[:32] for one in pair)


def _plain(name: str) -> str:
    word = "".join(letter if letter.isalnum() else "_" for letter in name.strip().lower())
    return word.strip("_").replace("__", "_")
