"""Distributions whose denoiser is known in closed form must come out of the sampler."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fiberless.errors import UsageError
from fiberless.inference.conditioning import prepare
from fiberless.inference.noise_schedule import make_chain, step_generators
from fiberless.inference.sampler import SIGMA_MAX, SIGMA_MIN, initial_noise, noise_levels, sample
from fiberless.nn.cosine_schedule import TIMESTEPS, training_schedule
from fiberless.testing import synthetic_cutout, toy_cascade, toy_family

STD = torch.tensor([0.05, 0.1, 0.3, 1.0, 2.0], dtype=torch.float64)
MEAN = torch.tensor([0.2, -0.5, 0.0, 0.1, -0.3], dtype=torch.float64)


def _rotation():
    matrix = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(matrix)[0]


def _gaussian_denoiser(mean, covariance):
    """E[x0 | x] for x0 ~ N(mean, covariance) and x = x0 + sigma n."""
    eye = torch.eye(len(mean), dtype=torch.float64)

    def denoise(x, sigma):
        gain = torch.linalg.solve(covariance + sigma**2 * eye, covariance)
        return mean + (x - mean) @ gain

    return denoise


def _drawn_moments(denoise, size, steps):
    """Exact mean and covariance of the samples: the sampler is affine in its noise for a Gaussian."""
    noise = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()[None]
    out = sample(denoise, noise, steps)[0]
    columns = out[1:] - out[0]
    return out[0], columns.T @ columns


def test_few_steps_draw_a_correlated_gaussian():
    axes = _rotation()
    covariance = axes @ torch.diag(STD**2) @ axes.T
    mean, drawn = _drawn_moments(_gaussian_denoiser(MEAN, covariance), 5, 15)
    ratio = torch.sqrt(torch.diag(axes.T @ drawn @ axes)) / STD
    assert ((ratio > 0.97) & (ratio < 1.03)).all()
    # starting from N(0, sigma_max^2) leaves s / sigma_max of a mean, 5 % for the widest direction
    assert torch.allclose(axes.T @ mean, axes.T @ MEAN, atol=0.03)
    correlation = drawn / torch.sqrt(torch.outer(torch.diag(drawn), torch.diag(drawn)))
    true = covariance / torch.sqrt(torch.outer(torch.diag(covariance), torch.diag(covariance)))
    assert torch.allclose(correlation, true, atol=0.03)


def test_error_falls_with_the_square_of_the_steps():
    # the exact flow from sigma_max to sigma_min keeps (x - mean) / sqrt(s^2 + sigma^2)
    flow = torch.sqrt((STD**2 + SIGMA_MIN**2) / (STD**2 + SIGMA_MAX**2)) * STD**2 / (STD**2 + SIGMA_MIN**2)
    exact = flow * SIGMA_MAX
    denoise = _gaussian_denoiser(MEAN, torch.diag(STD**2))
    error = []
    for steps in (31, 61, 121):
        _, covariance = _drawn_moments(denoise, 5, steps)
        error.append((torch.sqrt(torch.diag(covariance)) - exact).norm())
    assert error[0] < 0.02
    assert 3.2 < error[0] / error[1] < 4.8
    assert 3.2 < error[1] / error[2] < 4.8


@pytest.mark.parametrize(("steps", "tolerance"), [(15, 0.05), (60, 0.01)])
def test_two_peaks_keep_their_shares_and_widths(steps, tolerance):
    share, centre, width = (0.3, 0.7), (-1.2, 0.6), (0.15, 0.3)

    def denoise(x, sigma):
        posteriors = []
        weights = []
        for p, m, s in zip(share, centre, width, strict=True):
            variance = s**2 + sigma**2
            weights.append(np.log(p) - 0.5 * torch.log(variance) - (x - m) ** 2 / (2 * variance))
            posteriors.append(m + s**2 / variance * (x - m))
        weight = torch.softmax(torch.stack(weights), dim=0)
        return (weight * torch.stack(posteriors)).sum(dim=0)

    levels = (np.arange(2000) + 0.5) / 2000
    noise = torch.from_numpy(norm.ppf(levels))[None, :, None]
    drawn = sample(denoise, noise, steps)[0, :, 0].numpy()
    cumulative = sum(p * norm.cdf(drawn, m, s) for p, m, s in zip(share, centre, width, strict=True))
    # in one dimension the flow keeps the order: the n-th noise becomes the n-th quantile
    assert np.abs(cumulative - levels).max() < tolerance


def test_one_evaluation_a_level_from_the_highest_to_the_lowest():
    seen: list[float] = []

    def denoise(x, sigma):
        seen.append(float(sigma))
        return x * 0

    sample(denoise, torch.ones(1, 1, 1, dtype=torch.float64), 15)
    assert seen == pytest.approx(noise_levels(15))
    assert seen[0] == SIGMA_MAX
    assert seen[-1] == pytest.approx(SIGMA_MIN)
    assert np.diff(np.log(seen)) == pytest.approx(np.log(SIGMA_MIN / SIGMA_MAX) / 14)


def test_a_constant_answer_is_returned():
    noise = torch.ones(2, 3, 4)
    assert torch.equal(sample(lambda x, _: torch.full_like(x, 0.25), noise, 2), torch.full_like(noise, 0.25))


# The cascade's samplers: diffusers' schedulers on a cosine schedule of 250 timesteps, noise predicted.

SIGNAL = training_schedule().alphas_cumprod.double().numpy()
DETERMINISTIC = {
    # scheduler: largest error of a standard deviation after 15 and after 25 evaluations, against 250
    "UniPCMultistepScheduler": (0.07, 0.02),
    "DPMSolverMultistepScheduler": (0.1, 0.04),
    "DDIMScheduler": (0.25, 0.15),
    "EulerDiscreteScheduler": (0.25, 0.15),
}
STOCHASTIC = ("DDPMScheduler", "EulerAncestralDiscreteScheduler")
WIDTH = torch.tensor([0.1, 0.3, 1.0, 5.0, 20.0], dtype=torch.float64)
"""Standard deviations of spectra along five directions: weak lines to the continuum's slope."""


