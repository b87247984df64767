import shutil
from collections import namedtuple

import pytest

from fiberless.errors import UsageError
from fiberless.training.config import TrainingConfig
from fiberless.training.preflight import check_version_folder, disk_needed, pin_run, refuse_hopeless


def test_too_few_galaxies_are_refused_with_the_number_needed(data, tmp_path):
    with pytest.raises(UsageError, match=r"36 galaxies to train on are too few.* at least 1024"):
        refuse_hopeless(data, TrainingConfig(), tmp_path)


def test_a_full_disk_is_refused_with_what_is_needed(data, tiny, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # the shape of shutil's
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2, 1, 100_000_000))
    with pytest.raises(UsageError, match=r"needs 0\.4 GB of disk; 0\.1 GB are free"):
        refuse_hopeless(data, tiny, tmp_path / "not" / "yet")


def test_moments_and_features_take_most_of_the_disk(tmp_path):
    config = TrainingConfig()
    whole = disk_needed(200_000, config, tmp_path)
    # 5 bands x 92 moments, about 100 numbers more, and two orientations of 256 features
    assert whole - 400_000_000 == pytest.approx(200_000 * 4 * (5 * 92 + 100 + 2 * 256), rel=0.01)
    with (tmp_path / "features.npy").open("wb") as begun:
        begun.write(bytes(1_000_000))
        begun.truncate(200_000 * 2 * 256 * 4)  # as long as it will be, a million bytes of it on disk
    assert whole - disk_needed(200_000, config, tmp_path) == pytest.approx(1_000_000, rel=0.05)


def test_a_run_folder_holds_one_configuration_and_one_data_set(data, tiny, tmp_path):
    pin_run(tmp_path, tiny, data)
    pin_run(tmp_path, tiny, data)
    with pytest.raises(UsageError, match=r"another configuration: denoiser\.steps is 7, not 9"):
        pin_run(tmp_path, tiny.with_steps(denoiser=9), data)
    data_file = tmp_path / "data.json"
    data_file.write_text(data_file.read_text().replace('"seed": 8', '"seed": 9'))
    with pytest.raises(UsageError, match="another data set: seed is 9, not 8"):
        pin_run(tmp_path, tiny, data)
    (tmp_path / "config.json").write_text("no JSON")
    with pytest.raises(UsageError, match="cannot be read"):
        pin_run(tmp_path, tiny, data)


def test_a_version_is_never_overwritten(tmp_path):
    check_version_folder(tmp_path / "new")
    (tmp_path / "manifest.json").touch()
    with pytest.raises(UsageError, match="never overwritten"):
        check_version_folder(tmp_path)
