"""Numbers by redshift and magnitude against a sample that is complete."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import ks_2samp

from fiberless.astro.bands import BANDS
from fiberless.astro.extinction import EXTINCTION_PER_EBV
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.sky.table import RealGalaxies

__all__ = ["COMPLETE_AREA_DEG2", "COMPLETE_LIMIT", "COMPLETE_SOURCE", "Counts", "compare_counts"]

COMPLETE_SOURCE: Final = "ast32_complete"
COMPLETE_LIMIT: Final = 17.6
"""Observed r, the Galaxy's dust included, to which that source is complete."""
COMPLETE_AREA_DEG2: Final = 364.0
_R: Final = BANDS.index("r")


@dataclass(frozen=True)
class Counts:
    """Distributions of redshift and of r to the complete sample's limit.

    Parameters
    ----------
    redshifts : range compared
    n_mock, n_real : galaxies in it
    per_deg2 : real galaxies per square degree in it
    per_deg2_all : of all redshifts
    share_inner : (mock, real) share of them in 0.05 < z < 0.15
    ks_redshift, ks_r : Kolmogorov–Smirnov distances; real walls and voids alone make some 0.02 of the first
    median_redshift, median_r : (mock, real)

    """

    redshifts: tuple[float, float]
    n_mock: int
    n_real: int
    per_deg2: float
    per_deg2_all: float
    share_inner: tuple[float, float]
    ks_redshift: float
    ks_r: float
    median_redshift: tuple[float, float]
    median_r: tuple[float, float]


def compare_counts(
    mock: Photometry, real: RealGalaxies, redshifts: tuple[float, float], *, seed: int = 0
) -> Counts | None:
    """Counts of mocks behind the same dust as the complete sample; None if the table lacks that sample.

    The simulation has no normalisation of its own: its density on the sky is not compared.
    """
    complete = real.of(COMPLETE_SOURCE)
    dust = complete.ebv * EXTINCTION_PER_EBV[_R]
    usable = np.isfinite(complete.redshift + complete.magnitudes[:, _R] + dust)
    complete, dust = complete.take(usable), dust[usable]
    if len(complete) == 0:
        return None
    # magnitudes as seen through the dust, which the selection was made on
    seen_real = complete.magnitudes[:, _R] + dust
    seen_mock = mock.r_mag + np.random.default_rng(seed).choice(dust, len(mock))
    # the same cut on both
    in_real = seen_real < COMPLETE_LIMIT
    inside = in_real & (complete.redshift >= redshifts[0]) & (complete.redshift < redshifts[1])
    in_mock = (seen_mock < COMPLETE_LIMIT) & (mock.redshift >= redshifts[0]) & (mock.redshift < redshifts[1])
    z_mock, z_real = mock.redshift[in_mock], complete.redshift[inside]
    r_mock, r_real = seen_mock[in_mock], seen_real[inside]
    inner = [float(np.mean((z > 0.05) & (z < 0.15))) for z in (z_mock, z_real)]
    return Counts(
        redshifts=redshifts,
        n_mock=len(z_mock),
        n_real=len(z_real),
        per_deg2=len(z_real) / COMPLETE_AREA_DEG2,
        per_deg2_all=int(in_real.sum()) / COMPLETE_AREA_DEG2,
        share_inner=(inner[0], inner[1]),
        ks_redshift=float(ks_2samp(z_mock, z_real).statistic),
        ks_r=float(ks_2samp(r_mock, r_real).statistic),
        median_redshift=(float(np.median(z_mock)), float(np.median(z_real))),
        median_r=(float(np.median(r_mock)), float(np.median(r_real))),
    )
