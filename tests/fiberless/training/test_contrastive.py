import math

import pytest
import torch

from fiberless.polar import polar_basis
from fiberless.training.contrastive import ContrastiveTowers

SIZE = 9


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(5)
    shapes = (6, 5, len(polar_basis().order)), (6, 49), (6, SIZE - 1)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


@pytest.fixture
def towers(tiny):
    torch.manual_seed(6)
    exact = tiny.model_copy(update={"precision": "fp32", "regression_weight": 0.0})
    return ContrastiveTowers(exact, SIZE)


@torch.no_grad()
def test_without_regression_it_is_infonce_of_both_directions(towers, batch):
    images, latents = towers.embed(*batch)
    logits = images @ latents.T / 0.07
    own = logits.diagonal()
    by_hand = (logits.logsumexp(0) - own + logits.logsumexp(1) - own).mean() / 2
    assert towers(*batch).item() == pytest.approx(by_hand.item(), rel=1e-5)


@torch.no_grad()
def test_a_constant_map_adds_the_latents_mean_square_times_the_weight(towers, batch):
    alone = towers(*batch).item()
    towers.regression_weight = 3.0
    towers.regression.weight.zero_()
    towers.regression.bias.zero_()
    assert towers(*batch).item() == pytest.approx(alone + 3.0 * batch[2].square().mean().item(), rel=1e-5)


def test_the_map_reads_embeddings_of_unit_variance(towers, batch):
    """Embeddings have unit length; without a scale of √E a map would begin 16 times too weak."""
    seen = []
    towers.regression.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    towers(*batch)
    rms = seen[0].square().mean(dim=1).sqrt()
    assert torch.allclose(rms, torch.ones(len(rms)), atol=1e-5)
    assert math.isclose(towers.image_encoder.embed(*batch[:2]).norm(dim=1)[0].item(), 1.0, abs_tol=1e-5)


def test_regression_teaches_the_image_tower(towers, batch):
    towers.regression_weight = 1.0
    error = towers._regression_error(towers.embed(*batch)[0], batch[2])
    error.backward()
    assert towers.image_encoder.project_in.weight.grad.abs().sum() > 0
    assert towers.latent_encoder.project_in.weight.grad is None
