"""From what the service answers to what astronomers work with: tables, angles, and errors in their places."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fiberless.contract import Prediction
from fiberless.errors import FiberlessError

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.units import Quantity

__all__ = ["all_good", "arcsec_of", "cone_table", "results_table"]

_UNITS = {"ra": "deg", "dec": "deg", "separation_arcsec": "arcsec"}
_COLUMNS = {
    "object_id": str,
    "ra": float,
    "dec": float,
    "separation_arcsec": float,
    "prediction_id": str,
    "created": str,
    "redshift": float,
    "model_version": str,
}


def all_good(outcomes: Sequence[Prediction | FiberlessError]) -> list[Prediction]:
    """Predictions, if all are; else the first error is raised."""
    good = []
    for outcome in outcomes:
        if isinstance(outcome, FiberlessError):
            raise outcome
        good.append(outcome)
    return good


def arcsec_of(angle: "Quantity | float") -> float:
    """Arcseconds of an angle; a bare number is in arcseconds."""
    return float(angle.to_value("arcsec")) if hasattr(angle, "to_value") else float(angle)


def cone_table(rows: Sequence[dict[str, Any]]) -> "Table":
    """Table of the objects in a cone, also of none; what is not known is masked."""
    from astropy.table import MaskedColumn, Table  # noqa: PLC0415  # slow to load, and needed here only

    table = Table(masked=True, meta={"kind": "predicted-spectrum"})
    for name, kind in _COLUMNS.items():
        values = [row[name] for row in rows]
        filled = [kind() if value is None else value for value in values]
        table[name] = MaskedColumn(
            filled, mask=[value is None for value in values], dtype=kind, unit=_UNITS.get(name)
        )
    return table


def results_table(votable: bytes) -> "Table":
    """Table in a VOTable document."""
    from astropy.table import Table  # noqa: PLC0415  # as above

    return Table.read(BytesIO(votable), format="votable")
