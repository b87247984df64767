"""Distributions whose denoiser is known in closed form must come out of the sampler."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fiberless.inference.sampler import SIGMA_MAX, SIGMA_MIN, noise_levels, sample

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
