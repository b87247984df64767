"""The report in Markdown."""

from collections.abc import Iterable

from fiberless.datasets.mock_report.colour_text import colours_markdown, markdown_table
from fiberless.datasets.mock_report.colours import SurveyColours
from fiberless.datasets.mock_report.pixels import PixelRow
from fiberless.datasets.mock_report.report import MockReport
from fiberless.datasets.mock_report.spectra import SpectraSummary

__all__ = ["report_markdown"]

_COLOUR_NOTES = """\
Cut: 0.05 < z < 0.15, 14 < r < 17.77, detected in every band. Simulated magnitudes are noiseless totals before
Galactic extinction, with the errors of the real table's magnitudes added (its inverse variances without their
floor; zero points of 2 % in u, 1 % in griz), in the table's system: the table is on kcorrect's AB scale, in
u−g 0.065 bluer than the images' own zero points (238 objects in common with catalogue fluxes).
± is the standard error of a median.

Demanded: medians of g−r, r−i, i−z to 0.03 mag and widths to 15 %, u−g to 0.06 mag and 25 %; at fixed g−r
u−g to 0.05, r−i and i−z to 0.02."""


def report_markdown(report: MockReport) -> str:
    """All tables, verdicts first."""
    start = report.description[0].upper() + report.description[1:]
    blue_red = [
        " and ".join("none" if u_r is None else f"{u_r:.2f}" for u_r in sides) for sides in report.u_r_medians
    ]
    return "\n\n".join(
        [
            "# The simulated survey against the real one",
            f"{start}. In the cut: {report.n_mock} simulated, {report.n_real} real galaxies.",
            "## Verdict",
            f"Colours: {_verdict(report.colours)}.",
            f"The same against the table without the step between systems: {_verdict(report.as_they_are)}.",
            "## Colours",
            _COLOUR_NOTES,
            colours_markdown(report.colours),
            f"Median u−r on the two sides of 2.22: mock {blue_red[0]}, real {blue_red[1]}.",
            "## Images",
            _pixels_table(report.pixels),
            "## Spectra",
            *_spectra(report.spectra),
            "## Gallery",
            *_gallery(report.gallery_key),
        ]
    )


def _verdict(colours: SurveyColours) -> str:
    failed = [
        f"{row.name} {part} at z {row.redshifts[0]}–{row.redshifts[1]} ({value})"
        for row in colours.binned
        for part, passes, value in (
            ("median", row.median_passes, f"{row.difference:+.3f}"),
            ("width", row.width_passes, f"× {row.width_ratio:.2f}"),
        )
        if not passes
    ]
    failed += [
        f"{row.name} at g−r {row.g_r[0]}–{row.g_r[1]} ({row.difference:+.3f})"
        for row in colours.fixed
        if not row.passes
    ]
    return "every demand is met" if not failed else f"{len(failed)} demands FAIL: {', '.join(failed)}"


def _pixels_table(rows: Iterable[PixelRow]) -> str:
    header = ["", "band", "unit", "mock", "frames", "stamps, stars, galaxies"]
    cells = (
        [row.quantity, row.band, row.unit, _range(row.mock), _range(row.frames), _range(row.stamps)]
        for row in rows
    )
    note = (
        "Median (16–84 %). Frames are native pixels, unaligned; stamps, like most simulated images, are "
        "interpolated. Last column: stamps for the sky, real stars for the PSF, stamps and galaxies cut from "
        "frames for shapes (r < 17.8 within 7 arcsec)."
    )
    return f"{note}\n\n{markdown_table(header, cells)}"


def _range(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else f"{values[1]:.3f} ({values[0]:.3f}–{values[2]:.3f})"


def _spectra(summary: SpectraSummary) -> Iterable[str]:
    low, middle, high = summary.signal_to_noise
    yield (
        f"r < 17.77: Dn4000 {summary.dn4000_star_forming:.2f} (star-forming), "
        f"{summary.dn4000_quiescent:.2f} (quiescent); quiescent {summary.quiescent_fraction:.0%}, "
        f"AGN {summary.agn_fraction:.0%}; S/N per Å at 5600–6700 Å {middle:.0f} ({low:.0f}–{high:.0f})."
    )
    rows = (
        [f"{first:.1f}–{last:.1f}", f"{middle:+.2f} ({low:+.2f} to {high:+.2f})", str(n)]
        for first, last, low, middle, high, n in summary.h_delta_by_break
    )
    yield "HδA, emission left in, simulated and real:"
    yield markdown_table(["Dn4000", "HδA of the mock (Å)", "N"], rows)
    real = (
        [name, f"{value:.2f}", f"{h_delta:+.2f}", f"{ratio:.0f}"]
        for name, value, h_delta, ratio in summary.real
    )
    yield markdown_table(["real galaxy", "Dn4000", "HδA (Å)", "S/N per Å"], real)


def _gallery(key: tuple[str, ...]) -> Iterable[str]:
    if not key:
        yield "No real images at hand."
        return
    yield "`gallery.png`: real galaxies and simulated ones like them in r and g−r, shuffled. Look, then read."
    yield "Key: " + ", ".join(f"{number} {name}" for number, name in enumerate(key, start=1)) + "."
