"""Refuses a training that could not end well, before any work is done; and pins what a run folder holds."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fiberless.astro.bands import N_BANDS
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.nn.polar import polar_basis
from fiberless.training.config import RunConfig, TrainingConfig

__all__ = ["check_version_folder", "disk_needed", "pin_run", "refusal", "refuse_full_disk", "refuse_hopeless"]

_FLOAT16: Final = 2
_FLOAT32: Final = 4
_TABLES: Final = 100
"""Numbers a galaxy in `prepared.safetensors`, photometry and latent, generously."""
_MOMENTS: Final = N_BANDS * len(polar_basis().order)
_CHECKPOINTS: Final = 400_000_000
"""Bytes of checkpoints, version, logs and pictures at the default sizes, generously."""


def refuse_hopeless(data: ShardSet, config: TrainingConfig, folder: Path, *, processes: int = 1) -> None:
    """Raise `UsageError` where data, disk, installation or processes do not suffice for a run in a folder.

    Raises
    ------
    UsageError
        `invalid-parameter`, saying what is missing and how much of it.

    """
    _refuse_few(config.training_rows(len(data)), config)
    for name in ("contrastive", "denoiser"):
        size = getattr(config, name).batch_size
        if size % processes:
            raise refusal(f"{processes} processes cannot share {name} batches of {size} equally")
    refuse_full_disk(folder, disk_needed(len(data), config, folder))
    if find_spec("matplotlib") is None:
        raise refusal("training draws pictures of its progress: pip install 'fiberless[train]'")


def refuse_full_disk(folder: Path, needed: int) -> None:
    """Raise `UsageError` (`invalid-parameter`) where a run in a folder needs more bytes than are free."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < needed:
        raise refusal(f"{folder} needs {needed / 1e9:.1f} GB of disk; {free / 1e9:.1f} GB are free")


def disk_needed(n: int, config: TrainingConfig, folder: Path) -> int:
    """Bytes that a run of n galaxies will still write into its folder."""
    expected = {
        "prepared.safetensors": n * (_TABLES + _MOMENTS) * _FLOAT32,
        "features.npy": n * config.feature_views * config.encoder_width * _FLOAT16,
    }
    return sum(max(0, size - _on_disk(folder / name)) for name, size in expected.items()) + _CHECKPOINTS


def check_version_folder(folder: Path) -> None:
    """Raise `UsageError` (`invalid-parameter`) if a version is already in the folder."""
    if (folder / "manifest.json").exists():
        raise refusal(f"{folder} holds a version, and versions are never overwritten; choose another --out")


def pin_run(folder: Path, config: RunConfig, data: ShardSet) -> None:
    """Write configuration and data set of a run into its folder, or compare them with those written.

    Raises
    ------
    UsageError
        `invalid-parameter`, naming what differs, if the folder holds another run.

    """
    folder.mkdir(parents=True, exist_ok=True)
    _pin(folder / "config.json", config.model_dump(mode="json"), "another configuration")
    _pin(folder / "data.json", data.info.model_dump(mode="json"), "another data set")


def _pin(path: Path, content: dict[str, Any], fault: str) -> None:
    if not path.exists():
        path.write_text(json.dumps(content, indent=1) + "\n")
        return
    try:
        found = _flat(json.loads(path.read_text()))
    except ValueError as error:
        raise refusal(f"{path} cannot be read: {error}") from error
    new = _flat(content)
    changed = [name for name in sorted(found.keys() | new.keys()) if found.get(name) != new.get(name)]
    if changed:
        said = "; ".join(f"{name} is {found.get(name)}, not {new.get(name)}" for name in changed)
        raise refusal(f"{path.parent} holds a run with {fault}: {said}. Choose another --run")


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


def _refuse_few(rows: int, config: TrainingConfig) -> None:
    needed = max(config.contrastive.batch_size, 2 * config.n_components)
    if rows < needed:
        raise refusal(
            f"{rows} galaxies to train on are too few: a contrast of {config.contrastive.batch_size} and "
            f"{config.n_components} components need at least {needed}, and a good model 100,000"
        )


def _on_disk(path: Path) -> int:
    """Bytes that a file takes, which are fewer than its length while it is being filled."""
    return path.stat().st_blocks * 512 if path.exists() else 0


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def refusal(detail: str) -> UsageError:
    """Error of a training that could not end well."""
    return UsageError("invalid-parameter", detail)
