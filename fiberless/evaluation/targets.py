"""What is compared: quantities measured alike on true noiseless spectra and on predicted ones."""

from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.gas.bpt import RETIRED_EW_AA
from fiberless.analysis.measure import LINES, sample_values
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux

__all__ = [
    "CLASS",
    "PHYSICAL_TARGETS",
    "SPECTRAL_TARGETS",
    "TARGETS",
    "TargetLabel",
    "measure_observed_targets",
    "measure_targets",
]

_EW_FLOOR_AA: Final = 0.1
CLASS: Final = "bpt_class"
"""Key of the ionisation class, values of `fiberless.analysis.gas.bpt.BptClass`."""


class TargetLabel(NamedTuple):
    """Name of a quantity for people, and the range that plots show."""

    label: str
    shown: tuple[float, float]


SPECTRAL_TARGETS: Final = MappingProxyType(
    {
        "redshift": TargetLabel("z", (0.03, 0.17)),
        "dn4000": TargetLabel("Dn4000", (1.0, 2.2)),
        **{f"log_ew_{name}": TargetLabel(f"lg EW({name}) / Å", (-1.1, 2.3)) for name in LINES},
        **{
            f"log_flux_{name}": TargetLabel(f"lg flux({name}) / 1e-17 erg/(s cm²)", (-1.0, 4.0))
            for name in LINES
        },
        "n2": TargetLabel("N2 = lg [N II] 6583 / Hα", (-1.6, 0.6)),
        "o3": TargetLabel("O3 = lg [O III] 5007 / Hβ", (-1.2, 1.3)),
    }
)
"""Measured on a spectrum. Equivalent widths are floored at 0.1 Å, fluxes where their widths are; the line
ratios exist where EW(Hα) > 3 Å, in truth and candidate alike, so that the candidates are conditioned as the
galaxies are selected."""

PHYSICAL_TARGETS: Final = MappingProxyType(
    {
        "log_sigma": TargetLabel("lg σ* / (km/s)", (1.6, 2.7)),
        "log_age": TargetLabel("lg light-weighted age / Gyr", (-1.0, 1.2)),
        "metallicity": TargetLabel("light-weighted [M/H]", (-1.8, 0.5)),
        "av": TargetLabel("A_V / mag", (0.0, 2.5)),
        "log_stellar_mass": TargetLabel("lg M* / M☉", (8.5, 12.0)),
        "log_sfr": TargetLabel("lg SFR / (M☉/yr)", (-3.0, 2.0)),
        "oxygen": TargetLabel("12 + lg(O/H)", (8.2, 9.4)),
        "log_age_mass": TargetLabel("lg mass-weighted age / Gyr", (0.0, 1.2)),
        "metallicity_mass": TargetLabel("mass-weighted [M/H]", (-1.8, 0.5)),
        "log_ml_living": TargetLabel("lg M_living/L_r / (M☉/L☉)", (-1.0, 0.6)),
        "log_ml_formed": TargetLabel("lg M_formed/L_r / (M☉/L☉)", (-0.8, 0.9)),
    }
)
"""Dimensions of the latent, `fiberless.inference.physical.PHYSICAL_NAMES`."""

TARGETS: Final = MappingProxyType({**SPECTRAL_TARGETS, **PHYSICAL_TARGETS})
"""All quantities that are scored."""


def measure_targets(ln_flux_rest: FloatArray, redshift: FloatArray) -> dict[str, FloatArray]:
    """Targets of N spectra.

    Parameters
    ----------
    ln_flux_rest : (N, 3902) ln of the observed F_λ in 1e-17 erg/(s cm2 Å) on the rest grid
    redshift : (N,)

    Returns
    -------
    dict of (N,) float64, keys of `SPECTRAL_TARGETS` and `CLASS`; NaN where not measurable

    """
    return measure_observed_targets(resample_log_flux(ln_flux_rest, redshift, OBSERVED_WAVE_AA), redshift)


def measure_observed_targets(ln_flux_observed: FloatArray, redshift: FloatArray) -> dict[str, FloatArray]:
    """Targets of N spectra as `measure_targets` gives them, of (N, 4500) on the observed grid."""
    flux = np.exp(ln_flux_observed)
    values = sample_values(OBSERVED_WAVE_AA, flux, redshift)
    targets = {"redshift": values.redshift, "dn4000": values.breaks.dn4000, CLASS: values.bpt_class}
    for name in LINES:
        ew, line_flux = values.lines.ew_of(name), values.lines.flux_of(name)
        targets[f"log_ew_{name}"] = np.log10(np.maximum(ew, _EW_FLOOR_AA))
        # a flux is floored where its equivalent width is, so that both saturate together
        floor = line_flux * _EW_FLOOR_AA / np.where(ew == 0, np.nan, ew)
        targets[f"log_flux_{name}"] = np.log10(np.maximum(line_flux, np.abs(floor)))
    emits = values.lines.ew_of("Halpha") > RETIRED_EW_AA
    for name, above, below in (("n2", "NII_6583", "Halpha"), ("o3", "OIII_5007", "Hbeta")):
        ratio = targets[f"log_flux_{above}"] - targets[f"log_flux_{below}"]
        targets[name] = np.where(emits, ratio, np.nan)
    return targets
