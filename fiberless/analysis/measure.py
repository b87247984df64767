"""All properties of candidates: values of each spectrum first, posterior medians and intervals from those."""

from types import MappingProxyType
from typing import Final

import numpy as np

from fiberless.analysis.gas.bpt import agn_probability, bpt_classes, classification
from fiberless.analysis.gas.derived import derived_classes, derived_quantities
from fiberless.analysis.indices.breaks import break_error, break_strength, dn4000, dn4000_error
from fiberless.analysis.indices.lick import composite_indices, index_bands, lick_indices
from fiberless.analysis.indices.lick_system import lick_system_values
from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.reported import REPORTED_LINES, line_values, without_lines
from fiberless.analysis.lines.templates import VELOCITY_STEP_KMS
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import PREDICTED_RESAMPLING_KMS
from fiberless.contract.properties import Flag, LineMeasurement, Measurement, Properties, summarise
from fiberless.errors import UsageError

__all__ = [
    "ABUNDANCE_PREFIX",
    "BREAK_METHODS",
    "EW_UNIT",
    "FLUX_UNIT",
    "GAS_SIGMA_METHOD",
    "KINEMATIC_LINES",
    "LICK_METHOD",
    "LINES",
    "LINE_METHOD",
    "MIN_GAS_SIGMA_KMS",
    "VELOCITY_SEARCH_KMS",
    "break_values",
    "gas_sigma",
    "lick_system_method",
    "lick_unit",
    "lick_values",
    "measure_candidates",
    "predicted_line",
    "sample_values",
    "values_of_fit",
]

LINES: Final = MappingProxyType(
    {"Halpha": "Halpha", "Hbeta": "Hbeta", "OIII_5007": "OIII_5008", "NII_6583": "NII_6585"}
)
"""Lines that models are scored by: conventional name (air) to the name in `astro.lines` (vacuum). All
that are reported: `lines.reported.REPORTED_LINES`."""
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
ABUNDANCE_PREFIX: Final = "oxygen_"
FLUX_UNIT: Final = "1e-17 erg / (s cm2)"
EW_UNIT: Final = "Angstrom"
VELOCITY_SEARCH_KMS: Final = tuple(VELOCITY_STEP_KMS * step for step in range(-10, 11))
"""Velocities of the gas worth trying in an observed spectrum, whose redshift may be that of its stars."""

KINEMATIC_LINES: Final = ("Halpha", "OIII_5007", "NII_6583")
"""Strong lines, of which one at least must be detected for a width or a velocity."""
MIN_GAS_SIGMA_KMS: Final = 35.0
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


def break_values(pixels: PixelFlux, redshift: FloatArray) -> dict[str, FloatArray]:
    """Both 4000 Å breaks (N,) and, of spectra with an inverse variance, `…_error`."""
    names = {"dn4000": "Dn4000", "d4000": "D4000"}
    values = {key: break_strength(pixels, redshift, name=name) for key, name in names.items()}
    if pixels.ivar is None:
        return values
    return values | {f"{key}_error": break_error(pixels, redshift, name=name) for key, name in names.items()}


def measure_candidates(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    sigma_star_kms: FloatArray | None = None,
    level: float = 0.68,
) -> Properties:
    """Properties of one galaxy: medians and central intervals over its K candidates.

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
    fit = fit_spectra(pixels, z, resampling_kms=PREDICTED_RESAMPLING_KMS)
    values = values_of_fit(pixels, z, fit) | break_values(pixels, z)
    lines = {name: predicted_line(values, name, level=level) for name in REPORTED_LINES}
    classes = derived_classes(values, lines)
    derived = derived_quantities(values, z, lines=lines, ionisation=classes.pop("bpt_nii"), level=level)
    system = lick_system_values(
        pixels, z, fit, sigma_star_kms=sigma_star_kms, resampling_kms=PREDICTED_RESAMPLING_KMS
    )
    return Properties(
        redshift=summarise(values["redshift"], unit="", method="posterior of the model", level=level),
        agn_probability=agn_probability(values["bpt_class"], level=level),
        bpt_class=classification(values["bpt_class"]),
        lines=lines,
        lick=_indices(lick_values(pixels, z, fit), LICK_METHOD, level),
        lick_system=_indices(system, lick_system_method(is_at_rest=sigma_star_kms is not None), level),
        gas_sigma=gas_sigma(values, lines, level=level),
        abundances={
            name.removeprefix(ABUNDANCE_PREFIX): derived.pop(name)
            for name in list(derived)
            if name.startswith(ABUNDANCE_PREFIX)
        },
        diagrams=classes,
        magnitudes={
            name.removeprefix("magnitude_"): found for name, found in magnitudes(pixels, level=level).items()
        },
        **{
            name: summarise(values[name], unit="", method=method, level=level)
            for name, method in BREAK_METHODS.items()
        },
        **derived,
    )


def lick_system_method(*, is_at_rest: bool) -> str:
    """How indices at the Lick resolution were obtained."""
    return _LICK_SYSTEM_METHOD.format(
        "corrected for the stars' motions" if is_at_rest else "not corrected for the stars' motions"
    )


def gas_sigma(
    values: dict[str, FloatArray], lines: dict[str, LineMeasurement], *, level: float = 0.68
) -> Measurement:
    """Width of the lines over candidates; without a number if no strong line is detected.

    Below half the instrument's 70 km/s it is `low_confidence`.

    Parameters
    ----------
    values : (K,) `gas_sigma` of each candidate
    lines : as reported

    """
    found = summarise(values["gas_sigma"], unit="km / s", method=GAS_SIGMA_METHOD, level=level)
    flags = [lines[name].flux.flag for name in KINEMATIC_LINES]
    if found.value is None or Flag.OK in flags:
        is_narrow = found.value is not None and found.value < MIN_GAS_SIGMA_KMS
        return found.model_copy(update={"flag": Flag.LOW_CONFIDENCE}) if is_narrow else found
    return found.model_copy(update={"value": None, "lower": None, "upper": None, "flag": Flag.NOT_DETECTED})


def _indices(values: dict[str, FloatArray], method: str, level: float) -> dict[str, Measurement]:
    return {
        name: summarise(samples, unit=lick_unit(name), method=method, level=level)
        for name, samples in values.items()
    }


def predicted_line(values: dict[str, FloatArray], name: str, *, level: float) -> LineMeasurement:
    """Flux and width of a line over candidates, `not_detected` if the flux's interval reaches zero."""
    flux = summarise(values[f"flux_{name}"], unit=FLUX_UNIT, method=LINE_METHOD, level=level)
    ew = summarise(values[f"ew_{name}"], unit=EW_UNIT, method=LINE_METHOD, level=level)
    if flux.lower is None or flux.lower > 0:
        return LineMeasurement(flux=flux, ew=ew)
    missed = {"flag": Flag.NOT_DETECTED}
    return LineMeasurement(flux=flux.model_copy(update=missed), ew=ew.model_copy(update=missed))
