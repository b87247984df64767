"""Many targets in any form that astronomers hold them: tables are sent, lists become JSON."""

import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, Final

from fiberless.errors import UsageError

__all__ = ["MEDIA_OF_SUFFIX", "batch_content", "degrees_or_text", "position_of"]

MEDIA_OF_SUFFIX: Final = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".dat": "text/plain",
    ".tbl": "text/plain",
    ".ecsv": "text/ecsv",
    ".vot": "application/x-votable+xml",
    ".votable": "application/x-votable+xml",
    ".xml": "application/x-votable+xml",
    ".fits": "application/fits",
    ".fit": "application/fits",
    ".parquet": "application/vnd.apache.parquet",
}
_COMPRESSIONS: Final = (".gz", ".bz2", ".xz")
_KEYS: Final = frozenset({"id", "ra", "dec", "object_id"})
_KNOWN: Final = "a table, SkyCoord, dicts with id, ra, dec, pairs (ra, dec) in degrees, or names"


def batch_content(targets: Any) -> tuple[bytes, str] | list[dict[str, Any]]:  # noqa: PLR0911  one a form
    """Bytes and media type of a table, or targets for JSON.

    Raises
    ------
    UsageError
        `invalid-parameter` if a file is no table or cannot be read; what is wrong with a value.
    TypeError
        If an entry is none of what names a target.

    """
    match targets:
        case str() | PathLike():
            return _file(Path(targets))
        case bytes() | bytearray():
            raise TypeError(f"bytes are no targets; give the path of their file, or {_KNOWN}")
        case _ if _is_table(targets):
            return _table(targets)
        case _ if _is_frame(targets):
            return _frame(targets)
        case _ if _is_coordinate(targets):
            return [_place(one) for one in (targets if not targets.isscalar else [targets])]
        case _ if _is_row(targets):
            return _rows([targets])
        case Mapping():
            return _columns(targets)
    if not isinstance(targets, Iterable):
        raise TypeError(f"targets are {_KNOWN}; not {type(targets).__name__}")
    return _rows(list(targets))


def position_of(place: Any) -> tuple[float, float]:
    """ICRS (ra, dec) in degrees of an astropy coordinate, whatever its frame."""
    if not place.isscalar:
        raise UsageError("invalid-parameter", "one place is needed; `batch` and `predict_many` take many")
    icrs = place.icrs
    return float(icrs.ra.deg) % 360.0, float(icrs.dec.deg)


def degrees_or_text(angle: Any) -> Any:
    """Angle for JSON: degrees of a Quantity or a number of numpy, or text, which the service reads."""
    if angle is None:
        return None
    if isinstance(angle, str):
        with suppress(ValueError):
            angle = float(angle)
        if isinstance(angle, str):
            return angle
    if getattr(angle, "mask", False) is True or type(angle).__name__ == "MaskedConstant":
        return None
    if hasattr(angle, "to_value"):
        angle = angle.to_value("deg")
    try:
        number = float(angle)
    except (TypeError, ValueError) as error:
        raise UsageError("invalid-coordinates", f"{type(angle).__name__} is no angle") from error
    return number if number - number == 0 else str(number)  # the service says that it is not finite


def _file(path: Path) -> tuple[bytes, str]:
    plain = path.with_suffix("") if path.suffix.lower() in _COMPRESSIONS else path
    media = MEDIA_OF_SUFFIX.get(plain.suffix.lower())
    if media is None:
        raise UsageError(
            "invalid-parameter", f"a table ends in {', '.join(MEDIA_OF_SUFFIX)}, or that and .gz"
        )
    try:
        return path.read_bytes(), media
    except OSError as error:
        words = f"{path} cannot be read: {error.strerror or error}"
        raise UsageError("invalid-parameter", words) from error


def _is_table(given: Any) -> bool:
    return hasattr(given, "colnames") and hasattr(given, "write")


def _is_row(given: Any) -> bool:
    """Row of an astropy table, or of a DataFrame."""
    is_row = hasattr(given, "colnames") and hasattr(given, "as_void")
    return is_row or (hasattr(given, "to_dict") and hasattr(given, "index") and "ra" in _lower(given.index))


def _lower(names: Iterable[Any]) -> set[str]:
    return {str(name).lower() for name in names}


def _is_frame(given: Any) -> bool:
    """DataFrame of pandas or polars."""
    return hasattr(given, "columns") and (hasattr(given, "to_csv") or hasattr(given, "write_csv"))


def _is_coordinate(given: Any) -> bool:
    return hasattr(given, "icrs")


