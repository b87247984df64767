"""The YAML head of an ECSV file (APE 6): columns, units, UCDs, and the frames of astropy's coordinates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from fiberless.errors import UsageError
from fiberless.targets.columns import CellType, TableField
from fiberless.targets.frames import SkyFrame, read_frame

__all__ = ["ECSV_MARK", "EcsvHead", "read_ecsv_head"]

ECSV_MARK: Final = "# %ECSV "
_UCD_OF_COMPONENT: Final = {
    "ra": "pos.eq.ra",
    "dec": "pos.eq.dec",
    "l": "pos.galactic.lon",
    "b": "pos.galactic.lat",
}


@dataclass(frozen=True)
class EcsvHead:
    """Columns in their order, and what parts the cells."""

    fields: tuple[TableField, ...]
    delimiter: str


class _PlainLoader(yaml.SafeLoader):
    """Builds plain values only; of what has a tag of its own, as mixed columns have, the mapping."""


def _plain_value(loader: _PlainLoader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_PlainLoader.add_multi_constructor("!", _plain_value)


def read_ecsv_head(head: str) -> EcsvHead:
    """Columns and delimiter that the YAML head of an ECSV file declares.

    Raises
    ------
    UsageError
        `bad-table` if it is not such a head, or declares coordinates in a system that is not known.

    """
    document = "\n".join(line[2:] for line in head.splitlines()[1:])
    try:
        described = _PlainLoader(document).get_single_data()
        coordinates = dict(_coordinates(described.get("meta")))
        fields = tuple(_field(column, coordinates) for column in described["datatype"])
        delimiter = str(described.get("delimiter", " "))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError("bad-table", "the head of the ECSV table cannot be read") from error
    if delimiter not in {" ", ","}:
        raise UsageError("bad-table", "an ECSV table is delimited by blanks or commas")
    return EcsvHead(fields, delimiter)


def _field(column: Mapping[str, Any], coordinates: Mapping[str, tuple[str, SkyFrame]]) -> TableField:
    name, datatype = str(column["name"]), str(column.get("datatype", ""))
    meta = column.get("meta")
    ucd = str(meta.get("ucd", "")) if isinstance(meta, Mapping) else ""
    known_ucd, frame = coordinates.get(name, (ucd, None))
    kind: CellType = "text" if datatype == "string" else "number" if datatype else ""
    return TableField(name, str(column.get("unit") or ""), known_ucd, kind, frame)


def _coordinates(meta: Any) -> Iterator[tuple[str, tuple[str, SkyFrame]]]:
    """(column, (UCD, frame)) of the parts of each SkyCoord."""
    entries = dict(meta) if isinstance(meta, list | Mapping) else {}
    for name, mixin in dict(entries.get("__serialized_columns__") or {}).items():
        if not isinstance(mixin, Mapping) or not str(mixin.get("__class__", "")).endswith(".SkyCoord"):
            continue
        frame = read_frame(str(mixin.get("frame", "")), _equinox(mixin.get("equinox")))
        for component, ucd in _UCD_OF_COMPONENT.items():
            part = mixin.get(component)
            column = part.get("name") if isinstance(part, Mapping) else None
            yield str(column or f"{name}.{component}"), (ucd, frame)


def _equinox(time: Any) -> str:
    """Equinox of a `Time` that astropy wrote down; blank where there is none."""
    if not isinstance(time, Mapping):
        return "" if time is None else str(time)
    if "jd1" not in time:
        return str(time.get("value", ""))
    jd = float(time["jd1"]) + float(time.get("jd2", 0.0))
    besselian = 1900.0 + (jd - 2415020.31352) / 365.242198781
    julian = 2000.0 + (jd - 2451545.0) / 365.25
    is_besselian = abs(besselian - round(besselian)) < 1e-4 and besselian < 1984
    return f"B{round(besselian)}" if is_besselian else f"J{julian:.3f}"
