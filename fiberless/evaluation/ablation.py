"""What the pixels add over the apertures: the denoiser trained with and without image features, else alike.

Works from the caches of a finished training run alone; no image is read. The galaxies that the run kept for
validation are the test set: neither its image tower nor these denoisers were trained on them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from fiberless.arrays import FloatArray
from fiberless.contract.manifest import SAMPLER_STEPS
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.errors import UsageError
from fiberless.evaluation.metrics import crps, point_score, posterior_median
from fiberless.evaluation.pairs import measure_many
from fiberless.evaluation.target_table import TargetTable
from fiberless.images.apertures import PHOTOMETRY_NAMES, RADII_ARCSEC
from fiberless.inference.physical import PHYSICAL_NAMES, absolute
from fiberless.inference.sampler import initial_noise, sample
from fiberless.nn import LatentDenoiser
from fiberless.training.config import StageName, TrainingConfig
from fiberless.training.diffusion import DenoiserData, denoiser_loss
from fiberless.training.prepared import Prepared, read_prepared
from fiberless.training.process import TrainingProcess
from fiberless.training.stage import Stage, run_stage

__all__ = ["LATENT_CRPS", "Caches", "ablate", "read_caches"]

LATENT_CRPS: Final = "latent_crps"
"""Key of the mean fair CRPS over the dimensions of the standardised latent; all other figures are R²."""
_MEASURED: Final = ("dn4000", "log_ew_Halpha", "n2", "o3")
_ARMS: Final = ("both", "apertures")
_BLOCK: Final = 100
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Caches:
    """What a run left: everything that the denoiser is trained on, and what its latent means.

    Parameters
    ----------
    config : of the run
    prepared : tables of the run
    data : latents, standardised features (float16) and photometry of all N galaxies
    """

    config: TrainingConfig
    prepared: Prepared
    data: DenoiserData

    @property
    def first_held_out(self) -> int:
        """Row at which the galaxies kept for validation begin."""
        return self.config.training_rows(len(self.data.latent))


def read_caches(run: Path) -> Caches:
    """Read a run folder.

    Raises
    ------
    UsageError
        `invalid-parameter` if its first two stages are not finished.

    """
    needed = ("config.json", "prepared.safetensors", "features.npy")
    missing = [name for name in needed if not (run / name).exists()]
    if missing:
        raise UsageError("invalid-parameter", f"{run} holds no finished contrast: no {', '.join(missing)}")
    config = TrainingConfig.model_validate(json.loads((run / "config.json").read_text(encoding="utf-8")))
    prepared = read_prepared(run)
    views = np.load(run / "features.npy", mmap_mode="r")
    learned = config.training_rows(len(prepared.latent))
    scaler = prepared.condition_scaler.with_features(views[0][:learned])
    scaled = np.empty(views.shape, np.float16)
    for view, out in zip(views, scaled, strict=True):
        for start in range(0, len(view), 20_000):
            out[start : start + 20_000] = scaler.scale_features(view[start : start + 20_000])
    data = DenoiserData(
        latent=torch.from_numpy(prepared.latent),
        features=torch.from_numpy(scaled),
        photometry=torch.from_numpy(prepared.photometry),
        cholesky=torch.from_numpy(np.asarray(prepared.cholesky)),
    )
    return Caches(config, prepared, data)


def ablate(
    caches: Caches,
    *,
    steps: int = 1500,
    seeds: int = 3,
    n_candidates: int = 50,
    n_measured: int = 20,
    progress: Progress,
) -> dict[str, Any]:
    """Train both arms from each seed for equally many steps, and score them on the galaxies held out.

    Parameters
    ----------
    steps : of every training
    seeds : trainings an arm; equal seeds start from equal weights and see equal batches
    n_candidates, n_measured : candidates a galaxy, and those of them whose spectra are measured

    Returns
    -------
    dict
        `rows`: {figure: {arm or `difference`: {mean, error, seeds}}}, R² of the candidates' median for each
        quantity and `LATENT_CRPS`; `error` is the standard error over the seeds. And the settings.

    """
    test = _held_out(caches)
    truth = _quantities(caches.prepared, test.latent.numpy()[:, None], test.photometry.numpy(), measured=1)
    rounds: dict[str, list[dict[str, float]]] = {arm: [] for arm in _ARMS}
    for number in range(2 * seeds):
        arm, seed = _ARMS[number % 2], 1 + number // 2
        progress("ablation", number, 2 * seeds)
        denoiser = _trained(caches, arm, steps=steps, seed=seed, progress=progress)
        drawn = _draw(denoiser, _arm(test, arm), n_candidates)
        samples = _quantities(caches.prepared, drawn, test.photometry.numpy(), measured=n_measured)
        rounds[arm].append(_figures(truth, samples, latent=test.latent.numpy(), drawn=drawn))
    progress("ablation", 2 * seeds, 2 * seeds)
    return {
        "rows": _summary(rounds),
        "n": len(test.latent),
        "trained_on": caches.first_held_out,
        "steps": steps,
        "seeds": seeds,
        "n_candidates": n_candidates,
    }


def _held_out(caches: Caches) -> DenoiserData:
    """Galaxies of the validation set that are as bright as is promised."""
    rows = caches.data.rows(slice(caches.first_held_out, None))
    bright = torch.from_numpy(_r_magnitude(caches.prepared, rows.photometry.numpy()) < MAIN_LIMIT)
    return rows.rows(bright)


def _arm(data: DenoiserData, arm: str) -> DenoiserData:
    """The same galaxies, features zeroed unless the arm has them; zeros take no memory."""
    if arm == "both":
        return data
    zeros = torch.zeros(1, 1, data.features.shape[2], dtype=data.features.dtype).expand(data.features.shape)
    return replace(data, features=zeros)


def _trained(caches: Caches, arm: str, *, steps: int, seed: int, progress: Progress) -> LatentDenoiser:
    # a denoiser that sees one arm of the features
    config = caches.config.with_steps(denoiser=steps)
    learned = _arm(caches.data.rows(slice(caches.first_held_out)), arm)
    torch.manual_seed(seed)
    denoiser = LatentDenoiser(
        latent_size=learned.latent.shape[1],
        feature_size=config.encoder_width,
        width=config.denoiser_width,
        depth=config.denoiser_depth,
        condition_depth=config.condition_depth,
    )
    # trained as any other, without looks
    process = TrainingProcess()
    stage = Stage(
        name=StageName.DENOISER,
        config=config.denoiser.model_copy(update={"checkpoint_steps": steps}),
        module=denoiser,
        loss=lambda generator: denoiser_loss(denoiser, learned, config, generator, process=process),
        validate=lambda: float("nan"),
        plot=lambda *_: None,
    )
    name = f"{'pixels too' if arm == 'both' else 'apertures'} {seed}"
    with TemporaryDirectory() as folder:
        run_stage(
            stage,
            Path(folder),
            seed=seed,
            process=process,
            progress=lambda done, total, _loss: progress(name, done, total),
        )
    return denoiser.eval().bfloat16()


@torch.inference_mode()
def _draw(denoiser: LatentDenoiser, data: DenoiserData, n_candidates: int) -> FloatArray:
    """Candidates (n, K, D) of all galaxies; equal noise in both arms."""
    parts = []
    for start in range(0, len(data.latent), _BLOCK):
        rows = slice(start, start + _BLOCK)
        features, photometry = data.features[0, rows].float(), data.photometry[rows]
        condition = denoiser.encode_condition(features, photometry)

        def denoise(x: Tensor, sigma: Tensor, condition: Tensor = condition) -> Tensor:
            clean: Tensor = denoiser.denoise(x, sigma.expand(len(x), 1), condition[:, None])
            return clean

        seeds = [(2, f"ablation-{start + i}") for i in range(len(photometry))]
        noise = initial_noise(seeds, n_candidates, data.latent.shape[1])
        parts.append(sample(denoise, noise, SAMPLER_STEPS).numpy())
    return np.concatenate(parts)


def _quantities(
    prepared: Prepared, latent: FloatArray, photometry: FloatArray, *, measured: int
) -> TargetTable:
    """Quantities (n, K) of latents (n, K, D); those of the spectra of the first `measured`."""
    parts = prepared.latent_scaler.from_latent(latent)
    r_total = 10 ** (0.4 * (22.5 - _r_magnitude(prepared, photometry)))
    latent_values = {"redshift": parts.redshift}
    if parts.physical.shape[-1] == len(PHYSICAL_NAMES):
        latent_values |= absolute(parts.physical, parts.redshift, r_total[:, None]).named()
    found: list[TargetTable] = []
    for start in range(0, len(latent), _BLOCK):
        rows = slice(start, start + _BLOCK)
        spectra = prepared.basis.decode(parts.whitened[rows, :measured])
        redshift = parts.redshift[rows, :measured]
        found.append(measure_many(spectra.reshape(-1, spectra.shape[-1]), redshift.reshape(-1)))
    spectral = TargetTable.joined(found).reshape(len(latent), -1).only(_MEASURED)
    return TargetTable({**latent_values, **spectral.columns}, spectral.classes)


def _r_magnitude(prepared: Prepared, photometry: FloatArray) -> FloatArray:
    """Magnitude (n,) r inside 7 arcsec, from standardised photometry (n, 49)."""
    scaler, column = prepared.condition_scaler, PHOTOMETRY_NAMES.index(f"mag_r_{RADII_ARCSEC[-1]}")
    mean, std = scaler.photometry_mean[column], scaler.photometry_std[column]
    magnitude: FloatArray = photometry[:, column] * std + mean
    return magnitude


def _figures(
    truth: TargetTable, samples: TargetTable, *, latent: FloatArray, drawn: FloatArray
) -> dict[str, float]:
    known = np.flatnonzero(np.isfinite(latent).all(axis=0))
    figures = {
        name: point_score(truth[name][:, 0], posterior_median(samples[name])).r2
        for name in samples.names
        if np.isfinite(truth[name]).any()
    }
    return figures | {LATENT_CRPS: float(np.mean([crps(latent[:, d], drawn[..., d]) for d in known]))}


def _summary(rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    both, apertures = (rounds[arm] for arm in _ARMS)
    return {
        name: {
            "both": _mean([row[name] for row in both]),
            "apertures": _mean([row[name] for row in apertures]),
            "difference": _mean([a[name] - b[name] for a, b in zip(both, apertures, strict=True)]),
        }
        for name in both[0]
    }


def _mean(values: list[float]) -> dict[str, Any]:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return {
        "mean": round(float(np.mean(values)), 5),
        "error": round(error, 5),
        "seeds": [round(value, 5) for value in values],
    }