def _table(table: Any) -> tuple[bytes, str]:
    """VOTable of a table; ECSV where it has columns that a VOTable cannot hold (SkyCoord, Time, uint64)."""
    if any(map(_is_beyond_votable, table.itercols())):
        text = io.StringIO()
        table.write(text, format="ascii.ecsv")
        return text.getvalue().encode(), "text/ecsv"
    votable = io.BytesIO()
    table.write(votable, format="votable")
    return votable.getvalue(), "application/x-votable+xml"


def _is_beyond_votable(column: Any) -> bool:
    kind = getattr(column, "dtype", None)
    return kind is None or hasattr(column, "jd1") or kind.kind == "O" or kind.str[1:] == "u8"


def _frame(frame: Any) -> tuple[bytes, str]:
    """CSV of a DataFrame; an index with a name is a column of it."""
    if hasattr(frame, "write_csv"):
        return frame.write_csv().encode(), "text/csv"
    named = any(name is not None for name in frame.index.names)
    texts = {
        name: values.map(lambda cell: cell.decode("latin-1") if isinstance(cell, bytes) else cell)
        for name, values in frame.items()
        if values.dtype == object and frame.columns.is_unique
    }
    return frame.assign(**texts).to_csv(index=named).encode(), "text/csv"


def _columns(given: Mapping[Any, Any]) -> tuple[bytes, str] | list[dict[str, Any]]:
    """One target, or columns by name."""
    values = list(given.values())
    if all(isinstance(value, str | bytes) or not _has_length(value) for value in values):
        return _rows([given])
    from astropy.table import Table  # noqa: PLC0415  # slow to load, and needed here only

    return _table(Table({str(name): _listed(value) for name, value in given.items()}))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | range) else value


def _has_length(value: Any) -> bool:
    return hasattr(value, "__len__") and getattr(value, "shape", None) != ()


def _rows(rows: list[Any]) -> tuple[bytes, str] | list[dict[str, Any]]:
    """Targets one by one; rows with other columns than id, ra, dec are a table, which the service reads."""
    dicts = [_row_dict(row) for row in rows]
    if rows and all(row is not None for row in dicts) and any(_is_wider(row) for row in dicts if row):
        from astropy.table import Table  # noqa: PLC0415  # as above

        return _table(Table(rows=dicts))
    return [_target(row if known is None else known) for row, known in zip(rows, dicts, strict=True)]


def _row_dict(row: Any) -> dict[str, Any] | None:
    """Row by its columns, a coordinate in it as ra and dec; None where it is no row with columns."""
    if isinstance(row, Mapping):
        named = {str(name): value for name, value in row.items()}
    elif _is_row(row):
        names = row.colnames if hasattr(row, "colnames") else row.index
        named = {str(name): row[name] for name in names}
    else:
        return None
    places = [name for name, value in named.items() if _is_coordinate(value)]
    if len(places) == 1 and not {"ra", "dec"} & set(named):
        ra, dec = position_of(named.pop(places[0]))
        named |= {"ra": ra, "dec": dec}
    return named


def _is_wider(row: Mapping[str, Any]) -> bool:
    return not set(row) <= _KEYS


def _target(given: Any) -> dict[str, Any]:
    match given:
        case Mapping():
            return _known_target(given)
        case bytes():
            return _named(given.decode())
        case str():
            return _named(str(given))
        case _ if _is_coordinate(given):
            return _place(given)
        case _ if hasattr(given, "__len__") and len(given) == 2 and not isinstance(given, dict | set):
            ra, dec = given
            return {"ra": degrees_or_text(ra), "dec": degrees_or_text(dec)}
        case _ if hasattr(given, "__index__") and not isinstance(given, bool):
            return {"object_id": str(int(given))}
    raise TypeError(f"a target is one of {_KNOWN}; not {type(given).__name__}")


def _named(text: str) -> dict[str, Any]:
    from fiberless.targets.by_hand import read_target  # noqa: PLC0415  # loads astropy, as above

    target = read_target(text)
    if target.object_id is not None:
        return {"object_id": target.object_id}
    return {"ra": target.ra, "dec": target.dec}


def _place(place: Any) -> dict[str, Any]:
    ra, dec = position_of(place)
    return {"ra": ra, "dec": dec}


def _known_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """Target of a row with the keys that the service knows, its values as JSON has them."""
    target = dict(given)
    for axis in {"ra", "dec"} & set(target):
        target[axis] = degrees_or_text(target[axis])
    for name in {"id", "object_id"} & set(target):
        target[name] = _identifier(target[name])
    return target


def _identifier(value: Any) -> str | None:
    """Identifier as text; raises `invalid-object-id` where a float has spoilt it."""
    from fiberless.targets.identifiers import identifier_text  # noqa: PLC0415  # as above

    return identifier_text(value)
