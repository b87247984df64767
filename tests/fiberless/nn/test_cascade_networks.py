import inspect
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fiberless.nn.cosine_schedule import TIMESTEPS, training_schedule
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet
from fiberless.training.cascade.config import CascadeConfig

TINY = {"image_widths": (16, 16), "image_depths": (1, 1), "widths": (16, 16), "blocks": 1, "time_size": 16}


def tiny(**options):
    torch.manual_seed(1)
    network = SpectrumUNet(**TINY, **options).eval()
    for parameter in network.parameters():
        if not parameter.any():  # layers that begin at zero
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def parameters(network):
    return sum(p.numel() for p in network.parameters()) / 1e6


def gflop(network, channels, length):
    with torch.device("meta"):
        x, t, tokens = torch.zeros(1, channels, length), torch.zeros(1), torch.zeros(1, 4, 512)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(x, t, tokens)
    return counter.get_total_flops() / 1e9


def test_default_networks_have_the_papers_sizes():
    low, high, contrast = SpectrumUNet(), SpectrumUNet(in_channels=2), SpectrumContrast()
    assert parameters(low) == pytest.approx(35.9, rel=0.01)
    assert parameters(high) == pytest.approx(35.9, rel=0.01)
    assert parameters(contrast) == pytest.approx(43.5, rel=0.01)
    assert parameters(low.image) == pytest.approx(11.18, rel=0.01)  # ResNet-18 without its classifier
    assert parameters(contrast.image) == pytest.approx(23.5, rel=0.01)  # ResNet-50, likewise
    # the paper's cost 2.6 and 19.5 GFLOP an evaluation
    assert gflop(low, 1, 563) == pytest.approx(2.6, rel=0.12)
    assert gflop(high, 2, 4500) == pytest.approx(19.5, rel=0.12)


def test_the_schedules_length_is_that_of_configurations():
    assert CascadeConfig.model_fields["timesteps"].default == TIMESTEPS
    assert inspect.signature(SpectrumUNet).parameters["timesteps"].default == TIMESTEPS


@pytest.mark.parametrize("size", [16, 128, 864])
def test_no_frequency_of_the_timestep_is_lost(size):
    # an overflow of int64 left half of the paper's frequencies at zero
    waves = SpectrumUNet(**TINY | {"time_size": size}).waves(torch.arange(TIMESTEPS)).numpy()
    assert waves.shape == (TIMESTEPS, size)
    assert waves.dtype == np.float32
    assert np.isfinite(waves).all()
    assert (waves.std(axis=0) > 0.0005).all()
    assert len(np.unique(waves.round(5), axis=0)) == TIMESTEPS


def test_the_timestep_reaches_the_output():
    network = tiny()
    x, tokens = torch.randn(1, 1, 563), network.encode_image(torch.randn(1, 5, 64, 64), torch.zeros(1, 0))
    answers = [network(x, torch.tensor([t]), tokens) for t in (0, 1, 125, 248, 249)]
    for before, after in pairwise(answers):
        assert (before - after).abs().max() > 1e-6


def test_the_image_reaches_the_output_through_its_tokens():
    network = tiny()
    x, image = torch.randn(2, 1, 563), torch.randn(2, 5, 64, 64)
    same = network(x, torch.zeros(2), network.encode_image(image, torch.zeros(2, 0)))
    other = network(x, torch.zeros(2), network.encode_image(image.flip(0), torch.zeros(2, 0)))
    assert (same - other).abs().max() > 1e-6


@pytest.mark.parametrize("patch", [1, 4])
@pytest.mark.parametrize("length", [563, 4500])
def test_lengths_that_no_level_divides_come_back_whole(patch, length):
    network = tiny(in_channels=2, patch=patch)
    tokens = network.encode_image(torch.randn(1, 5, 64, 64), torch.zeros(1, 0))
    assert network(torch.randn(1, 2, length), torch.zeros(1), tokens).shape == (1, length)


def test_the_low_resolution_channel_is_looked_at():
    network = tiny(in_channels=2)
    tokens = network.encode_image(torch.randn(1, 5, 64, 64), torch.zeros(1, 0))
    x = torch.randn(1, 2, 560)
    changed = x.clone()
    changed[:, 1] += 1
    assert (network(x, torch.zeros(1), tokens) - network(changed, torch.zeros(1), tokens)).abs().max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("preconditioned", [False, True])
def test_no_timestep_gives_nan_at_any_dtype(dtype, preconditioned):
    network = tiny(preconditioned=preconditioned).to(dtype)
    tokens = network.encode_image(torch.randn(1, 5, 64, 64), torch.zeros(1, 0)).expand(3, -1, -1)
    out = network(5 * torch.randn(3, 1, 563), torch.tensor([0.0, 100.5, 249.0]), tokens)
    assert out.dtype == torch.float32
    assert out.isfinite().all()


def test_preconditioning_knows_the_noise_of_a_unit_normal():
    network = tiny(preconditioned=True)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    signal = training_schedule().alphas_cumprod
    tokens = network.encode_image(torch.randn(1, 5, 64, 64), torch.zeros(1, 0))
    x = torch.randn(1, 1, 563)
    for t in (0, 100, 249):
        guess = network(x, torch.tensor([t]), tokens)
        assert torch.allclose(guess, (1 - signal[t]).sqrt() * x[:, 0], atol=1e-6)


def test_the_contrast_does_not_see_brightness():
    torch.manual_seed(0)
    contrast = SpectrumContrast(
        embedding_size=8,
        hidden=8,
        image_widths=(16,),
        image_depths=(1,),
        image_bottleneck=False,
        spectrum_widths=(16,),
        spectrum_depths=(1,),
        spectrum_bottleneck=False,
    ).eval()
    spectrum = torch.randn(3, 563)
    assert torch.allclose(contrast.embed_spectrum(spectrum), contrast.embed_spectrum(spectrum + 2), atol=1e-4)
    image = contrast.embed_image(torch.randn(3, 5, 64, 64), torch.zeros(3, 0))
    for embedding in (image, contrast.embed_spectrum(spectrum)):
        assert torch.allclose(embedding.norm(dim=1), torch.ones(3), atol=1e-5)
