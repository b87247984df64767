import copy
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fiberless.inference.sampler import noise_levels
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder
from fiberless.nn.polar import polar_basis, project

NETWORKS = (ImageEncoder, LatentEncoder, LatentDenoiser)


def _perturbed(network):
    """Weights as after training: no layer is left at zero."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05)
            nn.init.normal_(module.bias, std=0.05)
    return network.eval()


def _arguments(network):
    return {name: value for name, value in network.config.items() if not name.startswith("_")}


def _inputs(network, n=3):
    generator = torch.Generator().manual_seed(2)
    image = torch.randn(n, 5, 64, 64, generator=generator)
    photometry, features = torch.randn(n, 49, generator=generator), torch.randn(n, 512, generator=generator)
    latent, sigma = torch.randn(n, 65, generator=generator), torch.tensor([0.01, 1.0, 40.0])[:n]
    match network:
        case ImageEncoder():
            return image, photometry
        case LatentEncoder():
            return (latent[:, 1:],)
        case _:
            return latent * (1 + sigma[:, None]), sigma, features, photometry


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda kind: kind.__name__)
def network(request):
    return _perturbed(request.param())


def test_sizes_are_those_of_the_recipe():
    millions = [sum(p.numel() for p in kind().parameters()) / 1e6 for kind in NETWORKS]
    assert millions == pytest.approx([4.60, 0.69, 14.08], rel=0.01)


def test_a_saved_network_is_the_same_network(network, tmp_path: Path):
    network.save_pretrained(tmp_path, safe_serialization=True)
    again = type(network).from_pretrained(tmp_path, low_cpu_mem_usage=False, local_files_only=True).eval()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert _arguments(again) == json.loads(json.dumps(_arguments(network)))
    with torch.inference_mode():
        assert torch.equal(network(*_inputs(network)), again(*_inputs(network)))


def test_every_weight_learns(network):
    network.zero_grad()
    output = _everything(network)
    (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    network.zero_grad()
    assert not idle


def test_bfloat16_weights_give_finite_float32_close_to_the_exact_answer(network):
    exact = network(*_inputs(network)).detach()
    rough = copy.deepcopy(network).bfloat16()(*_inputs(network)).detach()
    assert rough.dtype == torch.float32
    assert rough.isfinite().all()
    error = (rough - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert error.max() < 0.03


def _everything(network):
    """Output, beside an image's features their embedding too."""
    output = network(*_inputs(network))
    is_image = isinstance(network, ImageEncoder)
    return torch.cat([output, network.embed(output)], dim=-1) if is_image else output


def test_embeddings_have_unit_length():
    image, latent = ImageEncoder(), LatentEncoder()
    for embedding in (image.embed(image(*_inputs(image))), latent(*_inputs(latent))):
        assert embedding.shape == (3, 256)
        assert torch.allclose(embedding.norm(dim=-1), torch.ones(3), atol=1e-6)


def test_a_galaxy_is_encoded_for_itself():
    network = _perturbed(ImageEncoder())
    image, photometry = _inputs(network)
    with torch.inference_mode():
        together, alone = network(image, photometry)[:1], network(image[:1], photometry[:1])
    # sums of 512 products in float32, whose order BLAS chooses by the number of galaxies
    assert torch.allclose(together, alone, atol=1e-5)


def test_an_untrained_denoiser_knows_the_unit_normal():
    # E[x0 | x] = x / (1 + sigma^2) for x0 ~ N(0, 1)
    network = LatentDenoiser()
    x, sigma, *condition = _inputs(network)
    assert torch.allclose(network(x, sigma, *condition), x / (1 + sigma[:, None] ** 2), rtol=1e-5)


def test_without_noise_the_denoiser_returns_its_input():
    network = _perturbed(LatentDenoiser())
    x, _, *condition = _inputs(network)
    assert torch.allclose(network(x, torch.full((3,), 1e-7), *condition), x, atol=1e-5)


