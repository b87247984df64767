"""The properties of a prediction as a table for a terminal."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from fiberless.analysis.lines.reported import REPORTED_LINES
from fiberless.contract import Prediction
from fiberless.contract.properties import Classification, Flag, LineMeasurement, Measurement

__all__ = ["property_table"]

_STYLE_OF_FLAG = {Flag.OK: "green", Flag.OUT_OF_BAND: "dim", Flag.NOT_DETECTED: "dim"}
_GROUP_LABELS = {
    "abundances": "12 + lg(O/H)",
    "lick": "Lick",
    "lick_system": "Lick/IDS",
    "magnitudes": "magnitude",
}


def property_table(prediction: Prediction) -> Table:
    """Table of value, 68 % interval, unit and flag of each property, headed as predicted."""
    name = prediction.object.object_id or prediction.label or prediction.id
    model = prediction.provenance.model
    table = Table(
        title=f"{name}\n[bold]PREDICTED, NOT OBSERVED[/bold]",
        caption=f"model {model.version} ({model.name}), trained on: {model.training_data}",
        caption_justify="left",
    )
    table.add_column("property")
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    table.add_column("unit")
    table.add_column("flag")
    for row in _rows(prediction):
        table.add_row(*row)
    return table


def _rows(prediction: Prediction) -> Iterator[tuple[str, str, str, str, str]]:
    for name, value in prediction.properties:
        match value:
            case Measurement():
                yield _measured(name, value)
            case Classification():
                yield _classified(name, value)
            case dict():
                yield from _of_group(_GROUP_LABELS.get(name, name), value)


def _of_group(
    group: str, found: dict[str, LineMeasurement] | dict[str, Measurement] | dict[str, Classification]
) -> Iterator[tuple[str, str, str, str, str]]:
    for name, value in found.items():
        match value:
            case LineMeasurement():
                label = escape(REPORTED_LINES[name].conventional if name in REPORTED_LINES else name)
                yield _measured(f"{label} flux", value.flux)
                yield _measured(f"{label} EW", value.ew)
            case Measurement():
                yield _measured(f"{group} {name}", value)
            case Classification():
                yield _classified(name, value)


def _measured(name: str, value: Measurement) -> tuple[str, str, str, str, str]:
    interval = "" if value.lower is None else f"{_number(value.lower)} … {_number(value.upper)}"
    return name, _number(value.value), interval, value.unit, _flag(value.flag)


def _classified(name: str, value: Classification) -> tuple[str, str, str, str, str]:
    shares = sorted(value.probabilities.items(), key=lambda item: -item[1])
    interval = ", ".join(f"{kind} {share:.0%}" for kind, share in shares[:3] if share > 0)
    return name, value.value or "–", interval, "", _flag(value.flag)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _flag(flag: Flag) -> str:
    return f"[{_STYLE_OF_FLAG.get(flag, 'yellow')}]{flag}[/]"
