"""All properties of candidates: values of each spectrum first, posterior medians and intervals from those."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np

from fiberless.analysis.gas.bpt import agn_probability, bpt_classes, classification
from fiberless.analysis.gas.derived import derived_classes, derived_quantities
from fiberless.analysis.indices.breaks import Breaks, breaks
from fiberless.analysis.indices.lick import LickValues, index_bands, lick_indices
from fiberless.analysis.indices.lick_system import lick_system_values
from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.reported import REPORTED_LINES, LineTable, line_values, without_lines
from fiberless.analysis.lines.templates import VELOCITY_STEP_KMS
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import PREDICTED_RESAMPLING_KMS
from fiberless.contract.measurements import flagged, missing, summarise
from fiberless.contract.properties import INTERVAL_LEVEL, Flag, LineMeasurement, Measurement, Properties
from fiberless.errors import UsageError

__all__ = [
    "BREAK_METHODS",
    "EW_UNIT",
    "GAS_SIGMA_METHOD",
    "KINEMATIC_LINES",
    "LICK_METHOD",
    "LINE_FLUX_UNIT",
    "LINE_METHOD",
    "MIN_GAS_SIGMA_KMS",
    "VELOCITY_SEARCH_KMS",
    "SpectrumValues",
    "gas_sigma",
    "joined",
    "lick_system_method",
    "lick_unit",
    "lick_values",
    "measure_candidates",
    "measure_with_values",
    "predicted_breaks",
    "predicted_indices",
    "predicted_line",
    "sample_values",
    "values_of_fit",
]

LINE_METHOD: Final = "tied Gaussians on the flux less its stellar continuum"
LICK_METHOD: Final = "Lick index at the spectrum's own resolution, fitted emission taken off"
_LICK_SYSTEM_METHOD: Final = (
    "Lick index at the Lick/IDS resolution of Worthey & Ottaviani 97, fitted emission taken off, {}"
)
"""To be completed by what was done about the motions of the stars."""
GAS_SIGMA_METHOD: Final = "width shared by all lines, instrument taken out"
BREAK_METHODS: Final = MappingProxyType(
    {"dn4000": "mean F_nu ratio, Balogh+99", "d4000": "mean F_nu ratio, Bruzual 83"}
)
LINE_FLUX_UNIT: Final = "1e-17 erg / (s cm2)"
EW_UNIT: Final = "Angstrom"
VELOCITY_SEARCH_KMS: Final = tuple(VELOCITY_STEP_KMS * step for step in range(-10, 11))
"""Velocities of the gas worth trying in an observed spectrum, whose redshift may be that of its stars."""

KINEMATIC_LINES: Final = ("Halpha", "OIII_5007", "NII_6583")
"""Strong lines, of which one at least must be detected for a width or a velocity."""
MIN_GAS_SIGMA_KMS: Final = 35.0
_CHUNK: Final = 256
Table = TypeVar("Table", "SpectrumValues", Breaks, LineTable)


@dataclass(frozen=True, eq=False)
class SpectrumValues:
    """What is measured on each of N spectra; NaN is not measurable.

    Parameters
    ----------
    redshift : (N,)
    breaks : at 4000 Å
    lines : of `REPORTED_LINES`
    gas_sigma, gas_velocity : (N,) km/s, the latter against the redshift
    bpt_class : (N,) values of `bpt.BptClass`

    """

    redshift: FloatArray
    breaks: Breaks
    lines: LineTable
    gas_sigma: FloatArray
    gas_velocity: FloatArray
    bpt_class: FloatArray


def sample_values(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    ivar: FloatArray | None = None,
    velocities_kms: tuple[float, ...] = (0.0,),
) -> SpectrumValues:
    """Properties of each of many spectra, whatever galaxies they belong to.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (N, L) F_λ, 1e-17 erg/(s cm2 Å); NaN where unknown
    redshift : (N,)
    ivar : (N, L) or None
        Inverse variance of `flux`; 0 where a pixel is not to be used. Adds errors to breaks and lines.
    velocities_kms : velocities of the gas to be tried, `VELOCITY_SEARCH_KMS` for observed spectra

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
    return joined(parts)


def values_of_fit(pixels: PixelFlux, redshift: FloatArray, fit: SpectralFit) -> SpectrumValues:
    """Values of `sample_values` for N spectra whose continuum and lines are fitted already."""
    found = line_values(fit, with_errors=pixels.ivar is not None)
    classes = bpt_classes(
        ew_halpha=found.ew_of("Halpha"),
        halpha=found.flux_of("Halpha"),
        nii=found.flux_of("NII_6583"),
        oiii=found.flux_of("OIII_5007"),
        hbeta=found.flux_of("Hbeta"),
    )
    velocity = np.where(np.isfinite(fit.gas_sigma_kms), fit.velocity_kms, np.nan)
    return SpectrumValues(redshift, breaks(pixels, redshift), found, fit.gas_sigma_kms, velocity, classes)


def lick_values(pixels: PixelFlux, redshift: FloatArray, fit: SpectralFit) -> LickValues:
    """Lick indices, and the composites of them, of N spectra less their fitted emission."""
    return lick_indices(without_lines(pixels, fit, redshift), redshift).with_composites()


def lick_unit(name: str) -> str:
    """Unit of an index or of a composite."""
    bands = index_bands().get(name)
    return EW_UNIT if bands is None else bands.unit


