from pathlib import Path

import pytest
from pydantic import ValidationError

from fiberless.service.settings import Settings
from fiberless.service.storage import open_store


def test_an_empty_variable_counts_as_unset(monkeypatch):
    for name in ("FRAMES_DIR", "REDIS_URL", "DEFAULT_MODEL", "PORT"):
        monkeypatch.setenv(f"FIBERLESS_{name}", "")
    settings = Settings()
    assert (settings.frames_dir, settings.redis_url, settings.default_model) == (None, None, None)
    assert settings.port == 8000


@pytest.mark.parametrize("prefix", ["", "FIBERLESS_"])
def test_port_and_data_folder_are_read_under_both_names(monkeypatch, prefix):
    monkeypatch.setenv(f"{prefix}PORT", "9")
    monkeypatch.setenv(f"{prefix}DATA_DIR", "/somewhere")
    assert (Settings().port, Settings().data_dir) == (9, Path("/somewhere"))


def test_the_own_name_wins_over_the_platforms(monkeypatch):
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("FIBERLESS_PORT", "2")
    assert Settings().port == 2


def test_without_urls_database_and_blobs_lie_in_the_data_folder(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert settings.resolved_database_url == f"sqlite:///{tmp_path.resolve()}/fiberless.sqlite"
    assert settings.resolved_blob_url == f"{tmp_path.resolve()}/blobs"


@pytest.mark.parametrize("name", ["My Data", "José", "run#1", "what?", "50%41", "a::b", "a;b&c=d"])
def test_any_name_of_the_data_folder_holds_database_and_blobs(tmp_path, name):
    folder = tmp_path / name
    store = open_store(Settings(data_dir=folder))
    key = store.blobs.put(b"content")
    store.close()
    assert (folder / "fiberless.sqlite").is_file()
    assert (folder / "blobs" / key[:2] / key).read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nonsense_is_refused(monkeypatch):
    monkeypatch.setenv("FIBERLESS_BATCH_SIZE", "0")
    with pytest.raises(ValidationError, match="batch_size"):
        Settings()
