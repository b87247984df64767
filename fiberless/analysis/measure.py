"""All properties of candidates: values of each spectrum first, posterior medians and intervals from those.

Imports the neighbouring rooms of `analysis`, `properties` and numpy only.
"""

from types import MappingProxyType
from typing import Final

import numpy as np

from fiberless.analysis.bpt import agn_probability, bpt_classes, classification
from fiberless.analysis.breaks import dn4000, dn4000_error
from fiberless.analysis.emission import FITTED_LINES
from fiberless.analysis.line_fit import SpectralFit, fit_spectra
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.properties import Flag, LineMeasurement, Measurement, Properties, summarise

__all__ = ["EW_UNIT", "FLUX_UNIT", "LINES", "VELOCITY_SEARCH_KMS", "measure_candidates", "sample_values"]

LINES: Final = MappingProxyType(
    {"Halpha": "Halpha", "Hbeta": "Hbeta", "OIII_5007": "OIII_5008", "NII_6583": "NII_6585"}
)
"""Lines that are reported: conventional name (air) to the name in `fiberless.lines` (vacuum)."""
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
        positive, over the mean stellar continuum within 10 Å, for each line of `LINES`; `gas_sigma` in km/s;
        `bpt_class`, values of `bpt.BptClass`.

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
        parts.append(_values(pixels, z[rows], velocities_kms))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


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
    values = sample_values(wave_aa, flux, redshift)
    return Properties(
        redshift=summarise(values["redshift"], unit="", method="posterior of the model", level=level),
        dn4000=summarise(values["dn4000"], unit="", method="mean F_nu ratio, Balogh+99", level=level),
        agn_probability=agn_probability(values["bpt_class"], level=level),
        bpt_class=classification(values["bpt_class"]),
        lines={name: _line(values, name, level) for name in LINES},
    )


def _values(pixels: PixelFlux, z: FloatArray, velocities_kms: tuple[float, ...]) -> dict[str, FloatArray]:
    fit = fit_spectra(pixels, z, velocities_kms=velocities_kms)
    observed = pixels.ivar is not None
    values = {"redshift": z, "dn4000": dn4000(pixels, z)}
    if observed:
        values["dn4000_error"] = dn4000_error(pixels, z)
    for name, table_name in LINES.items():
        values |= _line_values(fit, name, FITTED_LINES.index(table_name), with_errors=observed)
    classes = bpt_classes(
        ew_halpha=values["ew_Halpha"],
        halpha=values["flux_Halpha"],
        nii=values["flux_NII_6583"],
        oiii=values["flux_OIII_5007"],
        hbeta=values["flux_Hbeta"],
    )
    return values | {"gas_sigma": fit.gas_sigma_kms, "bpt_class": classes}


def _line_values(fit: SpectralFit, name: str, j: int, *, with_errors: bool) -> dict[str, FloatArray]:
    values = {f"flux_{name}": fit.flux[:, j], f"ew_{name}": fit.ew_aa[:, j]}
    if not with_errors:
        return values
    return values | {f"flux_{name}_error": fit.flux_error[:, j], f"ew_{name}_error": fit.ew_error_aa[:, j]}


def _line(values: dict[str, FloatArray], name: str, level: float) -> LineMeasurement:
    method = "tied Gaussians on the flux less its stellar continuum"
    flux = summarise(values[f"flux_{name}"], unit=FLUX_UNIT, method=method, level=level)
    ew = summarise(values[f"ew_{name}"], unit=EW_UNIT, method=method, level=level)
    return LineMeasurement(flux=_detected(flux), ew=_detected(ew))


def _detected(measured: Measurement) -> Measurement:
    """Flag `not_detected` an emission whose interval reaches zero."""
    if measured.lower is None or measured.lower > 0:
        return measured
    return measured.model_copy(update={"flag": Flag.NOT_DETECTED})
