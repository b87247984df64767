"""`plot_prediction`: a galaxy's image and predicted spectrum on one page. Needs matplotlib (extra `plot`)."""

from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.visualization import make_lupton_rgb

from fiberless.arrays import FloatArray
from fiberless.astro.lines import MARKED_LINES, lines
from fiberless.contract import Prediction
from fiberless.errors import FatalError
from fiberless.images.apertures import sky_sigma_nmgy
from fiberless.images.cutout import Cutout

__all__ = ["lupton_rgb", "mark_lines", "plot_prediction", "prediction_png"]

_BREAK_AA: Final = 4000.0
_STRETCH_SIGMA: Final = 6.0
_SOFTENING: Final = 8.0
_CHANNEL_WEIGHTS: Final = {"i": (3, 1.0), "r": (2, 1.3), "g": (1, 2.0)}
"""Plane in (u, g, r, i, z) and weight of the three colours, so that a typical galaxy looks neutral."""


def lupton_rgb(cutout: Cutout) -> np.ndarray:
    """Colour image from i, r, g by the asinh stretch of Lupton et al. (2004, PASP 116, 133).

    Returns
    -------
    (H, W, 3) uint8, row 0 at the bottom

    """
    planes = [cutout.flux_nmgy[index] * weight for index, weight in _CHANNEL_WEIGHTS.values()]
    noise = sky_sigma_nmgy(cutout.flux_nmgy[None])[0]
    sky_sigma = float(max(noise[index] * weight for index, weight in _CHANNEL_WEIGHTS.values())) or 1e-3
    image: np.ndarray = make_lupton_rgb(
        *planes, minimum=-sky_sigma, stretch=_STRETCH_SIGMA * sky_sigma, Q=_SOFTENING
    )
    return image


def plot_prediction(prediction: Prediction, cutout: Cutout, path: Path) -> None:
    """Write `prediction_png` into a file; raises as that."""
    path.write_bytes(prediction_png(prediction, cutout))


def prediction_png(prediction: Prediction, cutout: Cutout) -> bytes:
    """PNG of the image and of the spectrum with its 16–84 % band, lines and 4000 Å break at the redshift.

    Without pyplot, so that no state is shared; two calls at once may still meet in matplotlib's text layout.
    The same prediction gives the same bytes.

    Raises
    ------
    FatalError
        `internal-error` if matplotlib is not installed.

    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load
    except ImportError as error:
        raise FatalError("internal-error", "plots need matplotlib: pip install 'fiberless[plot]'") from error
    figure = Figure(figsize=(13, 4.8), layout="constrained")
    image_axes, spectrum_axes = figure.subplots(1, 2, width_ratios=(1, 2.6))
    _draw_image(image_axes, cutout)
    _draw_spectrum(spectrum_axes, prediction)
    name = prediction.object.object_id or prediction.label or prediction.id
    model = prediction.provenance.model.version
    title = f"{name}: PREDICTED spectrum, not observed (model {model})"
    figure.suptitle(title, fontweight="bold", parse_math=False)  # a label may hold a dollar
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=130, metadata={"Title": title})
    return stream.getvalue()


def _draw_image(axes: Any, cutout: Cutout) -> None:
    half = cutout.flux_nmgy.shape[-1] / 2 * cutout.pixel_scale_arcsec
    axes.imshow(lupton_rgb(cutout), origin="lower", extent=(-half, half, -half, half))
    axes.set(xlabel="arcsec", ylabel="arcsec", title=f"input image, i r g ({cutout.source})")


def _draw_spectrum(axes: Any, prediction: Prediction) -> None:
    spectrum = prediction.spectrum
    wave_aa = _array(spectrum.wavelength.values)
    low, _, high = (_array(values) for values in spectrum.quantiles.values)
    flux = _array(spectrum.flux.values)
    axes.fill_between(
        wave_aa, low, high, color="tab:blue", alpha=0.25, lw=0, label="16–84 % of the candidates"
    )
    axes.plot(wave_aa, flux, color="black", lw=0.7, label=f"shown candidate ({spectrum.flux.statistic})")
    axes.set_xlim(wave_aa[0], wave_aa[-1])
    axes.set_ylim(*_flux_limits(flux, high))
    mark_lines(axes, _shown_redshift(prediction), wave_aa)
    axes.set(
        xlabel="observed wavelength, vacuum (Å)",
        ylabel=r"$F_\lambda$ ($10^{-17}$ erg s$^{-1}$ cm$^{-2}$ Å$^{-1}$)",
        title=_redshift_text(prediction),
    )
    axes.legend(loc="lower right", fontsize="small", framealpha=0.9)


def mark_lines(axes: Any, redshift: float | None, wave_aa: FloatArray) -> None:
    """Draw the main emission lines and the 4000 Å break at a redshift, where they lie inside `wave_aa`."""
    if redshift is None:
        return
    table = lines()
    for name, label in MARKED_LINES.items():
        _mark(axes, table[name].wave_aa * (1 + redshift), wave_aa, label=label, style=":")
    _mark(axes, _BREAK_AA * (1 + redshift), wave_aa, label="4000 Å", style="--")


def _mark(axes: Any, at_aa: float, wave_aa: FloatArray, *, label: str, style: str) -> None:
    if not wave_aa[0] < at_aa < wave_aa[-1]:
        return
    axes.axvline(at_aa, color="tab:red", ls=style, lw=0.7, alpha=0.7, zorder=0)
    if label:
        top = axes.get_xaxis_transform()
        axes.text(
            at_aa, 0.985, label, transform=top, rotation=90, va="top", ha="right", fontsize=7, color="tab:red"
        )


def _shown_redshift(prediction: Prediction) -> float | None:
    """Redshift of the shown candidate, at which its lines lie; else the median of all."""
    if prediction.spectrum.redshift is not None:
        return prediction.spectrum.redshift
    return prediction.properties.redshift.value


def _redshift_text(prediction: Prediction) -> str:
    redshift, shown = prediction.properties.redshift, _shown_redshift(prediction)
    if redshift.value is None or shown is None:
        return f"z not measured ({redshift.flag})"
    interval = f"[{redshift.lower:.4f}, {redshift.upper:.4f}]"
    return (
        f"z = {redshift.value:.4f} {interval} of all candidates; lines marked at the shown one's {shown:.4f}"
    )


def _flux_limits(flux: FloatArray, high: FloatArray) -> tuple[float, float]:
    top = np.nanmax([np.nanmax(flux), np.nanpercentile(high, 99.5)])
    bottom = min(0.0, float(np.nanpercentile(flux, 0.5)))
    return bottom, float(top) * 1.15


def _array(values: list[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values])
