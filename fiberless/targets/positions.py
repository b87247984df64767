"""A position from the cells of a row."""

from fiberless.errors import UsageError
from fiberless.targets.angles import degrees_of
from fiberless.targets.columns import PositionColumns
from fiberless.targets.frames import ICRS, SkyFrame, read_frame

__all__ = ["cell_frame", "cell_position", "checked_position"]


def cell_position(columns: PositionColumns, first: object, second: object) -> tuple[float, float]:
    """(longitude, latitude) of a row in degrees of its frame; UsageError `invalid-coordinates`."""
    lon_deg = degrees_of(first, columns.axes[0], columns.units[0])
    lat_deg = degrees_of(second, columns.axes[1], columns.units[1])
    return checked_position(lon_deg, lat_deg, axes=columns.axes)


def cell_frame(columns: PositionColumns, system: object, equinox: object) -> SkyFrame:
    """Frame of a row: that of its columns, where no cell of it says another.

    Raises
    ------
    UsageError
        `invalid-coordinates` if it says one that is not known.

    """
    if system is None and equinox is None:
        return columns.frame
    try:
        said = read_frame(_text(system), _text(equinox))
    except UsageError as error:
        raise UsageError("invalid-coordinates", error.detail) from error
    if columns.axes[0] != "ra" or not said.is_equatorial:
        raise UsageError(
            "invalid-coordinates", f"the row says {said.name} of columns {', '.join(columns.axes)}"
        )
    return ICRS if said == SkyFrame("fk5", "J2000") and columns.frame == ICRS else said


def checked_position(
    lon_deg: float, lat_deg: float, *, axes: tuple[str, str] = ("ra", "dec")
) -> tuple[float, float]:
    """(longitude, latitude) with 0 ≤ longitude < 360; 360 is 0, and −10 is 350.

    Raises
    ------
    UsageError
        `invalid-coordinates` outside of −360…360 and −90…90 degrees.

    """
    if not -360 <= lon_deg <= 360 or not -90 <= lat_deg <= 90:
        raise UsageError(
            "invalid-coordinates",
            f"{axes[0]} is from 0 to 360 degrees (or down to −360), {axes[1]} from −90 to 90; "
            f"found {lon_deg:.6g} and {lat_deg:.6g}",
        )
    turned = lon_deg % 360.0
    return (0.0 if turned >= 360.0 else turned), lat_deg


def _text(cell: object) -> str:
    """Text of a cell that says a frame; blank where it is empty."""
    if cell is None or cell != cell:  # noqa: PLR0124  not a number
        return ""
    return cell.decode("latin-1").strip() if isinstance(cell, bytes) else str(cell).strip()
