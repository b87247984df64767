"""Galaxies of a data set with what is known of them: conditions, true targets, true latents.

Only `true_latents` asks for a model; all else serves every family.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.evaluation.target_table import TargetTable, measure_targets
from fiberless.evaluation.targets import SPECTRAL_TARGETS
from fiberless.inference.basis import amplitude, ln_mean_flux
from fiberless.inference.conditioning import Conditions, conditions_of
from fiberless.inference.latent import LatentFamily
from fiberless.inference.physical import PHYSICAL_NAMES, PhysicalQuantities, reduced, true_physical

__all__ = [
    "BaselineRows",
    "HeldOut",
    "Progress",
    "measure_many",
    "read_baseline_rows",
    "read_held_out",
    "true_latents",
]

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
_CHUNK: Final = 200
_IMAGES: Final = 500
_THREADS: Final = 2


@dataclass(frozen=True, eq=False)
class HeldOut:
    """n test galaxies.

    Parameters
    ----------
    conditions : of n galaxies
    truth : of n galaxies, all of `TARGETS`
    ln_flux_rest : (n, 3902) float32, noiseless
    """

    conditions: Conditions
    truth: TargetTable
    ln_flux_rest: FloatArray


@dataclass(frozen=True, eq=False)
class BaselineRows:
    """N training galaxies that baselines learn from.

    Parameters
    ----------
    photometry : (N, 49)
    truth : of N galaxies, all of `TARGETS`
    images : (N, 5, 64, 64) float16 scaled, or none
    """

    photometry: FloatArray
    truth: TargetTable
    images: FloatArray


def read_held_out(data: ShardSet, *, r_limit: float, limit: int | None, progress: Progress) -> HeldOut:
    """Galaxies whose image has r < `r_limit` inside 7 arcsec.

    They are selected on the image alone, which leaves the posterior given the image as it is: a selection on
    a true property would make the best of models look miscalibrated.

    Parameters
    ----------
    limit : galaxies read, all by default

    Raises
    ------
    UsageError
        `invalid-parameter` if the set's spectra are observed ones.

    """
    if not data.has_noiseless:
        raise UsageError("invalid-parameter", "the data set has no noiseless spectra to compare with")
    conditions, rows = _bright(data, r_limit, limit)
    ln_shape = data.column("ln_shape", limit=limit)[rows]
    ln_norm = data.truth("ln_norm", limit=limit)[rows]
    redshift = data.truth("redshift", limit=limit)[rows]
    ln_flux = ln_shape + ln_norm.astype(np.float32)[:, None]
    truth = measure_many(ln_flux, redshift, stage="truth", progress=progress)
    physical = true_physical(data, limit=limit)[rows].named()
    return HeldOut(
        conditions=conditions,
        truth=truth.only(SPECTRAL_TARGETS).also(physical),
        ln_flux_rest=ln_flux,
    )


def true_latents(family: LatentFamily, pairs: HeldOut) -> FloatArray:
    """Latents (n, D) of the true galaxies, NaN where the data set does not know a quantity."""
    conditions, redshift = pairs.conditions, pairs.truth["redshift"]
    level = amplitude(ln_mean_flux(pairs.ln_flux_rest), conditions.r_aperture_nmgy)
    whitened = family.basis.whiten(family.basis.encode(pairs.ln_flux_rest))
    columns = None
    if len(family.latent_scaler.physical_median):
        physical = PhysicalQuantities(*(pairs.truth[name] for name in PHYSICAL_NAMES))
        columns = reduced(physical, redshift, conditions.r_total_nmgy)
    return family.latent_scaler.to_latent(redshift, level, whitened, columns)


def _bright(data: ShardSet, r_limit: float, limit: int | None) -> tuple[Conditions, IntArray]:
    """Conditions of the galaxies whose images are bright enough, and their rows (n,)."""
    images, ebv = data.column("image", limit=limit), data.ebv(limit=limit)
    kept: list[Conditions] = []
    rows: list[IntArray] = []
    for start in range(0, len(images), _IMAGES):
        piece = slice(start, start + _IMAGES)
        measured = conditions_of(images[piece].astype(np.float32), ebv[piece])
        bright = np.flatnonzero(measured.r_magnitude < r_limit)
        kept.append(measured[bright])
        rows.append(start + bright)
    return Conditions.joined(kept), np.concatenate(rows)


def read_baseline_rows(data: ShardSet, n: int, *, images: bool, progress: Progress) -> BaselineRows:
    """First n galaxies of a training set, with their scaled images if asked for."""
    ln_flux = data.column("ln_shape", limit=n)
    ln_flux += data.truth("ln_norm", limit=n).astype(np.float32)[:, None]
    truth = measure_many(ln_flux, data.truth("redshift", limit=n), stage="baseline truth", progress=progress)
    truth = truth.also(true_physical(data, limit=n).named())
    photometry, pixels = [], []
    for shard in data.shards():
        conditions = conditions_of(shard["image"].astype(np.float32), shard["ebv"])
        photometry.append(conditions.photometry)
        # of no image none is kept: an empty slice would keep all of them in memory
        pixels.append(conditions.image.astype(np.float16) if images else conditions.image[:0].copy())
        if sum(map(len, photometry)) >= n:
            break
    rows = slice(len(truth.classes))
    return BaselineRows(np.concatenate(photometry)[rows], truth, np.concatenate(pixels)[rows])


def measure_many(
    ln_flux: FloatArray,
    redshift: FloatArray,
    *,
    measure: Callable[[FloatArray, FloatArray], TargetTable] = measure_targets,
    stage: str = "",
    progress: Progress = lambda *_: None,
) -> TargetTable:
    """Measure many spectra in small pieces on two threads: numpy works outside Python's lock.

    Parameters
    ----------
    ln_flux, redshift : what `measure` takes, `measure_targets` or `measure_observed_targets`

    """
    pieces = [slice(i, i + _CHUNK) for i in range(0, len(redshift), _CHUNK)]
    parts = []
    with ThreadPoolExecutor(_THREADS) as pool:
        jobs = pool.map(lambda rows: measure(ln_flux[rows], redshift[rows]), pieces)
        for part, rows in zip(jobs, pieces, strict=True):
            parts.append(part)
            progress(stage, min(rows.stop, len(redshift)), len(redshift))
    return TargetTable.joined(parts)