def test_condition_is_computed_once_and_shared_by_the_candidates():
    network = _perturbed(LatentDenoiser())
    _, sigma, features, photometry = _inputs(network)
    x = torch.randn(3, 4, 65, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        condition = network.encode_condition(features, photometry)[:, None]
        together = network.denoise(x, sigma[:, None], condition)
        one_by_one = torch.stack([network(x[:, k], sigma, features, photometry) for k in range(4)], dim=1)
    assert torch.allclose(together, one_by_one, rtol=1e-4, atol=1e-5)


def test_noise_embedding_tells_all_levels_apart_in_every_wave():
    # integer frequencies once overflowed to zero in half of a released network's embedding
    network = LatentDenoiser()
    seen: list[torch.Tensor] = []
    network.noise.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.noise(torch.tensor(noise_levels(250)), torch.float32)
    waves = seen[0]
    assert waves.isfinite().all()
    assert (waves.std(dim=0) > 0.05).all()
    fewer = waves[torch.linspace(0, 249, 15).long()]
    assert (torch.cdist(fewer, fewer) + 9 * torch.eye(15)).min() > 0.5


def test_blocks_on_the_condition_begin_as_none():
    torch.manual_seed(7)
    plain = LatentDenoiser(condition_depth=0)
    deep = LatentDenoiser(condition_depth=2)
    deep.load_state_dict(plain.state_dict(), strict=False)
    inputs = _inputs(deep)
    assert torch.equal(deep.encode_condition(*inputs[2:]), plain.encode_condition(*inputs[2:]))
    assert len(deep.condition) == 2


def test_moments_turn_with_the_image():
    """A quarter turn of the pixels and the same turn of the moments are one; so are reflections."""
    image = torch.randn(4, 5, 64, 64, generator=torch.Generator().manual_seed(8))
    network = ImageEncoder()
    moments = network.project(image)
    nowhere = torch.zeros(4, dtype=torch.bool)
    for quarters in (1, 2, 3):
        turned = network.project(torch.rot90(image, quarters, dims=(2, 3)))
        # rows of pixels run downwards: rot90 turns by minus a quarter in their coordinates
        angle = torch.full((4,), -quarters * math.pi / 2)
        assert torch.allclose(network.turn(moments, angle, mirrored=nowhere), turned, atol=1e-4)
    upside_down = network.turn(moments, torch.zeros(4), mirrored=~nowhere)
    assert torch.allclose(upside_down, network.project(image.flip(2)), atol=1e-4)


def test_turning_there_and_back_changes_nothing():
    generator = torch.Generator().manual_seed(9)
    network, moments = ImageEncoder(), torch.randn(3, 5, 92, generator=generator)
    angle, nowhere = torch.tensor([0.3, 2.0, -1.1]), torch.zeros(3, dtype=torch.bool)
    there = network.turn(moments, angle, mirrored=nowhere)
    assert not torch.allclose(there, moments, atol=0.1)
    assert torch.allclose(network.turn(there, -angle, mirrored=nowhere), moments, atol=1e-5)


def test_the_encoder_projects_as_the_library_does():
    image = torch.randn(2, 5, 64, 64, generator=torch.Generator().manual_seed(10))
    assert torch.allclose(ImageEncoder().project(image), torch.from_numpy(project(image.numpy())), atol=1e-4)


def test_fitted_moments_are_standardised_alike_in_every_orientation():
    generator = torch.Generator().manual_seed(11)
    network, moments = ImageEncoder(), 3 + 2 * torch.randn(500, 5, 92, generator=generator)
    network.fit_moments(moments)
    order = torch.from_numpy(polar_basis().order)
    scaled = (moments - network.moment_mean) / network.moment_scale
    assert torch.allclose(scaled[..., order == 0].mean(dim=0), torch.zeros(5, 12), atol=1e-4)
    assert torch.allclose(scaled[..., order == 0].std(dim=0), torch.ones(5, 12), atol=1e-3)
    partner = torch.from_numpy(polar_basis().partner)
    assert torch.equal(network.moment_scale[:, partner], network.moment_scale)
    assert (network.moment_mean[:, order > 0] == 0).all()
