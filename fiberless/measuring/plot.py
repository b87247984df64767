"""`plot_measured`: a spectrum with its fit, residuals and lines. Needs matplotlib (extra `plot`)."""

from pathlib import Path
from typing import Any

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.files import MeasuredFile, MeasuredFit
from fiberless.products.plot import mark_lines

__all__ = ["plot_measured"]


def plot_measured(measured: MeasuredFile, path: Path) -> None:
    """Write a PNG: the spectrum, continuum and lines fitted to it, what is left, and the lines' places.

    Raises
    ------
    UsageError
        `invalid-parameter` if matplotlib is not installed.

    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load
    except ImportError as error:
        detail = "plots need matplotlib: pip install 'fiberless[plot]'"
        raise UsageError("invalid-parameter", detail) from error
    figure = Figure(figsize=(13, 6), layout="constrained")
    if measured.fit is None:
        lowest = figure.subplots()
        _draw_spectrum(lowest, measured)
    else:
        top, lowest = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw_spectrum(top, measured)
        _draw_residual(lowest, measured, measured.fit)
    lowest.set_xlabel("observed wavelength, vacuum (Å)")
    document = measured.document
    predicted = ": PREDICTED, not observed" if document.kind == "predicted" else ""
    figure.suptitle(f"{document.file}{predicted}\n{_redshift_text(measured)}")
    figure.savefig(path, dpi=130)


def _draw_spectrum(axes: Any, measured: MeasuredFile) -> None:
    spectrum = measured.source.spectrum
    flux = _shown_flux(measured)
    axes.plot(spectrum.wave_aa, flux, color="black", lw=0.6, label="spectrum")
    if measured.fit is not None:
        fit = measured.fit
        axes.plot(fit.wave_aa, fit.continuum + fit.lines, color="tab:red", lw=0.8, label="fit")
        axes.plot(fit.wave_aa, fit.continuum, color="tab:blue", lw=0.8, label="starlight")
        mark_lines(axes, measured.document.redshift.value, spectrum.wave_aa)
    finite = flux[np.isfinite(flux)]
    low, high = np.percentile(finite, [0.5, 99.7]) if finite.size else (0.0, 1.0)
    axes.set_ylim(min(low, 0.0), high + 0.25 * max(high - low, 1e-9))
    axes.set_xlim(spectrum.wave_aa[0], spectrum.wave_aa[-1])
    axes.set_ylabel(r"$F_\lambda$ ($10^{-17}$ erg s$^{-1}$ cm$^{-2}$ Å$^{-1}$)")
    axes.legend(loc="lower right", fontsize="small")


def _draw_residual(axes: Any, measured: MeasuredFile, fit: MeasuredFit) -> None:
    axes.set_ylabel("spectrum − fit")
    axes.axhline(0, color="tab:red", lw=0.8)
    wave_aa, flux = measured.source.spectrum.wave_aa, _shown_flux(measured)
    model = np.interp(wave_aa, fit.wave_aa, fit.continuum + fit.lines, left=np.nan, right=np.nan)
    residual = flux - model
    axes.plot(wave_aa, residual, color="black", lw=0.5)
    sigma = measured.source.spectrum.uncertainty
    if sigma is not None:
        axes.fill_between(wave_aa, -sigma, sigma, color="tab:orange", alpha=0.4, lw=0, label="1 σ")
        axes.legend(loc="lower right", fontsize="small")
    finite = np.abs(residual[np.isfinite(residual)])
    limit = 1.3 * float(np.percentile(finite, 99)) if finite.size else 1.0
    axes.set_ylim(-limit, limit)


def _shown_flux(measured: MeasuredFile) -> FloatArray:
    """Flux (L,), NaN where masked; of a prediction that of its first candidate, which the fit belongs to."""
    if measured.source.candidates is not None:
        return measured.source.candidates.flux[0]
    spectrum = measured.source.spectrum
    return spectrum.flux if spectrum.mask is None else np.where(spectrum.mask, np.nan, spectrum.flux)


def _redshift_text(measured: MeasuredFile) -> str:
    redshift, issues = measured.document.redshift, measured.document.redshift_issues
    if redshift.value is None or issues:
        return f"no trustworthy redshift between 0 and 0.3 ({', '.join(issues)})"
    return f"z = {redshift.value:.5f}, {redshift.method}"
