"""Our values beside those that the survey's pipeline wrote into the same files, as Markdown."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.astro.bands import BANDS, magnitude
from fiberless.contract.properties import Flag
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.sources.sdss.spec_file import PipelineLine, PipelineValues

__all__ = ["Surveyed", "survey_comparison"]

_PIPELINE_LINES: Final = MappingProxyType(
    {
        "OII_3727": ("[O_II] 3725", "[O_II] 3727"),
        "Hgamma": ("H_gamma",),
        "Hbeta": ("H_beta",),
        "OIII_5007": ("[O_III] 5007",),
        "OI_6300": ("[O_I] 6300",),
        "Halpha": ("H_alpha",),
        "NII_6583": ("[N_II] 6583",),
        "SII_6716": ("[S_II] 6716",),
        "SII_6731": ("[S_II] 6730",),
    }
)
_DETECTION: Final = 3.0


class _Flux(NamedTuple):
    """A line's flux in one file: ours and the pipeline's, None where not detected."""

    ours: float | None
    theirs: float | None

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return None if self.ours is None or self.theirs is None else self.ours / self.theirs


class Surveyed(NamedTuple):
    """One spectrum: ours, and the pipeline's values in the same file."""

    document: MeasuredSpectrum
    pipeline: PipelineValues


def survey_comparison(known: Sequence[Surveyed]) -> str:
    """Markdown tables of redshifts, line fluxes and magnitudes."""
    parts = [
        "### Redshifts, found blind over 0 < z < 1\n",
        *_redshifts(known),
        "\n### Line fluxes, 1e-17 erg/(s cm²): ours / the pipeline's\n",
        *_line_fluxes(known),
        "\n### Magnitudes of the spectrum, ours − the pipeline's\n",
        *_magnitudes(known),
    ]
    return "\n".join(parts)


def _redshifts(known: Sequence[Surveyed]) -> Iterator[str]:
    yield "| file | survey's class | survey's z | ours | Δz/(1+z) | S/N | trusted |"
    yield "|---|---|---|---|---|---|---|"
    for document, pipeline in known:
        found = document.redshift.value
        shift = "–" if found is None else f"{(found - pipeline.redshift) / (1 + pipeline.redshift):+.1e}"
        issues = ", ".join(document.redshift_issues)
        cells = (
            document.file,
            pipeline.kind,
            f"{pipeline.redshift:.5f}",
            "–" if found is None else f"{found:.5f}",
            "–" if issues else shift,
            f"{document.snr or 0:.1f}",
            f"no: {issues}" if issues else "yes",
        )
        yield _markdown(cells)


def _line_fluxes(known: Sequence[Surveyed]) -> Iterator[str]:
    fluxes = {
        document.file: {name: _flux(document, pipeline, name) for name in _PIPELINE_LINES}
        for document, pipeline in known
        if document.lines and pipeline.lines
    }
    yield _markdown(("file", *_PIPELINE_LINES))
    yield "|---" * (1 + len(_PIPELINE_LINES)) + "|"
    for file, found in fluxes.items():
        yield _markdown((file, *(_shown(value) for value in found.values())))
    medians = (_median(found[name] for found in fluxes.values()) for name in _PIPELINE_LINES)
    yield _markdown(("median of the ratios", *medians))


def _flux(document: MeasuredSpectrum, pipeline: PipelineValues, name: str) -> _Flux:
    ours = document.lines[name].flux
    parts = [pipeline.lines.get(line, PipelineLine(0.0, -1.0)) for line in _PIPELINE_LINES[name]]
    total, error = sum(part.flux for part in parts), float(np.hypot.reduce([part.error for part in parts]))
    is_fitted = all(part.error > 0 for part in parts) and total > _DETECTION * error
    return _Flux(ours.value if ours.flag is Flag.OK else None, total if is_fitted else None)


def _shown(flux: _Flux) -> str:
    ours, theirs = ("–" if value is None else f"{value:.1f}" for value in flux)
    ratio = "" if flux.ratio is None else f" = {flux.ratio:.2f}"
    return f"{ours} / {theirs}{ratio}"


def _median(fluxes: Iterator[_Flux]) -> str:
    ratios = [flux.ratio for flux in fluxes if flux.ratio is not None]
    return f"{np.median(ratios):.3f} ({len(ratios)})" if ratios else "–"


def _magnitudes(known: Sequence[Surveyed]) -> Iterator[str]:
    yield "| file | g | r | i |"
    yield "|---|---|---|---|"
    for document, pipeline in known:
        if not document.quantities or len(pipeline.synthetic_nmgy) != len(BANDS):
            continue
        theirs = dict(zip(BANDS, magnitude(np.array(pipeline.synthetic_nmgy)), strict=True))
        ours = {band: document.quantities[f"magnitudes.{band}"].value for band in "gri"}
        cells = ("–" if value is None else f"{value - theirs[band]:+.3f}" for band, value in ours.items())
        yield _markdown((document.file, *cells))


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
