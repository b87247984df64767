"""Every column that a product can have, with its unit, UCD and meaning: the one table behind all formats."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias

from astropy.table import Table
from pydantic import BaseModel

from fiberless.analysis.indices.lick import COMPOSITES, index_bands
from fiberless.analysis.lines.reported import REPORTED_LINES
from fiberless.analysis.measure import EW_UNIT, LINE_FLUX_UNIT, lick_unit
from fiberless.contract import Prediction
from fiberless.contract.properties import FLUX_UNIT, Classification, Measurement, Properties

__all__ = [
    "IVAR_UNIT",
    "SPECTRUM_COLUMNS",
    "Cell",
    "Column",
    "Property",
    "measured",
    "property_columns",
    "property_table",
    "row_columns",
    "row_of",
]

IVAR_UNIT: Final = "1e34 Angstrom2 cm4 s2 / erg2"
Cell: TypeAlias = str | int | float | None
Kind: TypeAlias = Literal["float64", "float32", "int64", "bool", "string"]


@dataclass(frozen=True)
class Column:
    """A column of a product.

    Parameters
    ----------
    name : as it is written in every format
    kind : type of its values
    unit : as astropy reads it; empty if there is none
    ucd : IVOA UCD1+
    description : what it holds, for people
    utype : of the IVOA Spectrum data model 1.1, if it has a place there

    """

    name: str
    kind: Kind
    unit: str
    ucd: str
    description: str
    utype: str = ""


@dataclass(frozen=True)
class Property:
    """A property of a galaxy: `name` is its path in `Properties`, dotted (`lines.Halpha.ew`)."""

    name: str
    unit: str
    ucd: str
    description: str
    is_class: bool = False

    @property
    def column(self) -> str:
        """Name of its column where a prediction is one row: `Halpha_ew`, `lick_Hbeta`."""
        return self.name.removeprefix("lines.").replace(".", "_")


_FLUX_UCD: Final = "phot.flux.density;em.wl"
_DATA: Final = "spec:Spectrum.Data"
SPECTRUM_COLUMNS: Final = (
    Column(
        "wavelength",
        "float64",
        "Angstrom",
        "em.wl",
        "Vacuum wavelength, Angstrom",
        f"{_DATA}.SpectralAxis.Value",
    ),
    Column(
        "flux",
        "float32",
        FLUX_UNIT,
        _FLUX_UCD,
        "Predicted F_lambda, 1e-17 erg/(s cm2 Angstrom); NaN where the model does not reach",
        f"{_DATA}.FluxAxis.Value",
    ),
    Column(
        "uncertainty",
        "float32",
        FLUX_UNIT,
        f"stat.stdev;{_FLUX_UCD}",
        "Standard deviation of the candidates; NaN for a single candidate",
        f"{_DATA}.FluxAxis.Accuracy.StatError",
    ),
    Column(
        "mask",
        "bool",
        "",
        "meta.code.qual",
        "True where the flux is not to be used",
        f"{_DATA}.FluxAxis.Accuracy.QualityStatus",
    ),
    Column("ivar", "float32", IVAR_UNIT, f"stat.weight;{_FLUX_UCD}", "Inverse variance; 0 where unknown"),
    Column("flux_p16", "float32", FLUX_UNIT, f"{_FLUX_UCD};stat.min", "16th percentile of the candidates"),
    Column("flux_p50", "float32", FLUX_UNIT, f"{_FLUX_UCD};stat.median", "Median of the candidates"),
    Column("flux_p84", "float32", FLUX_UNIT, f"{_FLUX_UCD};stat.max", "84th percentile of the candidates"),
)
"""Columns of a spectrum in the order that readers need: they take the next one in flux units as the error."""


@cache
def property_table() -> tuple[Property, ...]:
    """Every property that a prediction may have, in the order of `Properties`."""
    listed = _table_rows()
    rows: list[Property] = []
    for field in Properties.model_fields:
        match field:
            case "lines":
                rows += [row for name in REPORTED_LINES for row in _line_rows(name)]
            case "lick" | "lick_system":
                rows += [_lick_row(field, name) for name in _lick_names()]
            case _:
                rows += [row for row in listed if row.name.partition(".")[0] == field]
    return tuple(rows)


def property_columns(row: Property) -> tuple[Column, ...]:
    """Columns of a property where a prediction is one row: value, interval and flag."""
    flag = Column(
        f"{row.column}_flag", "string", "", f"meta.code.qual;{row.ucd.partition(';')[0]}", "ok, or why not"
    )
    if row.is_class:
        return Column(row.column, "string", "", row.ucd, row.description), flag
    value = Column(row.column, "float64", row.unit, row.ucd, f"{row.description}: median of the candidates")
    lower = Column(
        f"{row.column}_lower", "float64", row.unit, f"{row.ucd};stat.min", "Lower end of the 68 % interval"
    )
    upper = Column(
        f"{row.column}_upper", "float64", row.unit, f"{row.ucd};stat.max", "Upper end of the 68 % interval"
    )
    return value, lower, upper, flag


@cache
def row_columns() -> tuple[Column, ...]:
    """Columns of a prediction as one row: what it is of, what made it, and every property."""
    return _HEAD + tuple(column for row in property_table() for column in property_columns(row))


def row_of(prediction: Prediction) -> tuple[Cell, ...]:
    """Values of `row_columns` for a prediction; None where there is none."""
    found = dict(measured(prediction.properties))
    cells: list[Cell] = [
        prediction.id,
        prediction.object.object_id,
        prediction.object.ra,
        prediction.object.dec,
        prediction.kind,
        prediction.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        prediction.provenance.model.version,
        ";".join(sorted({warning.code for warning in prediction.warnings})) or None,
    ]
    for row in property_table():
        cells += _cells(row, found.get(row.name))
    return tuple(cells)


def measured(node: object, name: str = "") -> Iterator[tuple[str, Measurement | Classification]]:
    """All measurements of a tree of models and dictionaries, with their dotted names."""
    match node:
        case Measurement() | Classification():
            yield name, node
        case BaseModel():
            for field in type(node).model_fields:
                yield from measured(getattr(node, field), f"{name}.{field}".lstrip("."))
        case Mapping():
            for key, child in node.items():
                yield from measured(child, f"{name}.{key}".lstrip("."))
        case _:
            return


_HEAD: Final = (
    Column("prediction_id", "string", "", "meta.id;meta.main", "Name of the prediction"),
    Column("object_id", "string", "", "meta.id", "The caller's name for the object"),
    Column("ra", "float64", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS"),
    Column("dec", "float64", "deg", "pos.eq.dec;meta.main", "Declination, ICRS"),
    Column("kind", "string", "", "meta.code.class", "What this is: predicted from an image, never observed"),
    Column("created", "string", "", "time.creation", "When it was predicted, UTC"),
    Column("model_version", "string", "", "meta.version", "Version of the model"),
    Column("warnings", "string", "", "meta.code.qual", "Codes of the prediction's warnings, by semicolons"),
)


def _cells(row: Property, found: Measurement | Classification | None) -> tuple[Cell, ...]:
    match found:
        case Measurement():
            return found.value, found.lower, found.upper, found.flag.value
        case Classification():
            return found.value, found.flag.value
        case None:
            return (None,) * len(property_columns(row))


def _table_rows() -> list[Property]:
    table = Table.read(str(files("fiberless.contract") / "tables" / "properties.ecsv"), format="ascii.ecsv")
    return [
        Property(
            name=str(row["name"]),
            unit=str(row["unit"]),
            ucd=str(row["ucd"]),
            description=str(row["description"]),
            is_class=row["ucd"] == "src.class",
        )
        for row in table.filled("")
    ]


def _line_rows(name: str) -> tuple[Property, Property]:
    title = REPORTED_LINES[name].conventional
    return (
        Property(
            f"lines.{name}.flux",
            LINE_FLUX_UNIT,
            "spect.line.intensity",
            f"Flux of {title} in the fibre, 1e-17 erg/(s cm2), emission positive",
        ),
        Property(
            f"lines.{name}.ew",
            EW_UNIT,
            "spect.line.eqWidth",
            f"Rest-frame equivalent width of {title} in Angstrom, emission positive",
        ),
    )


def _lick_row(field: str, name: str) -> Property:
    unit = lick_unit(name)
    ucd = "spect.line.eqWidth" if unit == EW_UNIT else "spect.line.strength"
    where = "the spectrum's own resolution" if field == "lick" else "the resolution of the Lick system"
    return Property(f"{field}.{name}", unit, ucd, f"Absorption index {name} in {unit} at {where}")


def _lick_names() -> tuple[str, ...]:
    return (*index_bands(), *COMPOSITES)
