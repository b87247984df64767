"""Which columns of a table hold the identifier and the position, and in which unit of angle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from astropy import units as u

from app.batch_input.rows import named_row, position_row
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow

__all__ = ["TableField", "TargetColumns", "find_columns"]

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "object_id", "objid", "name"),
    "ra": ("ra", "ra_icrs", "raj2000", "_raj2000"),
    "dec": ("dec", "de_icrs", "dec_icrs", "dej2000", "_dej2000"),
}
_UCDS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("meta.id;meta.main", "id_main"),
    "ra": ("pos.eq.ra;meta.main", "pos_eq_ra_main", "pos.eq.ra"),
    "dec": ("pos.eq.dec;meta.main", "pos_eq_dec_main", "pos.eq.dec"),
}


@dataclass(frozen=True)
class TableField:
    """What a table says of a column."""

    name: str
    unit: str = ""
    ucd: str = ""


@dataclass(frozen=True)
class TargetColumns:
    """Places of the columns; without `ra` and `dec` the identifier alone names the target.

    Parameters
    ----------
    degrees : degrees in a unit of right ascension and of declination

    """

    id: int | None
    ra: int | None
    dec: int | None
    degrees: tuple[float, float] = (1.0, 1.0)

    @property
    def places(self) -> list[int]:
        """Places in use, in order."""
        return sorted(place for place in (self.id, self.ra, self.dec) if place is not None)

    def row(self, cells: Sequence[object]) -> BatchRow:
        """Row of the batch from a row of the table; cells that a short row lacks are missing."""
        name, ra, dec = (
            cells[place] if place is not None and place < len(cells) else None
            for place in (self.id, self.ra, self.dec)
        )
        if self.ra is None:
            return named_row(name, name)
        return position_row(name, ra, dec, scale=self.degrees)


def find_columns(fields: Iterable[TableField]) -> TargetColumns:
    """Columns of a table by their names, whatever their case, or else by their UCDs.

    Raises
    ------
    UsageError
        `bad-table` if there is neither a position nor an identifier, or a unit is none of angle.

    """
    known = list(fields)
    found = {role: _find(known, role) for role in _NAMES}
    if (found["ra"] is None) != (found["dec"] is None) or set(found.values()) == {None}:
        names = ", ".join(field.name[:32] for field in known[:20])
        raise UsageError("bad-table", f"columns ra and dec are needed, or object IDs in id; found {names}")
    places = (found["ra"], found["dec"])
    ra, dec = (1.0 if place is None else _degrees(known[place]) for place in places)
    return TargetColumns(id=found["id"], ra=found["ra"], dec=found["dec"], degrees=(ra, dec))


def _find(fields: Sequence[TableField], role: str) -> int | None:
    for attribute, wanted in (("name", _NAMES[role]), ("ucd", _UCDS[role])):
        values = [getattr(field, attribute).strip().lower() for field in fields]
        for word in wanted:
            if word in values:
                return values.index(word)
    return None


def _degrees(field: TableField) -> float:
    """Degrees in the unit of a column; degrees where it names none."""
    if not field.unit.strip():
        return 1.0
    try:
        return float(u.Unit(field.unit[:32]).to(u.deg))
    except (ValueError, TypeError, u.UnitsError) as error:
        raise UsageError("bad-table", f"{field.name[:64]}: its unit is not one of angle") from error
