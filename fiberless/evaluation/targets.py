"""What is compared: quantities measured alike on true noiseless spectra and on predicted ones."""

from types import MappingProxyType
from typing import Final

import numpy as np

from fiberless.analysis.measure import LINES, sample_values
from fiberless.arrays import FloatArray
from fiberless.wavelength import OBSERVED_WAVE_AA, resample_log_flux

__all__ = ["TARGETS", "measure_targets"]

_EW_FLOOR_AA: Final = 0.1
TARGETS: Final = MappingProxyType(
    {
        "redshift": "z",
        "dn4000": "Dn4000",
        **{f"lg_ew_{name}": f"lg EW({name}) / Å" for name in LINES},
        **{f"lg_flux_{name}": f"lg flux({name})" for name in LINES},
    }
)
"""Name and label of each target; logarithms of equivalent widths are floored at 0.1 Å."""


def measure_targets(ln_flux_rest: FloatArray, redshift: FloatArray) -> dict[str, FloatArray]:
    """Targets of N spectra.

    Parameters
    ----------
    ln_flux_rest : (N, 3902) ln of the observed F_λ in 1e-17 erg/(s cm2 Å) on the rest grid
    redshift : (N,)

    Returns
    -------
    dict of (N,) float64, keys of `TARGETS`

    """
    flux = np.exp(resample_log_flux(ln_flux_rest, redshift, OBSERVED_WAVE_AA))
    values = sample_values(OBSERVED_WAVE_AA, flux, redshift)
    targets = {"redshift": values["redshift"], "dn4000": values["dn4000"]}
    for name in LINES:
        ew, line_flux = values[f"ew_{name}"], values[f"flux_{name}"]
        targets[f"lg_ew_{name}"] = np.log10(np.maximum(ew, _EW_FLOOR_AA))
        # a flux is floored where its equivalent width is, so that both saturate together
        floor = line_flux * _EW_FLOOR_AA / np.where(ew == 0, np.nan, ew)
        targets[f"lg_flux_{name}"] = np.log10(np.maximum(line_flux, np.abs(floor)))
    return targets
