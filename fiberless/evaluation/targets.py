"""What is compared: quantities measured alike on true noiseless spectra and on predicted ones."""

from types import MappingProxyType
from typing import Final, NamedTuple

from fiberless.analysis.measure import LINES
from fiberless.contract.manifest import TRAINED_REDSHIFT

__all__ = [
    "CLASS",
    "EW_FLOOR_AA",
    "PHYSICAL_TARGETS",
    "SPECTRAL_TARGETS",
    "TARGETS",
    "TargetLabel",
]

EW_FLOOR_AA: Final = 0.1
"""Equivalent widths below it are not told apart."""
CLASS: Final = "bpt_class"
"""Key of the ionisation class, values of `fiberless.analysis.gas.bpt.BptClass`."""


class TargetLabel(NamedTuple):
    """Name of a quantity for people, and the range that plots show."""

    label: str
    shown: tuple[float, float]


SPECTRAL_TARGETS: Final = MappingProxyType(
    {
        "redshift": TargetLabel("z", TRAINED_REDSHIFT),
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