def measure_candidates(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    sigma_star_kms: FloatArray | None = None,
    level: float = INTERVAL_LEVEL,
) -> Properties:
    """Properties of one galaxy; see `measure_with_values`."""
    found, _ = measure_with_values(wave_aa, flux, redshift, sigma_star_kms=sigma_star_kms, level=level)
    return found


def measure_with_values(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    sigma_star_kms: FloatArray | None = None,
    level: float = INTERVAL_LEVEL,
) -> tuple[Properties, SpectrumValues]:
    """Properties of one galaxy, medians and central intervals over its K candidates, and each's values.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (K, L) F_λ, 1e-17 erg/(s cm2 Å); NaN where the model does not reach
    redshift : (K,)
    sigma_star_kms : (K,) of the stars, or None; takes their motions out of `lick_system`
    level : probability inside the intervals

    """
    z = np.asarray(redshift, dtype=np.float64)
    pixels = PixelFlux.of(wave_aa, flux)
    # starlight and emission lines, fitted once
    fit = fit_spectra(pixels, z, resampling_kms=PREDICTED_RESAMPLING_KMS)
    values = values_of_fit(pixels, z, fit)
    # what follows from the lines
    lines = {name: predicted_line(values.lines, name, level=level) for name in REPORTED_LINES}
    classes = derived_classes(values.lines, lines)
    derived = derived_quantities(values.lines, z, lines=lines, ionisation=classes.bpt_class, level=level)
    # indices at the Lick resolution
    system = lick_system_values(
        pixels, z, fit, sigma_star_kms=sigma_star_kms, resampling_kms=PREDICTED_RESAMPLING_KMS
    )
    system_method = lick_system_method(is_at_rest=sigma_star_kms is not None)
    narrow, wide = predicted_breaks(values.breaks, level=level)
    properties = Properties(
        redshift=summarise(values.redshift, unit="", method="posterior of the model", level=level),
        dn4000=narrow,
        d4000=wide,
        agn_probability=agn_probability(values.bpt_class, level=level),
        bpt_class=classification(values.bpt_class),
        lines=lines,
        lick=predicted_indices(lick_values(pixels, z, fit), LICK_METHOD, level=level),
        lick_system=predicted_indices(system, system_method, level=level),
        gas_sigma=gas_sigma(values.gas_sigma, lines, level=level),
        balmer_decrement=derived.balmer_decrement,
        ebv_gas=derived.ebv_gas,
        log_sfr_halpha=derived.log_sfr_halpha,
        abundances=derived.abundances,
        diagrams=classes.diagrams,
        magnitudes=magnitudes(pixels, level=level),
    )
    return properties, values


def lick_system_method(*, is_at_rest: bool) -> str:
    """How indices at the Lick resolution were obtained."""
    return _LICK_SYSTEM_METHOD.format(
        "corrected for the stars' motions" if is_at_rest else "not corrected for the stars' motions"
    )


def gas_sigma(
    values: FloatArray, lines: dict[str, LineMeasurement], *, level: float = INTERVAL_LEVEL
) -> Measurement:
    """Width of the lines over candidates; without a number if no strong line is detected.

    Below half the instrument's 70 km/s it is `low_confidence`.

    Parameters
    ----------
    values : (K,) of each candidate, km/s
    lines : as reported

    """
    found = summarise(values, unit="km / s", method=GAS_SIGMA_METHOD, level=level)
    flags = [lines[name].flux.flag for name in KINEMATIC_LINES]
    if found.value is None or Flag.OK in flags:
        is_narrow = found.value is not None and found.value < MIN_GAS_SIGMA_KMS
        return flagged(found, Flag.LOW_CONFIDENCE) if is_narrow else found
    return missing(found.unit, Flag.NOT_DETECTED, method=found.method, level=level)


def predicted_breaks(found: Breaks, *, level: float = INTERVAL_LEVEL) -> tuple[Measurement, Measurement]:
    """Dn4000 and D4000 over candidates."""
    narrow = summarise(found.dn4000, unit="", method=BREAK_METHODS["dn4000"], level=level)
    return narrow, summarise(found.d4000, unit="", method=BREAK_METHODS["d4000"], level=level)


def predicted_indices(
    found: LickValues, method: str, *, level: float = INTERVAL_LEVEL
) -> dict[str, Measurement]:
    """Indices over candidates, by name."""
    return {
        name: summarise(found.of(name), unit=lick_unit(name), method=method, level=level)
        for name in found.names
    }


def predicted_line(found: LineTable, name: str, *, level: float = INTERVAL_LEVEL) -> LineMeasurement:
    """Flux and width of a line over candidates, `not_detected` if the flux's interval reaches zero."""
    flux = summarise(found.flux_of(name), unit=LINE_FLUX_UNIT, method=LINE_METHOD, level=level)
    ew = summarise(found.ew_of(name), unit=EW_UNIT, method=LINE_METHOD, level=level)
    if flux.lower is None or flux.lower > 0:
        return LineMeasurement(flux=flux, ew=ew)
    return LineMeasurement(flux=flagged(flux, Flag.NOT_DETECTED), ew=flagged(ew, Flag.NOT_DETECTED))


def joined(parts: Sequence[Table]) -> Table:
    """One table of N spectra from tables of some of them, field by field; fields that are None stay so."""
    first = parts[0]
    columns = {name: [getattr(part, name) for part in parts] for name in vars(first)}
    return type(first)(**{name: _joined_field(values) for name, values in columns.items()})


def _joined_field(values: list[Any]) -> Any:
    match values[0]:
        case None:
            return None
        case np.ndarray():
            return np.concatenate(values)
        case _:
            return joined(values)
