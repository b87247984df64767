"""Where model versions are looked for: never in the working folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fiberless.contract import model_stores
from fiberless.errors import FatalError, UsageError
from fiberless.service.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working folder with a store of its own, and a user with another."""
    monkeypatch.delenv("FIBERLESS_MODEL_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "model_store", "here")
    return tmp_path


def put(store, version, *, is_default=True):
    (store / version).mkdir(parents=True)
    (store / version / "manifest.json").write_text("{}")
    if is_default:
        (store / "DEFAULT").write_text(f"{version}\n")
    return store


def bare(monkeypatch):
    """As installed from the wheel: nothing beside the package."""
    monkeypatch.setattr(model_stores, "_BESIDE_PACKAGE", Path("/nowhere/model_store"))


def test_a_checkout_has_its_own_beside_the_package_and_the_users():
    found = model_stores.find_version()
    assert found == (ROOT / "model_store", (ROOT / "model_store" / "DEFAULT").read_text().strip())
    assert Settings().model_store == ROOT / "model_store"


def test_a_version_may_be_in_the_users_folder(elsewhere):
    own = put(elsewhere / "data" / "fiberless" / "models", "own-1")
    assert model_stores.find_version("own-1") == (own, "own-1")


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of user data is that of Linux")
def test_without_a_checkout_it_is_the_users(elsewhere, monkeypatch):
    bare(monkeypatch)
    own = put(elsewhere / "data" / "fiberless" / "models", "own-1")
    assert model_stores.find_version() == (own, "own-1")
    assert Settings().model_store == own


def test_the_setting_wins_alone(elsewhere, monkeypatch):
    chosen = put(elsewhere / "chosen", "mine")
    monkeypatch.setenv("FIBERLESS_MODEL_STORE", str(chosen))
    assert model_stores.find_version() == (chosen, "mine")
    assert model_stores.user_model_store() == chosen
    with pytest.raises(UsageError, match="no model 'latent-6'; there are: mine"):
        model_stores.find_version("latent-6")


def test_it_is_said_how_to_get_a_model(monkeypatch):
    bare(monkeypatch)
    with pytest.raises(FatalError, match=r"model-unavailable: there is no model in .*models fetch URL"):
        model_stores.find_version()


def test_a_process_that_starts_elsewhere_finds_the_same(elsewhere):
    told = "from fiberless.contract.model_stores import find_version; print(*find_version())"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] == str(ROOT / "model_store")
