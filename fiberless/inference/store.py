"""Model versions on disk: writes a complete folder, and loads one after checking every hash."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import safetensors.numpy
import safetensors.torch
import torch
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError

from fiberless.errors import FatalError
from fiberless.inference.basis import LatentScaler, SpectralBasis
from fiberless.inference.conditioning import ConditionScaler
from fiberless.inference.latent import LatentFamily
from fiberless.manifest import Manifest, file_sha256, read_manifest, verify_files, weights_sha256
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder
from fiberless.wavelength import REST_WAVE_AA

__all__ = ["load_version", "save_version"]

_NETWORKS: Final = {
    "image_encoder": ImageEncoder,
    "latent_encoder": LatentEncoder,
    "denoiser": LatentDenoiser,
}
_BASIS, _SCALERS = "basis.safetensors", "scalers.safetensors"
_LATENT, _CONDITION = "latent.", "condition."


def save_version(folder: Path, family: LatentFamily, *, card: str, **manifest: Any) -> Manifest:
    """Write a complete version: networks, basis, scalers, card and manifest.

    Parameters
    ----------
    folder : Path
        New or empty folder; its name is the version's.
    card : str
        Markdown text of `card.md`.
    **manifest
        Fields of `fiberless.manifest.Manifest` that are not derived here: name, redshift_range,
        r_magnitude_limit, sampler_steps, n_candidates, training, training_data, metrics.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _NETWORKS:
        getattr(family, name).save_pretrained(folder / name, safe_serialization=True)
        _drop_origin(folder / name / "config.json")
    safetensors.numpy.save_file(family.basis.to_arrays(), folder / _BASIS)
    scalers = family.latent_scaler.to_arrays(_LATENT) | family.condition_scaler.to_arrays(_CONDITION)
    safetensors.numpy.save_file(scalers, folder / _SCALERS)
    (folder / "card.md").write_text(card, encoding="utf-8")
    _let_others_read(folder)
    files = _hashes(folder)
    derived = {
        "version": folder.name,
        "family": "latent",
        "created": datetime.now(UTC),
        "rest_range_aa": (float(REST_WAVE_AA[0]), float(REST_WAVE_AA[-1])),
        "files": files,
        "weights_sha256": weights_sha256(files),
    }
    complete = Manifest.model_validate(derived | manifest)
    (folder / "manifest.json").write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return complete


def load_version(store: Path, version: str, device: str = "cpu") -> tuple[LatentFamily, Manifest]:
    """Check a version's files against their pinned hashes, then load it.

    Raises
    ------
    UsageError
        `unknown-model` if the store has no such version.
    FatalError
        `model-unavailable` if a file is missing or altered (it is named), or does not hold what it must.

    """
    manifest = read_manifest(store, version)
    verify_files(store, manifest)
    try:
        return _load(store / manifest.version, torch.device(device)), manifest
    except (KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise FatalError("model-unavailable", f"{version} cannot be loaded: {error}") from error


def _load(folder: Path, device: torch.device) -> LatentFamily:
    networks = {name: _network(kind, folder / name).to(device).eval() for name, kind in _NETWORKS.items()}
    scalers = safetensors.numpy.load_file(folder / _SCALERS)
    return LatentFamily(
        **networks,
        basis=SpectralBasis.from_arrays(safetensors.numpy.load_file(folder / _BASIS)),
        latent_scaler=LatentScaler.from_arrays(scalers, _LATENT),
        condition_scaler=ConditionScaler.from_arrays(scalers, _CONDITION),
    )


def _network(kind: Any, folder: Path) -> Any:
    """Build a network from its own files; diffusers' loader would fill weights that are missing at random."""
    network = kind.from_config(kind.load_config(folder, local_files_only=True))
    network.load_state_dict(safetensors.torch.load_file(folder / SAFETENSORS_WEIGHTS_NAME), strict=True)
    return network


def _drop_origin(config: Path) -> None:
    """Remove the path that diffusers notes in a network that was itself loaded from disk."""
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _let_others_read(folder: Path) -> None:
    """Open files to other users, as whom the service may run: safetensors writes for the owner alone."""
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)


def _hashes(folder: Path) -> dict[str, str]:
    """Relative name and sha256 of everything in a version's folder that decides its numbers."""
    kept = (path for path in sorted(folder.rglob("*")) if path.suffix in {".safetensors", ".json"})
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in kept
        if path.name != "manifest.json"
    }
