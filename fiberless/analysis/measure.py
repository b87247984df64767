"""All properties of candidates: values of each spectrum first, posterior medians and intervals from those.

Imports the neighbouring rooms of `analysis`, `properties` and numpy only.
"""

from types import MappingProxyType
from typing import Final

import numpy as np

from fiberless.analysis.bpt import agn_probability, bpt_classes, classification
from fiberless.analysis.breaks import dn4000, dn4000_error
from fiberless.analysis.lick import composite_indices, index_bands, lick_indices
from fiberless.analysis.line_fit import SpectralFit, fit_spectra
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.reported_lines import REPORTED_LINES, line_values, without_lines
from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.properties import Flag, LineMeasurement, Measurement, Properties, summarise

__all__ = [
    "EW_UNIT",
    "FLUX_UNIT",
    "LICK_METHOD",
    "LINES",
    "LINE_METHOD",
    "VELOCITY_SEARCH_KMS",
    "lick_unit",
    "lick_values",
    "measure_candidates",
    "sample_values",
    "values_of_fit",
]

LINES: Final = MappingProxyType(
    {"Halpha": "Halpha", "Hbeta": "Hbeta", "OIII_5007": "OIII_5008", "NII_6583": "NII_6585"}
)
"""Lines that models are scored by: conventional name (air) to the name in `fiberless.lines` (vacuum). All
that are reported: `reported_lines.REPORTED_LINES`."""
LINE_METHOD: Final = "tied Gaussians on the flux less its stellar continuum"
LICK_METHOD: Final = "Lick index at the spectrum's own resolution, fitted emission taken off"
FLUX_UNIT: Final = "1e-17 erg / (s cm2)"
EW_UNIT: Final = "Angstrom"
VELOCITY_SEARCH_KMS: Final = tuple(np.arange(-200.0, 201.0, 20.0).tolist())
"""Velocities of the gas worth trying in an observed spectrum, whose redshift may be that of its stars."""

_CHUNK: Final = 256


def sample_values(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    ivar: FloatArray | None = None,
    velocities_kms: tuple[float, ...] = (0.0,),
) -> dict[str, FloatArray]:
    """Properties of each of many spectra, whatever galaxies they belong to.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (N, L) F_λ, 1e-17 erg/(s cm2 Å); NaN where unknown
    redshift : (N,)
    ivar : (N, L) or None
        Inverse variance of `flux`; 0 where a pixel is not to be used. Adds a key `…_error` for each measured
        quantity.
    velocities_kms : velocities of the gas to be tried, `VELOCITY_SEARCH_KMS` for observed spectra

    Returns
    -------
    dict of (N,) float64; NaN is not measurable
        `redshift`; `dn4000`; `flux_<line>` in 1e-17 erg/(s cm2) and `ew_<line>` in rest-frame Å, emission
        positive, over the mean stellar continuum within 10 Å, for each line of `REPORTED_LINES`; `gas_sigma`
        and `gas_velocity` against the redshift in km/s; `bpt_class`, values of `bpt.BptClass`.

    Raises
    ------
    UsageError
        `invalid-parameter` if shapes do not fit.

    """
    z = np.asarray(redshift, dtype=np.float64)
    if z.shape != np.shape(flux)[:1]:
        raise UsageError("invalid-parameter", f"redshift must be ({np.shape(flux)[0]},), got {z.shape}")
    parts = []
    for start in range(0, max(len(z), 1), _CHUNK):
        rows = slice(start, start + _CHUNK)
        pixels = PixelFlux.of(wave_aa, np.asarray(flux)[rows], None if ivar is None else ivar[rows])
        fit = fit_spectra(pixels, z[rows], velocities_kms=velocities_kms)
        parts.append(values_of_fit(pixels, z[rows], fit))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def values_of_fit(pixels: PixelFlux, redshift: FloatArray, fit: SpectralFit) -> dict[str, FloatArray]:
    """Values of `sample_values` for N spectra whose continuum and lines are fitted already."""
    observed = pixels.ivar is not None
    values = {"redshift": redshift, "dn4000": dn4000(pixels, redshift)}
    if observed:
        values["dn4000_error"] = dn4000_error(pixels, redshift)
    values |= line_values(fit, with_errors=observed)
    classes = bpt_classes(
        ew_halpha=values["ew_Halpha"],
        halpha=values["flux_Halpha"],
        nii=values["flux_NII_6583"],
        oiii=values["flux_OIII_5007"],
        hbeta=values["flux_Hbeta"],
    )
    velocity = np.where(np.isfinite(fit.gas_sigma_kms), fit.velocity_kms, np.nan)
    return values | {"gas_sigma": fit.gas_sigma_kms, "gas_velocity": velocity, "bpt_class": classes}


def lick_values(pixels: PixelFlux, redshift: FloatArray, fit: SpectralFit) -> dict[str, FloatArray]:
    """Lick indices, and the composites of them, of N spectra less their fitted emission.

    Returns
    -------
    dict of (N,) by name; `…_error` too where the spectra have an inverse variance (not for composites)

    """
    found = lick_indices(without_lines(pixels, fit, redshift), redshift)
    values = dict(zip(found.names, found.value.T, strict=True))
    values |= composite_indices(values)
    if found.error is None:
        return values
    return values | {f"{name}_error": column for name, column in zip(found.names, found.error.T, strict=True)}


def lick_unit(name: str) -> str:
    """Unit of an index or of a composite."""
    bands = index_bands().get(name)
    return EW_UNIT if bands is None else bands.unit


def measure_candidates(
    wave_aa: FloatArray, flux: FloatArray, redshift: FloatArray, *, level: float = 0.68
) -> Properties:
    """Properties of one galaxy: medians and central intervals over its K candidates.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (K, L) F_λ, 1e-17 erg/(s cm2 Å); NaN where the model does not reach
    redshift : (K,)
    level : probability inside the intervals

    """
    z = np.asarray(redshift, dtype=np.float64)
    pixels = PixelFlux.of(wave_aa, flux)
    fit = fit_spectra(pixels, z)
    values = values_of_fit(pixels, z, fit)
    return Properties(
        redshift=summarise(values["redshift"], unit="", method="posterior of the model", level=level),
        dn4000=summarise(values["dn4000"], unit="", method="mean F_nu ratio, Balogh+99", level=level),
        agn_probability=agn_probability(values["bpt_class"], level=level),
        bpt_class=classification(values["bpt_class"]),
        lines={name: _line(values, name, level) for name in REPORTED_LINES},
        lick={
            name: summarise(samples, unit=lick_unit(name), method=LICK_METHOD, level=level)
            for name, samples in lick_values(pixels, z, fit).items()
        },
    )


def _line(values: dict[str, FloatArray], name: str, level: float) -> LineMeasurement:
    flux = summarise(values[f"flux_{name}"], unit=FLUX_UNIT, method=LINE_METHOD, level=level)
    ew = summarise(values[f"ew_{name}"], unit=EW_UNIT, method=LINE_METHOD, level=level)
    return LineMeasurement(flux=_detected(flux), ew=_detected(ew))


def _detected(measured: Measurement) -> Measurement:
    """Flag `not_detected` an emission whose interval reaches zero."""
    if measured.lower is None or measured.lower > 0:
        return measured
    return measured.model_copy(update={"flag": Flag.NOT_DETECTED})
