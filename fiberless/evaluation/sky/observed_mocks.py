"""What surveys measure of simulated galaxies: sizes on images, Dn4000 and lines on spectra, σ* and mass."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.cosmology import kpc_per_arcsec
from fiberless.datasets.mock.survey import MAIN_LIMIT, TRUTH_NAMES, simulate
from fiberless.datasets.mock_report.shapes import light_radii_arcsec
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.pairs import measure_many

__all__ = ["ObservedMocks", "observe_mocks"]

_BATCH: Final = 500
_LOG_SIGMA_TO_EIGHTH_RADIUS: Final = 0.030
"""From the 3" fibre to an eighth of the half-light radius, median of the sample compared with."""
_EMITS_EW_AA: Final = 3.0


@dataclass(frozen=True, eq=False)
class ObservedMocks:
    """Simulated galaxies with r < 17.77.

    Parameters
    ----------
    values : {quantity: (N,)} under the names of the percentiles of the Main Galaxy Sample; NaN where a survey
        lists nothing. `log_sigma` is lg σ* / (km/s) in the 3" fibre

    """

    values: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.values["z"])


def observe_mocks(seed: int, n: int, *, data: Path | None = None) -> ObservedMocks:
    """Measure n simulated galaxies, drawn afresh (8 ms each) or the first n of a data set."""
    shards = None if data is None else ShardSet(data)
    names = TRUTH_NAMES if shards is None else shards.info.truth_names
    total = n if shards is None else min(n, len(shards))
    parts = []
    for start in range(0, total, _BATCH):
        stop = min(start + _BATCH, total)
        drawn = simulate([seed, start], stop - start) if shards is None else _rows(shards, start, stop)
        truth = dict(zip(names, drawn["truth"].T.astype(np.float64), strict=True))
        parts.append(_measured(drawn, truth))
    return ObservedMocks({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _rows(shards: ShardSet, start: int, stop: int) -> dict[str, FloatArray]:
    names = ("image", "ln_shape", "truth")
    return {name: shards.column(name, limit=stop)[start:] for name in names}


def _measured(drawn: Mapping[str, FloatArray], truth: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    ln_flux = drawn["ln_shape"].astype(np.float64) + truth["ln_norm"][:, None]
    spectral = measure_many(ln_flux, truth["redshift"])
    radii = light_radii_arcsec(drawn["image"].astype(np.float32))
    emits = truth["ew_Halpha"] > _EMITS_EW_AA
    with np.errstate(divide="ignore", invalid="ignore"):
        decrement = np.log10(truth["flux_Halpha"] / truth["flux_Hbeta"])
    log_sigma = np.log10(truth["sigma_star"])
    values = {
        "z": truth["redshift"],
        "logM": truth["log_stellar_mass"],
        "logSFR": truth["log_sfr"],
        "logsSFR": truth["log_sfr"] - truth["log_stellar_mass"],
        "D4000_N": spectral["dn4000"],
        "log_sigma": log_sigma,
        "log_sigma_v(R50/8)": log_sigma + _LOG_SIGMA_TO_EIGHTH_RADIUS,
        "logR50_kpc": np.log10(radii[:, 0] * kpc_per_arcsec(truth["redshift"])),
        "R90/R50": radii[:, 1] / radii[:, 0],
        "log_N2Ha": spectral["n2"],
        "log_O3Hb": spectral["o3"],
        "OH_T04": np.where(emits & (truth["agn"] == 0), truth["oxygen"], np.nan),
        "log_HaHb": np.where(emits, decrement, np.nan),
        "A_V_cont": truth["av_light"],
    }
    bright = truth["r_mag"] < MAIN_LIMIT
    return {name: value[bright] for name, value in values.items()}
