import pytest
import torch

from fiberless.nn.polar import polar_basis
from fiberless.training.contrastive import ContrastiveTowers, ln_error

SIZE = 9


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(5)
    shapes = (6, 5, len(polar_basis().order)), (6, 49), (6, SIZE)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


@pytest.fixture
def towers(tiny):
    torch.manual_seed(6)
    exact = tiny.model_copy(update={"precision": "fp32", "regression_share": 0.0})
    return ContrastiveTowers(exact, SIZE)


def embeddings(towers, moments, photometry, latent):
    return towers.embed(towers.encode(moments, photometry), latent)


@torch.no_grad()
def test_without_regression_it_is_infonce_of_both_directions(towers, batch):
    images, latents = embeddings(towers, *batch)
    assert torch.allclose(images.norm(dim=1), torch.ones(6), atol=1e-5)
    logits = images @ latents.T / 0.07
    own = logits.diagonal()
    by_hand = (logits.logsumexp(0) - own + logits.logsumexp(1) - own).mean() / 2
    assert towers(*batch).item() == pytest.approx(by_hand.item(), rel=1e-5)


@torch.no_grad()
def test_the_contrast_does_not_see_the_amplitude_and_reads_what_is_unknown_as_zero(towers, batch):
    changed = batch[2].clone()
    changed[:, 1] += 3.0
    assert torch.equal(embeddings(towers, *batch)[1], embeddings(towers, *batch[:2], changed)[1])
    unknown, zero = batch[2].clone(), batch[2].clone()
    unknown[2, 4], zero[2, 4] = float("nan"), 0.0
    assert torch.equal(embeddings(towers, *batch[:2], unknown)[1], embeddings(towers, *batch[:2], zero)[1])


@torch.no_grad()
def test_shares_weigh_contrast_and_regression(towers, batch):
    contrast = towers(*batch).item()
    towers.regression_share = 1.0
    towers.regression.weight.zero_()
    towers.regression.bias.zero_()
    told_nothing = batch[2].square().mean(dim=0).log().mean().item()
    assert towers(*batch).item() == pytest.approx(told_nothing, rel=1e-3)
    towers.regression_share = 0.25
    assert towers(*batch).item() == pytest.approx(0.75 * contrast + 0.25 * told_nothing, rel=1e-3)


def test_ln_error_is_blind_to_units_and_to_what_is_unknown():
    told, latent = torch.zeros(4, 2), torch.tensor([[1.0, 10.0]] * 3 + [[1.0, float("nan")]])
    assert ln_error(told, latent).item() == pytest.approx(torch.tensor(100.0).log().item() / 2, rel=1e-3)
    scaled = ln_error(told, latent * torch.tensor([1.0, 0.5])).item()
    assert scaled == pytest.approx(ln_error(told, latent).item() - torch.tensor(2.0).log().item(), rel=1e-3)


def test_a_well_told_dimension_pulls_as_hard_as_one_that_is_not():
    told = torch.zeros(8, 2, requires_grad=True)
    latent = torch.stack([torch.full((8,), 0.2), torch.full((8,), 2.0)], dim=1)
    (ln_error(told, latent) * 8).backward()
    # d ln(e²)/d told = −2/e a galaxy, over 2 dimensions: plain squares would give −e
    assert told.grad[0].tolist() == pytest.approx([-1 / 0.2, -1 / 2.0], rel=0.01)


def test_a_dimension_that_nobody_knows_leaves_all_finite(towers, batch):
    towers.regression_share = 0.9
    unknown = batch[2].clone()
    unknown[:, 3] = float("nan")
    loss = towers(*batch[:2], unknown)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in towers.parameters() if p.grad is not None)


def test_regression_teaches_the_image_tower_alone(towers, batch):
    towers.regression_share = 1.0
    towers(*batch).backward()
    assert towers.image_encoder.project_in.weight.grad.abs().sum() > 0
    assert towers.latent_encoder.project_in.weight.grad.abs().sum() == 0
