"""Latent entries that are NaN are not known: they neither count nor spread."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from fiberless.training.contrastive import pairs
from fiberless.training.diffusion import DenoiserData, denoiser_loss
from fiberless.training.process import TrainingProcess
from fiberless.training.train import Training

NAN = float("nan")


class Recorder(nn.Module):
    """A denoiser that answers a learned constant, and remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.answer = nn.Parameter(torch.zeros(4))

    def forward(self, noisy, sigma, features, photometry):  # noqa: ARG002
        self.noisy = noisy
        return self.answer.expand(noisy.shape)


@pytest.fixture
def config(tiny):
    """Always σ = 1, so that the weight is 2."""
    stage = tiny.denoiser.model_copy(update={"batch_size": 4096})
    return tiny.model_copy(update={"ln_sigma_mean": 0.0, "ln_sigma_std": 0.0, "denoiser": stage})


def loss_of(latent, config, denoiser):
    n = len(latent)
    data = DenoiserData(torch.tensor(latent), torch.zeros(1, n, 2), torch.zeros(n, 3), torch.zeros(n, 0, 0))
    return denoiser_loss(denoiser, data, config, torch.Generator().manual_seed(5), process=TrainingProcess())


def test_an_unknown_entry_is_no_part_of_the_error(config):
    denoiser = Recorder()
    loss = loss_of([[2.0, 2.0, NAN, 2.0]] * 5, config, denoiser)
    loss.backward()
    assert loss.item() == pytest.approx(2 * (4 + 4 + 0 + 4) / 4)
    assert denoiser.answer.grad.tolist() == pytest.approx([-2.0, -2.0, 0.0, -2.0])


def test_the_network_sees_a_unit_normal_draw_in_its_place(config):
    denoiser = Recorder()
    loss_of([[2.0, 2.0, NAN, 2.0]] * 5, config, denoiser)
    assert denoiser.noisy.isfinite().all()
    assert denoiser.noisy.mean(dim=0).tolist() == pytest.approx([2.0, 2.0, 0.0, 2.0], abs=0.1)
    assert denoiser.noisy.std(dim=0).tolist() == pytest.approx([1.0, 1.0, 2**0.5, 1.0], abs=0.05)


def test_random_numbers_of_known_entries_do_not_depend_on_unknown_ones(config):
    whole, holed = Recorder(), Recorder()
    loss_of([[2.0, 1.0, 3.0, 2.0]] * 5, config, whole)
    loss_of([[2.0, 1.0, NAN, 2.0]] * 5, config, holed)
    assert torch.equal(whole.noisy[:, [0, 1, 3]], holed.noisy[:, [0, 1, 3]])


def test_the_contrast_is_told_which_entries_are_unknown(data, tiny, run_folder, trained):  # noqa: ARG001
    prepared = Training(data, tiny, run_folder, progress=lambda *_: None).prepared
    latent = prepared.latent.copy()
    latent[1, 4] = np.nan
    _, _, seen = pairs(dataclasses.replace(prepared, latent=latent), np.arange(3), torch.device("cpu"))
    assert np.array_equal(seen.numpy(), latent[:3], equal_nan=True)
