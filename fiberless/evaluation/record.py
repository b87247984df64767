"""Writes an evaluation into a model version: its manifest's metrics and its card."""

from pathlib import Path

from fiberless.evaluation.evaluate import Evaluation
from fiberless.manifest import Manifest, read_manifest
from fiberless.training.card import render_card

__all__ = ["as_markdown", "record_evaluation"]


def record_evaluation(store: Path, version: str, evaluation: Evaluation, *, command: str) -> Manifest:
    """Store metrics and the command that made them; weights and their hashes stay as they are."""
    metrics = evaluation.as_dict() | {"command": command}
    manifest = read_manifest(store, version).model_copy(update={"metrics": metrics})
    folder = store / version
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(render_card(manifest), encoding="utf-8")
    return manifest


def as_markdown(evaluation: Evaluation) -> str:
    """One table: a row for each method and quantity."""
    lines = [
        "| quantity | method | N | bias | scatter | R² | 68 % | 95 % | CRPS |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in evaluation.scores["model"]:
        for method, table in evaluation.scores.items():
            row = table[name].rounded()
            cells = ["–" if value is None else str(value) for value in row.values()]
            lines.append(f"| {name} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
