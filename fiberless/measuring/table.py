"""Documents as tables: one a spectrum on the terminal, one row each in a file."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from astropy import units
from astropy.table import Table
from rich.markup import escape
from rich.table import Table as RichTable

from fiberless.contract.properties import Classification, Flag, Measurement
from fiberless.errors import UsageError
from fiberless.measuring.document import MeasuredSpectrum

__all__ = ["check_output", "measured_table", "row_table", "write_rows"]

_STYLE_OF_FLAG: Final = {Flag.OK: "green", Flag.OUT_OF_BAND: "dim", Flag.NOT_DETECTED: "dim"}
_SUFFIXES: Final = (".ecsv", ".csv", ".parquet")


def measured_table(document: MeasuredSpectrum) -> RichTable:
    """Table of value, interval, unit and flag of everything measured on one spectrum."""
    predicted = "\n[bold]PREDICTED, NOT OBSERVED[/bold]" if document.kind == "predicted" else ""
    table = RichTable(
        title=f"{escape(document.file)}{predicted}",
        caption="\n".join(map(escape, _remarks(document))),
        caption_justify="left",
    )
    table.add_column("property")
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    table.add_column("unit")
    table.add_column("flag")
    for name, found in _measurements(document):
        table.add_row(escape(name), *_cells(found))
    return table


def row_table(documents: Sequence[MeasuredSpectrum]) -> Table:
    """One row a spectrum: each measurement with `_lower`, `_upper` and `_flag`, each class with its share.

    A quantity that could not be measured is masked.
    """
    rows = [_row(document) for document in documents]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table({name: _column([row.get(name) for row in rows]) for name in names})
    for document in documents:
        for name, found in _measurements(document):
            _describe(table, _key(name), found)
    return table


def check_output(path: Path) -> None:
    """Refuse a file that could not be written in the end.

    Raises
    ------
    UsageError
        `invalid-parameter` for an unknown kind, a folder that is missing, or Parquet without pyarrow.

    """
    if path.suffix not in _SUFFIXES:
        raise UsageError("invalid-parameter", f"{path.name}: tables are written as {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError("invalid-parameter", f"{path}: there is no such folder")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError("invalid-parameter", "Parquet needs pyarrow: pip install 'fiberless[parquet]'")


def write_rows(documents: Sequence[MeasuredSpectrum], path: Path) -> None:
    """Write `row_table` as ECSV, CSV or Parquet, by the name's ending; an older file is replaced."""
    formats = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".parquet": "parquet"}
    row_table(documents).write(str(path), format=formats[path.suffix], overwrite=True)


def _measurements(document: MeasuredSpectrum) -> Iterator[tuple[str, Measurement | Classification]]:
    """All measurements by name, in the order that they are shown."""
    yield "redshift", document.redshift
    yield from document.quantities.items()
    yield from document.stars.items()
    yield from document.classes.items()
    for name, found in document.lines.items():
        yield f"flux {name}", found.flux
        yield f"EW {name}", found.ew
    for name, index in document.lick.items():
        yield f"Lick {name}", index
    for name, index in document.lick_system.items():
        yield f"Lick/IDS {name}", index


def _remarks(document: MeasuredSpectrum) -> Iterator[str]:
    if document.snr is not None:
        yield f"S/N {document.snr:.3g} per pixel"
    if document.redshift_issues:
        issues = ", ".join(document.redshift_issues)
        yield f"no trustworthy redshift between 0 and 1 ({issues}): nothing else is measured; --z gives one"
    yield from document.notes


def _cells(found: Measurement | Classification) -> tuple[str, str, str, str]:
    flag = f"[{_STYLE_OF_FLAG.get(found.flag, 'yellow')}]{found.flag}[/]"
    match found:
        case Classification():
            shares = sorted(found.probabilities.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{kind} {share:.0%}" for kind, share in shares[:3] if share > 0)
            return found.value or "–", shown, "", flag
        case Measurement():
            return _number(found.value), _interval(found), found.unit, flag


def _interval(found: Measurement) -> str:
    if found.lower is None or found.upper is None:
        return ""
    if found.value is None:
        return f"< {_number(found.upper)}"
    return f"{_number(found.lower)} … {_number(found.upper)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"


def _row(document: MeasuredSpectrum) -> dict[str, float | str | None]:
    row: dict[str, float | str | None] = {
        "file": document.file,
        "kind": document.kind,
        "redshift_issues": " ".join(document.redshift_issues),
        "snr": document.snr,
    }
    for name, found in _measurements(document):
        key = _key(name)
        match found:
            case Classification():
                row |= {
                    key: found.value or "",
                    f"{key}_share": found.probabilities.get(found.value or "", 0.0),
                }
            case Measurement():
                row |= {key: found.value, f"{key}_lower": found.lower, f"{key}_upper": found.upper}
        row[f"{key}_flag"] = found.flag.value
    return row


def _key(name: str) -> str:
    return (
        name.replace("EW ", "ew_")
        .replace("Lick/IDS ", "lick_system_")
        .replace("Lick ", "lick_")
        .replace(" ", "_")
        .replace(".", "_")
    )


def _column(values: Sequence[float | str | None]) -> np.ndarray:
    """Column of text, or of numbers masked where there is none."""
    if any(isinstance(value, str) for value in values):
        return np.array([value or "" for value in values], dtype=str)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.ma.masked_invalid(numbers)


def _describe(table: Table, key: str, found: Measurement | Classification) -> None:
    table[key].description = found.method
    if not isinstance(found, Measurement) or not found.unit:
        return
    for name in (key, f"{key}_lower", f"{key}_upper"):
        table[name].unit = units.Unit(found.unit)
