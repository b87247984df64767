"""Writes an evaluation or an ablation into a model version: its manifest's metrics and its card."""

from pathlib import Path
from typing import Any

from fiberless.evaluation.evaluate import Evaluation
from fiberless.manifest import Manifest, read_manifest
from fiberless.training.card import render_card
from fiberless.training.figures import accuracy_table, gate_table

__all__ = ["as_markdown", "record_ablation", "record_evaluation"]


def record_evaluation(store: Path, version: str, evaluation: Evaluation, *, command: str) -> Manifest:
    """Store metrics and the command that made them; weights and their hashes stay as they are."""
    return _record(store, version, evaluation.as_dict() | {"command": command})


def record_ablation(store: Path, version: str, ablation: dict[str, Any]) -> Manifest:
    """Store what the pixels add over the apertures."""
    return _record(store, version, {"ablation": ablation})


def as_markdown(evaluation: Evaluation) -> str:
    """Gates, and one row for each quantity."""
    figures = evaluation.as_dict()
    return f"{gate_table(figures)}\n\n{accuracy_table(figures)}"


def _record(store: Path, version: str, figures: dict[str, Any]) -> Manifest:
    before = read_manifest(store, version)
    manifest = before.model_copy(update={"metrics": before.metrics | figures})
    folder = store / version
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(render_card(manifest), encoding="utf-8")
    return manifest
