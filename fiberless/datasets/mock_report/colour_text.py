"""Tables of the colour comparison in Markdown, every demand with its verdict."""

from collections.abc import Iterable, Sequence

from fiberless.datasets.mock_report.colours import ColourRow, FixedColourRow, SurveyColours

__all__ = ["colours_markdown", "markdown_table"]


def colours_markdown(colours: SurveyColours) -> str:
    """Three tables: in redshift bins, at fixed g−r, and at fixed g−r in redshift bins (nothing demanded)."""
    return "\n\n".join(
        [
            "### In redshift bins",
            _binned_table(colours.binned),
            "### At fixed g−r, 0.05 < z < 0.15",
            _fixed_table(colours.fixed, judged=True),
            "### At fixed g−r in redshift bins (nothing is demanded here)",
            _fixed_table(colours.fixed_binned, judged=False),
        ]
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Pipe table, columns padded to their widest cell."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _binned_table(rows: Iterable[ColourRow]) -> str:
    header = ("z", "", "N mock/real", "median mock", "real", "difference", "68 % width mock", "real", "ratio")
    return markdown_table(
        [*header, "KS", "Wasserstein", "median", "width"], [_binned_cells(row) for row in rows]
    )


def _binned_cells(row: ColourRow) -> list[str]:
    return [
        f"{row.redshifts[0]:.2f}–{row.redshifts[1]:.2f}",
        row.name.replace("-", "−"),
        f"{row.n_mock}/{row.n_real}",
        f"{row.mock_median:.3f} ± {row.mock_error:.3f}",
        f"{row.real_median:.3f} ± {row.real_error:.3f}",
        f"{row.difference:+.3f}",
        f"{row.mock_width:.3f}",
        f"{row.real_width:.3f}",
        f"{row.width_ratio:.2f}",
        f"{row.ks:.3f}",
        f"{row.wasserstein:.3f}",
        _verdict(row.median_tolerance, passes=row.median_passes),
        _verdict(row.width_tolerance, passes=row.width_passes),
    ]


def _fixed_table(rows: Iterable[FixedColourRow], *, judged: bool) -> str:
    header = ["z", "g−r", "", "N mock/real", "mock", "real", "difference", "verdict"]
    return markdown_table(header, [_fixed_cells(row, judged=judged) for row in rows])


def _fixed_cells(row: FixedColourRow, *, judged: bool) -> list[str]:
    return [
        f"{row.redshifts[0]:.2f}–{row.redshifts[1]:.2f}",
        f"{row.g_r[0]:.1f}–{row.g_r[1]:.1f}",
        row.name.replace("-", "−"),
        f"{row.n_mock}/{row.n_real}",
        f"{row.mock_median:.3f}",
        f"{row.real_median:.3f} ± {row.real_error:.3f}",
        f"{row.difference:+.3f}",
        _verdict(row.tolerance if judged else None, passes=row.passes),
    ]


def _verdict(tolerance: float | None, *, passes: bool) -> str:
    if tolerance is None:
        return ""
    return "pass" if passes else "FAIL"
