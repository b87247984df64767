"""Two real processes, started by torchrun, train what one process does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fiberless.errors import UsageError
from fiberless.training.process import TrainingProcess, join_processes
from fiberless.training.train import Training

ONE_OF_SEVERAL = Path(__file__).parent / "one_of_several.py"


@pytest.fixture(scope="module")
def exact(tiny):
    """In full precision, so that only the order of additions differs."""
    stages = {
        name: getattr(tiny, name).model_copy(update={"steps": 3}) for name in ("contrastive", "denoiser")
    }
    return tiny.model_copy(update={"precision": "fp32", **stages})


@pytest.fixture(scope="module")
def two_folder(data, exact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    config = folder / "given.json"
    config.write_text(exact.model_dump_json())
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [ONE_OF_SEVERAL, data.paths[0].parent, config, folder]
    subprocess.run([*launch, *arguments], check=True, timeout=200)
    return folder


@pytest.fixture(scope="module")
def ranks(two_folder):
    return [torch.load(two_folder / f"rank-{rank}.pt") for rank in (0, 1)]


def test_both_end_with_the_same_weights(ranks):
    first, second = (rank["weights"] for rank in ranks)
    assert [rank["processes"] for rank in ranks] == [2, 2]
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_two_processes_are_one_with_the_whole_batch(ranks, two_folder, data, exact, tmp_path):
    """Losses as logged are of the whole batch: a contrast of half of it would be lower by ln 2."""
    family = Training(data, exact, tmp_path, progress=lambda *_: None).finish().family
    for stage in ("contrastive", "denoiser"):
        ours, theirs = (
            np.loadtxt(f / f"{stage}.csv", delimiter=",", skiprows=1) for f in (tmp_path, two_folder)
        )
        np.testing.assert_allclose(ours[:, :3], theirs[:, :3], atol=2e-4)
    for name, value in ranks[0]["weights"].items():
        network, _, key = name.partition(".")
        torch.testing.assert_close(value, getattr(family, network).state_dict()[key], atol=1e-4, rtol=0)


def test_shares_of_a_batch_are_disjoint_and_whole():
    rows = [row for rank in range(3) for row in range(12)[TrainingProcess(rank=rank, count=3).share(12)]]
    assert rows == list(range(12))
    with pytest.raises(UsageError, match="3 processes cannot share a batch of 16"):
        TrainingProcess(count=3).share(16)


def test_a_batch_that_processes_cannot_share_is_refused_before_any_work(data, tiny, tmp_path):
    with pytest.raises(UsageError, match="3 processes cannot share contrastive batches of 16"):
        Training(data, tiny, tmp_path / "run", progress=lambda *_: None, process=TrainingProcess(count=3))
    assert not (tmp_path / "run").exists()


def test_the_device_is_one_that_exists():
    with join_processes("cpu") as process:
        assert (process.device.type, process.first, process.count) == ("cpu", True, 1)
    with pytest.raises(UsageError, match="none of auto, cpu, cuda"), join_processes("abacus"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(UsageError, match="no CUDA device"), join_processes("cuda"):
        pass
    with join_processes("auto") as process:
        assert process.device.type == "cpu"
