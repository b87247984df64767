"""Tables of a model on twins of real galaxies in Markdown."""

from collections.abc import Mapping

from fiberless.evaluation.sky.photo_z import RedshiftScore
from fiberless.evaluation.sky.twin_classes import ClassScore
from fiberless.evaluation.sky.twin_report import SourceTwins, Twins
from fiberless.evaluation.sky.twin_scores import GroupScore, OutsideScore, QuantityScore
from fiberless.training.figures import markdown_table

__all__ = ["twins_text"]

_SCORE: tuple[str, ...] = ("N", "bias", "σ_NMAD", "beyond 0.05", "68 % covers", "95 % covers")


def twins_text(twins: Twins) -> str:
    """The sections of the report: the control, then each source."""
    low, high = twins.promised
    said = (
        f"{twins.candidates} candidates a galaxy; the model promises {low:g} < z < {high:g}. "
        "Images are simulated from catalogues, only the truths are observed."
    )
    parts = [
        f"## {twins.model} on twins of real galaxies\n\n{said}",
        f"### Control: simulated galaxies and twins of them\n\n{_control_table(twins.control)}",
    ]
    for name, source in twins.sources.items():
        bodies = (
            f"{source.n} twins, {source.with_sizes} of them with a size from the catalogue.",
            _group_table(source.groups),
            _outside_text(source.outside),
            _quantity_table(source.quantities),
            _class_table(source.classes),
            _shown_text(source),
        )
        parts.append("\n\n".join([f"### Twins of {name}", *(body for body in bodies if body)]))
    return "\n\n".join(parts)


def _control_table(found: Mapping[str, RedshiftScore]) -> str:
    return markdown_table(["images", *_SCORE], [[way, *_cells(score)] for way, score in found.items()])


def _group_table(found: Mapping[str, GroupScore]) -> str:
    head = ["galaxies", *_SCORE, "PIT KS", "flagged", "five magnitudes: bias, σ_NMAD from mocks", "from real"]
    rows = [
        [
            name,
            *_cells(group.redshift),
            f"{group.pit_ks:.3f}",
            f"{group.flagged:.2f}",
            *(f"{score.bias:+.4f}, {score.sigma_nmad:.4f}" for score in group.photometric.values()),
        ]
        for name, group in found.items()
    ]
    return markdown_table(head, rows) if rows else ""


def _cells(score: RedshiftScore) -> list[str]:
    return [
        f"{score.n}",
        f"{score.bias:+.4f}",
        f"{score.sigma_nmad:.4f}",
        f"{score.outliers:.3f}",
        f"{score.coverage_68:.3f}",
        f"{score.coverage_95:.3f}",
    ]


def _outside_text(found: OutsideScore | None) -> str:
    if found is None:
        return ""
    return (
        f"Of {found.n} galaxies outside the promised redshifts {found.flagged:.2f} are flagged, "
        f"{found.covered_95:.2f} covered by the 95 % interval, {found.flagged_or_covered:.2f} either."
    )


def _quantity_table(found: Mapping[str, QuantityScore]) -> str:
    head = ["quantity", "N", "bias", "scatter", "slope (68 %)", "68 % covers", "95 % covers"]
    rows = [
        [
            name,
            f"{score.n}",
            f"{score.bias:+.3f}",
            f"{score.scatter:.3f}",
            f"{score.slope:.2f} ({score.slope_low:.2f}–{score.slope_high:.2f})",
            f"{score.coverage_68:.3f}",
            f"{score.coverage_95:.3f}",
        ]
        for name, score in found.items()
    ]
    return markdown_table(head, rows) if rows else ""


def _class_table(found: Mapping[str, Mapping[str, ClassScore]]) -> str:
    head = ["test", "by", "N", "share", "AUC", "mean score"]
    rows = [
        [test, way, f"{s.n}", f"{s.share:.3f}", f"{s.auc:.3f} ± {s.error:.3f}", f"{s.mean_score:.3f}"]
        for test, ways in found.items()
        for way, s in ways.items()
    ]
    return markdown_table(head, rows) if rows else ""


def _shown_text(source: SourceTwins) -> str:
    if not source.n_shown:
        return ""
    return (
        f"The shown candidate's redshift lies outside its own 68 % interval for {source.shown_outside:.3f} "
        f"of {source.n_shown} galaxies."
    )
