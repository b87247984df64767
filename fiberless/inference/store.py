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

from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.contract.manifest import Manifest, file_sha256, read_manifest, verify_files, weights_sha256
from fiberless.errors import FatalError, UsageError
from fiberless.inference.basis import LatentScaler, SpectralBasis
from fiberless.inference.cascade import CascadeFamily, CascadeSampling
from fiberless.inference.conditioning import ConditionScaler
from fiberless.inference.family import Family
from fiberless.inference.latent import LatentFamily
from fiberless.inference.spectrum_scaler import SpectrumScaler
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet

__all__ = ["load_family", "load_version", "save_cascade", "save_version"]

_NETWORKS: Final = {
    "image_encoder": ImageEncoder,
    "latent_encoder": LatentEncoder,
    "denoiser": LatentDenoiser,
}
_CASCADE_NETWORKS: Final = {
    "low": SpectrumUNet,
    "high": SpectrumUNet,
    "contrast_low": SpectrumContrast,
    "contrast_high": SpectrumContrast,
}
_BASIS, _SCALERS, _SAMPLING = "basis.safetensors", "scalers.safetensors", "sampling.json"
_LATENT, _CONDITION, _SPECTRUM = "latent.", "condition.", "spectrum."


def save_version(folder: Path, family: LatentFamily, *, card: str, **manifest: Any) -> Manifest:
    """Write a complete version: networks, basis, scalers, card and manifest.

    Parameters
    ----------
    folder : Path
        New or empty folder; its name is the version's.
    card : str
        Markdown text of `card.md`.
    **manifest
        Fields of `fiberless.contract.manifest.Manifest` that are not derived here: name, redshift_range,
        r_magnitude_limit, sampler_steps, n_candidates, training, training_data, metrics.

    """
    _save_networks(folder, {name: getattr(family, name) for name in _NETWORKS})
    safetensors.numpy.save_file(family.basis.to_arrays(), folder / _BASIS)
    scalers = family.latent_scaler.to_arrays(_LATENT) | family.condition_scaler.to_arrays(_CONDITION)
    safetensors.numpy.save_file(scalers, folder / _SCALERS)
    return _finish(folder, card, manifest | {"family": "latent"})


def save_cascade(folder: Path, family: CascadeFamily, *, card: str, **manifest: Any) -> Manifest:
    """Write a complete version of the cascade; parameters are those of `save_version`."""
    _save_networks(folder, {name: getattr(family, name) for name in _CASCADE_NETWORKS})
    scalers = family.scaler.to_arrays(_SPECTRUM) | family.condition_scaler.to_arrays(_CONDITION)
    safetensors.numpy.save_file(scalers, folder / _SCALERS)
    (folder / _SAMPLING).write_text(family.sampling.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return _finish(folder, card, manifest | {"family": "cascade"})


def load_family(store: Path, version: str, device: str = "cpu") -> tuple[Family, Manifest]:
    """Check a version's files against their pinned hashes, then load it, of whatever family it is.

    Raises
    ------
    UsageError
        `unknown-model` if the store has no such version.
    FatalError
        `model-unavailable` if a file is missing or altered (it is named), or does not hold what it must.

    """
    manifest = read_manifest(store, version)
    verify_files(store, manifest)
    load = _load_cascade if manifest.family == "cascade" else _load
    try:
        return load(store / manifest.version, torch.device(device)), manifest
    except (KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise FatalError("model-unavailable", f"{version} cannot be loaded: {error}") from error


def load_version(store: Path, version: str, device: str = "cpu") -> tuple[LatentFamily, Manifest]:
    """Load a version of the latent model, as `load_family` does.

    Raises
    ------
    UsageError
        `unknown-model` if the store has no such version; `invalid-parameter` if it is of another family.
    FatalError
        As `load_family`.

    """
    family, manifest = load_family(store, version, device)
    if not isinstance(family, LatentFamily):
        raise UsageError("invalid-parameter", f"this needs a latent model; {version} is a {manifest.family}")
    return family, manifest


def _load(folder: Path, device: torch.device) -> LatentFamily:
    networks = {name: _network(kind, folder / name).to(device).eval() for name, kind in _NETWORKS.items()}
    scalers = safetensors.numpy.load_file(folder / _SCALERS)
    return LatentFamily(
        **networks,
        basis=SpectralBasis.from_arrays(safetensors.numpy.load_file(folder / _BASIS)),
        latent_scaler=LatentScaler.from_arrays(scalers, _LATENT),
        condition_scaler=ConditionScaler.from_arrays(scalers, _CONDITION),
    )


def _load_cascade(folder: Path, device: torch.device) -> CascadeFamily:
    networks = {
        name: _network(kind, folder / name).to(device).eval() for name, kind in _CASCADE_NETWORKS.items()
    }
    scalers = safetensors.numpy.load_file(folder / _SCALERS)
    return CascadeFamily(
        **networks,
        scaler=SpectrumScaler.from_arrays(scalers, _SPECTRUM),
        condition_scaler=ConditionScaler.from_arrays(scalers, _CONDITION),
        sampling=CascadeSampling.model_validate_json((folder / _SAMPLING).read_bytes()),
    )


def _save_networks(folder: Path, networks: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        network.save_pretrained(folder / name, safe_serialization=True)
        _drop_origin(folder / name / "config.json")


def _finish(folder: Path, card: str, manifest: dict[str, Any]) -> Manifest:
    """Write card and manifest beside everything else."""
    (folder / "card.md").write_text(card, encoding="utf-8")
    _let_others_read(folder)
    files = _hashes(folder)
    derived = {
        "version": folder.name,
        "created": datetime.now(UTC),
        "rest_range_aa": (float(REST_WAVE_AA[0]), float(REST_WAVE_AA[-1])),
        "files": files,
        "weights_sha256": weights_sha256(files),
    }
    complete = Manifest.model_validate(derived | manifest)
    (folder / "manifest.json").write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return complete


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
