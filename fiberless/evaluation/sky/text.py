"""Tables of the comparison with the sky in Markdown."""

from collections.abc import Mapping

from fiberless.evaluation.sky.dispersions import DispersionRow
from fiberless.evaluation.sky.loci import ColourLocus, FixedColour
from fiberless.evaluation.sky.percentiles import PercentileRow
from fiberless.evaluation.sky.photo_z import RedshiftScore
from fiberless.evaluation.sky.report import Sky
from fiberless.evaluation.sky.two_sample import Separation
from fiberless.training.figures import markdown_table

__all__ = ["sky_text"]

_COLOURS = ("u-g", "g-r", "r-i", "i-z")


def sky_text(sky: Sky, *, command: str) -> str:
    """The report: what was compared, then a section for each test that the tables allowed."""
    low, high = sky.redshifts
    sizes = ", ".join(f"{name} {n:,}" for name, n in sky.sizes.items())
    sections = {
        "Simulated galaxies against the real sky": f"{low:g} < z < {high:g}, r < 17.6; mocks "
        f"{len(sky.samples['mock']):,} with catalogue errors, real {sizes}.\n\nMade by `{command}`.",
        "Telling mock from real: AUC": _separation_table(sky.against_real),
        "Telling real from real: AUC": _separation_table(sky.real_against_real),
        "Photometric redshifts": _redshift_table(sky.redshift_scores),
        "Colours at fixed g−r, 0.05 < z < 0.15": _fixed_table(sky.fixed),
        "Scatter of each colour given r, z and the others": _scatter_table(sky.scatter),
        "Colours by redshift": _locus_table(sky.loci),
        "Counts": _counts_text(sky),
        "Percentiles of the Main Galaxy Sample": _percentile_table(sky.percentiles),
        "lg σ* at fixed stellar mass": _dispersion_table(sky.dispersions),
    }
    first, *others = ((title, body) for title, body in sections.items() if body)
    parts = [f"# {first[0]}\n\n{first[1]}", *(f"## {title}\n\n{body}" for title, body in others)]
    return "\n\n".join(parts)


def _separation_table(found: Mapping[str, Mapping[str, Separation]]) -> str:
    if not found:
        return ""
    tests = list(dict.fromkeys(test for rows in found.values() for test in rows))
    rows = [[test, *(_auc(of_source.get(test)) for of_source in found.values())] for test in tests]
    return markdown_table(["test", *found], rows)


def _auc(value: Separation | None) -> str:
    return "" if value is None else f"{value.auc:.3f} ± {value.error:.3f}"


def _redshift_table(found: Mapping[str, Mapping[str, RedshiftScore]]) -> str:
    head = ["source", "", "n", "bias", "σ_NMAD", "outliers %", "68 % covers", "95 % covers"]
    rows = [
        [
            source,
            way,
            f"{score.n:,}",
            f"{score.bias:+.4f}",
            f"{score.sigma_nmad:.4f}",
            f"{100 * score.outliers:.2f}",
            f"{score.coverage_68:.3f}",
            f"{score.coverage_95:.3f}",
        ]
        for source, scores in found.items()
        for way, score in scores.items()
    ]
    return markdown_table(head, rows) if rows else ""


def _fixed_table(found: list[FixedColour]) -> str:
    head = ["g−r", "", "n mock/real", "mock", "real", "difference"]
    rows = [
        [
            f"{row.g_r[0]:.2f}–{row.g_r[1]:.2f}",
            row.colour.replace("-", "−"),
            f"{row.n_mock}/{row.n_real}",
            f"{row.mock:.3f}",
            f"{row.real:.3f} ± {row.error:.3f}",
            f"{row.difference:+.3f}",
        ]
        for row in found
    ]
    return markdown_table(head, rows) if rows else ""


def _scatter_table(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [[name, *(f"{scatter[colour]:.3f}" for colour in _COLOURS)] for name, scatter in found.items()]
    return markdown_table(["", *(colour.replace("-", "−") for colour in _COLOURS)], rows)


def _locus_table(found: list[ColourLocus]) -> str:
    head = ["z", "", "n mock/real", "mock 5, 25, 50, 75, 95 %", "real"]
    rows = [
        [
            f"{row.redshifts[0]:g}–{row.redshifts[1]:g}",
            row.colour.replace("-", "−"),
            f"{row.n_mock}/{row.n_real}",
            _numbers(row.mock),
            _numbers(row.real),
        ]
        for row in found
    ]
    return markdown_table(head, rows) if rows else ""


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def _counts_text(sky: Sky) -> str:
    if sky.counts is None:
        return ""
    counts = sky.counts
    rows = [
        ["galaxies", f"{counts.n_mock:,}", f"{counts.n_real:,}", ""],
        ["redshift: median, KS", *_pair(counts.median_redshift, 4), f"{counts.ks_redshift:.3f}"],
        ["observed r: median, KS", *_pair(counts.median_r, 3), f"{counts.ks_r:.3f}"],
        ["share in 0.05–0.15", *_pair(counts.share_inner, 3), ""],
        ["per square degree", "", f"{counts.per_deg2:.1f} (all z {counts.per_deg2_all:.1f})", ""],
    ]
    return markdown_table(["observed r < 17.6", "mock", "real", "KS"], rows)


def _pair(values: tuple[float, float], digits: int) -> tuple[str, str]:
    return f"{values[0]:.{digits}f}", f"{values[1]:.{digits}f}"


def _percentile_table(found: list[PercentileRow]) -> str:
    head = ["quantity", "n mock", "mock 5, 25, 50, 75, 95 %", "real", "worst / (5–95 %)"]
    rows = [
        [row.name, f"{row.n_mock}", _numbers(row.mock), _numbers(row.real), f"{row.worst:.2f}"]
        for row in found
    ]
    return markdown_table(head, rows) if rows else ""


def _dispersion_table(found: list[DispersionRow]) -> str:
    head = ["source", "lg M*", "n mock/real", "mock", "real", "scatter mock", "real"]
    rows = [
        [
            row.source,
            f"{row.log_mass[0]:.2f}–{row.log_mass[1]:.2f}",
            f"{row.n_mock}/{row.n_real}",
            f"{row.mock:.3f}",
            f"{row.real:.3f}",
            f"{row.mock_scatter:.3f}",
            f"{row.real_scatter:.3f}",
        ]
        for row in found
    ]
    return markdown_table(head, rows) if rows else ""