def _gaussian_noise_predictor(mean, covariance):
    """E[noise | x] for x = √ᾱ x0 + √(1 − ᾱ) noise, x0 ~ N(mean, covariance)."""
    eye = torch.eye(len(mean), dtype=torch.float64)

    def predict(x, timestep):
        signal = float(np.interp(timestep, np.arange(TIMESTEPS), SIGNAL))
        spread = torch.linalg.inv(signal * covariance + (1 - signal) * eye)
        return (1 - signal) ** 0.5 * (x - signal**0.5 * mean) @ spread

    return predict


def _chain_moments(name, steps, predict):
    """Exact mean and covariance of what a deterministic scheduler draws: it is affine in its noise."""
    size = len(WIDTH)
    noise = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()
    chain = make_chain(name, steps)
    assert chain.evaluations == steps
    out = chain.draw(predict, noise, step_generators([(0, "law")], len(noise), "law"))
    columns = out[1:] - out[0]
    return out[0], columns.T @ columns


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_every_scheduler_draws_a_correlated_gaussian(name):
    axes = _rotation()
    predict = _gaussian_noise_predictor(MEAN, axes @ torch.diag(WIDTH**2) @ axes.T)
    widths = {}
    for steps in (15, 25, 250):
        mean, covariance = _chain_moments(name, steps, predict)
        assert torch.allclose(axes.T @ mean, axes.T @ MEAN, atol=0.01)
        along = axes.T @ covariance @ axes
        widths[steps] = torch.sqrt(torch.diag(along))
        correlation = along / torch.outer(widths[steps], widths[steps])
        assert torch.allclose(correlation, torch.eye(5, dtype=torch.float64), atol=1e-3)
    # what the last timestep's own noise and the step out of pure noise leave
    assert ((widths[250] / WIDTH - 1).abs() < 0.05).all()
    for steps, tolerance in zip((15, 25), DETERMINISTIC[name], strict=True):
        assert ((widths[steps] / widths[250] - 1).abs() < tolerance).all(), steps


@pytest.mark.parametrize("name", STOCHASTIC)
def test_schedulers_that_add_noise_draw_it_too(name):
    count = 400
    predict = _gaussian_noise_predictor(MEAN, torch.diag(WIDTH**2))
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((count, 5)))
    drawn = make_chain(name, 250).draw(predict, noise, step_generators([(0, "law")], count, "law"))
    # 400 draws: standard errors of 5 % of a width for the mean, of 3.5 % for the width
    assert ((drawn.mean(dim=0) - MEAN).abs() / WIDTH < 0.2).all()
    assert ((drawn.std(dim=0) / WIDTH - 1).abs() < 0.14).all()


def test_error_falls_with_the_steps_of_a_chain():
    predict = _gaussian_noise_predictor(MEAN, torch.diag(WIDTH**2))
    width = {
        steps: torch.sqrt(torch.diag(_chain_moments("UniPCMultistepScheduler", steps, predict)[1]))
        for steps in (10, 15, 25, 50, 250)
    }
    error = [(width[steps] / width[250] - 1).abs().max() for steps in (10, 15, 25, 50)]
    assert error[0] > error[1] > error[2] > error[3]
    assert error[0] > 0.05
    assert error[3] < 0.01


