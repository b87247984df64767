import json

import numpy as np
import pytest

from fiberless.datasets.mock import generate as module
from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(module, "SHARD_SIZE", 6)


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_survey_ends_with_the_same_shards(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert list(generate(whole, n=15, seed=4, workers=1))[-1] == 15
    list(generate(stopped, n=15, seed=4, workers=1))
    (stopped / "shard-00001.safetensors").unlink()
    (stopped / "shard-00002.tmp").write_bytes(b"half a shard")
    assert list(generate(stopped, n=15, seed=4, workers=1)) == [9, 15]
    for path in whole.glob("shard-*.safetensors"):
        assert path.read_bytes() == (stopped / path.name).read_bytes()


@pytest.mark.usefixtures("small_shards")
def test_columns_are_read_across_shards(tmp_path):
    list(generate(tmp_path, n=15, seed=4, workers=1))
    data = ShardSet(tmp_path)
    assert len(data) == 15
    assert data.column("image").shape == (15, 5, 64, 64)
    assert data.column("image", limit=8).shape == (8, 5, 64, 64)
    np.testing.assert_array_equal(data.truth("redshift", limit=8), data.truth("redshift")[:8])
    assert sum(len(shard["truth"]) for shard in data.shards()) == 15


@pytest.mark.usefixtures("small_shards")
def test_another_survey_is_never_mixed_in(tmp_path):
    list(generate(tmp_path, n=6, seed=4, workers=1))
    with pytest.raises(UsageError, match="another data set"):
        next(generate(tmp_path, n=6, seed=5))


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UsageError, match="holds no data set"):
        ShardSet(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"kind": "mock"}))
    with pytest.raises(UsageError, match="holds no data set"):
        ShardSet(tmp_path)
