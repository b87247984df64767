import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fiberless.contract.manifest import (
    file_sha256,
    read_manifest,
    resolve_version,
    verify_files,
    weights_sha256,
)
from fiberless.errors import FatalError, UsageError
from fiberless.inference.store import load_version, save_version

FILES = (
    "basis.safetensors",
    "denoiser/config.json",
    "denoiser/diffusion_pytorch_model.safetensors",
    "image_encoder/config.json",
    "image_encoder/diffusion_pytorch_model.safetensors",
    "latent_encoder/config.json",
    "latent_encoder/diffusion_pytorch_model.safetensors",
    "scalers.safetensors",
)


@pytest.fixture
def copy(store, tmp_path) -> Path:
    shutil.copytree(store, tmp_path / "store")
    return tmp_path / "store"


def _save_again(folder: Path, family, manifest):
    given = ("name", "redshift_range", "r_magnitude_limit", "sampler_steps", "n_candidates")
    fields = {name: getattr(manifest, name) for name in (*given, "training", "training_data")}
    return save_version(folder, family, card="# Card\n", **fields)


def test_version_is_complete_and_the_default(store):
    manifest = read_manifest(store, resolve_version(store, None))
    assert tuple(manifest.files) == FILES
    verify_files(store, manifest)
    assert (store / manifest.version / "card.md").read_text().startswith("# Toy model")


def test_loaded_and_saved_again_is_the_same_version(store, tmp_path):
    family, manifest = load_version(store, "toy-1")
    again = _save_again(tmp_path / "toy-1", family, manifest)
    assert again.files == manifest.files
    assert again.weights_sha256 == manifest.weights_sha256


def test_a_service_that_runs_as_another_user_can_read_the_weights(store):
    closed = [path.name for path in store.rglob("*.safetensors") if not path.stat().st_mode & 0o004]
    assert closed == []


def test_no_folder_of_this_machine_is_written(store, tmp_path):
    family, manifest = load_version(store, "toy-1")
    _save_again(tmp_path / "toy-1", family, manifest)
    for path in (tmp_path / "toy-1").rglob("*.json"):
        assert str(store) not in path.read_text()


def test_every_number_comes_back_bit_for_bit(full_family, store, tmp_path):
    _save_again(tmp_path / "big-1", full_family, read_manifest(store, "toy-1"))
    loaded, _ = load_version(tmp_path, "big-1")
    for name in ("image_encoder", "latent_encoder", "denoiser"):
        before, after = getattr(full_family, name).state_dict(), getattr(loaded, name).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
        assert not getattr(loaded, name).training
    for name in ("basis", "latent_scaler", "condition_scaler"):
        before, after = getattr(full_family, name).to_arrays(), getattr(loaded, name).to_arrays()
        for key, array in before.items():
            assert array.dtype == after[key].dtype
            assert np.array_equal(array, after[key]), key


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused_by_name(copy, name):
    path = copy / "toy-1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FatalError, match=f"toy-1/{name} does not match its pinned sha256") as caught:
        load_version(copy, "toy-1")
    assert caught.value.slug == "model-unavailable"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(copy, name):
    (copy / "toy-1" / name).unlink()
    with pytest.raises(FatalError, match=f"toy-1/{name} is missing"):
        load_version(copy, "toy-1")


def test_pinned_files_that_do_not_fit_together_are_refused(copy):
    folder = copy / "toy-1"
    shutil.copy(folder / "basis.safetensors", folder / "scalers.safetensors")
    _pin_again(folder)
    with pytest.raises(FatalError, match=r"toy-1 cannot be loaded: .*redshift_support"):
        load_version(copy, "toy-1")


@pytest.mark.parametrize("change", [{"width": 32}, {"depth": 1}, {"depth": 3}])
def test_weights_of_another_architecture_are_refused(copy, change):
    # a deeper network must not be filled up with random weights
    config = copy / "toy-1" / "denoiser" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    _pin_again(copy / "toy-1")
    with pytest.raises(FatalError, match="toy-1 cannot be loaded"):
        load_version(copy, "toy-1")


def _pin_again(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: file_sha256(folder / name) for name in manifest["files"]}
    manifest["weights_sha256"] = weights_sha256(manifest["files"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_an_unknown_version_is_the_callers_fault(store):
    with pytest.raises(UsageError, match="no model 'toy-2'; there are: toy-1") as caught:
        load_version(store, "toy-2")
    assert caught.value.slug == "unknown-model"
