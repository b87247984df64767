"""Writes what was measured of a model version into it: its manifest and its card.

Weights and their hashes stay as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fiberless.contract.manifest import Manifest, read_manifest
from fiberless.evaluation.evaluate import Evaluation
from fiberless.training.card import render_card
from fiberless.training.cascade.card import render_cascade_card
from fiberless.training.figures import accuracy_table, gate_table

__all__ = [
    "as_markdown",
    "core_minutes",
    "record_ablation",
    "record_comparison",
    "record_evaluation",
    "record_sampler_quality",
]


def record_evaluation(store: Path, version: str, evaluation: Evaluation, *, command: str) -> Manifest:
    """Store metrics and the command that made them."""
    return _record(store, version, evaluation.as_dict() | {"command": command})


def record_ablation(store: Path, version: str, ablation: dict[str, Any]) -> Manifest:
    """Store what the pixels add over the apertures."""
    return _record(store, version, {"ablation": ablation})


def record_comparison(store: Path, figures: Mapping[str, Any]) -> None:
    """Store in both versions the figures of their own, and beside which other they were measured."""
    versions = list(figures["models"])
    for version in versions:
        own = {
            "beside": next(other for other in versions if other != version),
            "scores": figures["scores"][version],
            "photo_z": figures["photo_z"][version],
            "agn": [row for row in figures["agn"] if row["method"] == version],
            **figures["models"][version],
            **{name: figures[name] for name in ("n", "n_candidates", "command")},
        }
        _record(store, version, {"comparison": own})


def record_sampler_quality(
    store: Path, version: str, *, steps: int, quality: Mapping[str, Any], command: str
) -> Manifest:
    """Make `steps` the version's default number of evaluations, with the figures that chose it."""
    figures = {"sampler_quality": {**quality, "command": command}}
    return _record(store, version, figures, sampler_steps=steps)


def core_minutes(manifest: Manifest) -> float | None:
    """Core time of a version's training in minutes, where its record says it."""
    seconds = manifest.training.get("core_seconds")
    return None if seconds is None else round(seconds / 60, 1)


def as_markdown(evaluation: Evaluation) -> str:
    """Gates, and one row for each quantity."""
    figures = evaluation.as_dict()
    return f"{gate_table(figures)}\n\n{accuracy_table(figures)}"


def _record(store: Path, version: str, figures: dict[str, Any], **fields: Any) -> Manifest:
    before = read_manifest(store, version)
    manifest = before.model_copy(update={"metrics": before.metrics | figures, **fields})
    folder = store / version
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    render = render_cascade_card if manifest.family == "cascade" else render_card
    (folder / "card.md").write_text(render(manifest), encoding="utf-8")
    return manifest