@pytest.mark.parametrize("levels", [2, 15, 25, 250])
@pytest.mark.parametrize("name", ["DDPMScheduler", "UniPCMultistepScheduler"])
def test_a_chain_knows_the_noise_that_its_network_was_trained_at(name, levels):
    """The paper's is off by one between betas and cumulative products; here each level is the trained one."""
    chain = make_chain(name, levels)
    assert chain.scheduler.alphas_cumprod.numpy() == pytest.approx(SIGNAL[chain.trained], rel=2e-3, abs=3e-8)
    betas = chain.scheduler.betas.double().numpy()
    assert np.cumprod(1 - betas) == pytest.approx(SIGNAL[chain.trained], rel=2e-3, abs=3e-8)
    told = []

    def predict(x, timestep):
        told.append(timestep)
        return x * 0

    noise = torch.ones(1, 3)
    chain.draw(predict, noise, step_generators([(0, "law")], 1, "law"))
    assert told == pytest.approx(chain.trained[::-1].tolist())


def test_the_last_timesteps_are_not_skipped():
    # at equal steps in time, one of twenty has less noise than a weak line's width
    kept = make_chain("UniPCMultistepScheduler", 20).trained
    quiet = 1 / (1 + float(WIDTH[0]) ** 2)
    assert np.sum(SIGNAL[kept] > quiet) >= 3
    assert np.sum(SIGNAL[np.arange(TIMESTEPS - 1, -1, -12.5).astype(int)] > quiet) <= 1
    assert (kept[0], kept[-1], len(set(kept.tolist()))) == (0, TIMESTEPS - 1, 20)


@pytest.mark.parametrize("name", [*DETERMINISTIC, *STOCHASTIC])
def test_a_draw_depends_on_its_own_seed_alone(name):
    predict = _gaussian_noise_predictor(MEAN, torch.diag(WIDTH**2))
    seeds = [(1, "a"), (2, "b"), (1, "c")]

    def draw(chosen):
        noise = initial_noise(chosen, 2, 5).flatten(0, 1).double()
        return make_chain(name, 10).draw(predict, noise, step_generators(chosen, 2, "law"))

    together = draw(seeds)
    assert torch.allclose(draw(seeds[1:2]), together[2:4], atol=1e-9)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert not torch.allclose(together[:2], together[4:], atol=1e-3)


@pytest.mark.parametrize("steps", [2, 3, 10, 25, 250])
def test_no_chain_evaluates_more_often_than_it_is_told(steps):
    assert make_chain("UniPCMultistepScheduler", steps).evaluations == steps


@pytest.mark.parametrize("name", ["PNDMScheduler", "IPNDMScheduler", "NoScheduler", "DDPMPipeline"])
def test_what_is_no_scheduler_for_this_schedule_is_refused(name):
    with pytest.raises(UsageError):
        make_chain(name, 25)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_no_number_type_makes_nan_of_the_latent_sampler(dtype):
    denoise = _gaussian_denoiser(MEAN, torch.diag(STD**2))

    def rounded(x, sigma):
        return denoise(x.double(), sigma.double()).to(dtype)

    out = sample(rounded, torch.randn(1, 50, 5, generator=torch.Generator().manual_seed(0)).to(dtype), 15)
    assert out.dtype == dtype
    assert out.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("make", [toy_family, toy_cascade])
def test_no_number_type_of_the_networks_makes_nan_of_a_family(make, dtype):
    family = make()
    names = ("denoiser",) if make is toy_family else ("low", "high")
    changed = {name: copy.deepcopy(getattr(family, name)).to(dtype) for name in names}
    rounded = dataclasses.replace(family, **changed)
    cutouts = [synthetic_cutout(i) for i in range(2)]
    seeds = [(0, cutout.sha256) for cutout in cutouts]
    exact, drawn = (one.candidates(prepare(cutouts), seeds, n=3, steps=15) for one in (family, rounded))
    spectra, expected = drawn.ln_flux, exact.ln_flux
    assert np.isfinite(spectra).all()
    assert np.isfinite(drawn.redshift).all()
    assert np.isfinite(drawn.score).all()
    assert np.abs(spectra - expected).mean() < 0.02 * expected.std()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DDPMScheduler", "DPMSolverMultistepScheduler"])
def test_networks_that_round_their_answer_make_no_nan(name, dtype):
    predict = _gaussian_noise_predictor(MEAN, torch.diag(WIDTH**2))
    noise = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))

    def rounded(x, timestep):
        return predict(x.double(), timestep).to(dtype).float()

    out = make_chain(name, 250).draw(rounded, noise, step_generators([(0, "law")], 4, "law"))
    assert out.isfinite().all()
    assert (out.abs() < 200).all()
