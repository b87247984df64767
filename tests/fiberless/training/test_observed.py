"""Latents of data sets whose spectra are noisy."""

import numpy as np
import pytest
import torch

from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, OBSERVED_WAVE_AA, PIXEL_KMS
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.datasets.shards import DatasetInfo, ShardSet, write_info, write_shard
from fiberless.inference.basis import LatentScaler, SpectralBasis, amplitude
from fiberless.inference.basis_posterior import BasisFit
from fiberless.training.observed import draw_latents, fit_data, independent_ivar, latent_cholesky


@pytest.fixture(scope="module")
def survey():
    return simulate(41, 150)


@pytest.fixture(scope="module")
def basis(survey):
    return SpectralBasis.fit(survey["ln_shape"], 10)


@pytest.fixture(scope="module")
def data(survey, tmp_path_factory):
    """Observed columns alone, some pixels lost."""
    folder = tmp_path_factory.mktemp("observed")
    columns = {name: survey[name][:24] for name in ("image", "flux", "sigma", "truth")}
    columns["sigma"] = columns["sigma"].copy()
    columns["sigma"][:, 2000:2040] = np.inf
    columns["flux"] = columns["flux"].copy()
    columns["flux"][:, 2000:2020] = np.nan
    for shard in range(2):
        write_shard(folder, shard, {name: rows[12 * shard :][:12] for name, rows in columns.items()})
    info = DatasetInfo(
        kind="mock",
        description="",
        n=24,
        seed=0,
        shard_size=12,
        version="",
        truth_names=TRUTH_NAMES,
        columns=dict.fromkeys(columns, ""),
    )
    write_info(folder, info)
    return ShardSet(folder)


def test_every_spectrum_gets_a_posterior_that_holds_its_truth(data, basis, survey):
    seen: list[int] = []
    fit = fit_data(data, basis, progress=lambda done, _total: seen.append(done))
    assert seen == [12, 24]
    assert (fit.n_pixels == 4460).all()
    assert np.median(fit.chi2_per_pixel) == pytest.approx(1.0, abs=0.1)
    truth = np.column_stack([data.truth("ln_norm"), basis.whiten(basis.encode(survey["ln_shape"][:24]))])
    assert np.corrcoef(fit.ln_norm, truth[:, 0])[0, 1] > 0.999
    assert np.corrcoef(fit.whitened[:, 0], truth[:, 1])[0, 1] > 0.98


def test_draws_have_the_moments_of_the_posterior():
    rng = np.random.default_rng(5)
    factor = np.tril(rng.normal(size=(2, 4, 4))) + 2 * np.eye(4)
    fit = BasisFit(
        mean=np.array([[3.0, 0.5, -1.0, 2.0], [2.0, 0.0, 0.0, 0.0]]),
        covariance=factor @ factor.transpose(0, 2, 1),
        velocity_kms=np.zeros(2),
        chi2_per_pixel=np.ones(2),
        n_pixels=np.full(2, 4000),
        converged=np.ones(2, dtype=bool),
    )
    aperture, redshift = np.array([50.0, 20.0]), np.array([0.1, 0.07])
    physical = np.array([[2.1, np.nan], [2.2, 9.0]])
    scaler = LatentScaler.fit(
        np.array([0.05, 0.1, 0.15]),
        np.array([-0.3, 0.0, 0.6]),
        physical=np.array([[2, 8], [2.1, 9], [2.4, 9.1]]),
    )
    latent = scaler.to_latent(redshift, amplitude(fit.ln_norm, aperture), fit.whitened, physical)
    cholesky = torch.from_numpy(latent_cholesky(fit, scaler))
    rows = torch.zeros(40_000, dtype=torch.long)
    drawn = draw_latents(
        torch.from_numpy(latent)[rows], cholesky[rows], torch.Generator().manual_seed(2)
    ).numpy()
    assert (drawn[:, 0] == drawn[0, 0]).all()
    assert np.isnan(drawn[:, 6]).all()
    parts = scaler.from_latent(drawn)
    offset = 3.0 - amplitude(np.array([3.0]), aperture[:1])
    sample = np.column_stack([parts.amplitude + offset, parts.whitened])
    np.testing.assert_allclose(sample.mean(axis=0), fit.mean[0], atol=0.1)
    np.testing.assert_allclose(np.cov(sample.T), fit.covariance[0], atol=0.35)


def test_draws_are_reproducible_and_differ_from_step_to_step(data, basis):
    fit = fit_data(data, basis)
    aperture = np.full(24, 30.0)
    redshift, level = data.truth("redshift"), amplitude(fit.ln_norm, aperture)
    scaler = LatentScaler.fit(redshift, level)
    latent = torch.from_numpy(scaler.to_latent(redshift, level, fit.whitened))
    cholesky, generator = torch.from_numpy(latent_cholesky(fit, scaler)), torch.Generator().manual_seed(1)
    first, second = (draw_latents(latent, cholesky, generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, draw_latents(latent, cholesky, torch.Generator().manual_seed(1)))


def test_shared_noise_of_averaged_pixels_is_not_counted_twice():
    """The mean over 400 Å of survey pixels averaged to 1 Å scatters as the effective variances say."""
    rng = np.random.default_rng(3)
    native = 3990.0 * np.exp(np.arange(3400) * PIXEL_KMS / LIGHT_SPEED_KMS)
    noise = rng.normal(0, 1, (1500, native.size))
    edges = np.append(OBSERVED_WAVE_AA - 0.5, OBSERVED_WAVE_AA[-1] + 0.5)
    averaged = PixelFlux.of(native, noise).rebin(np.broadcast_to(edges, (1500, edges.size))).flux
    propagated = averaged.std(axis=0)
    ivar = independent_ivar(propagated, survey_pixels=True)
    for start in (100, 2000, 4000):
        span = slice(start, start + 400)
        expected = np.sqrt((1 / ivar[span]).sum()) / 400
        assert averaged[:, span].mean(axis=1).std() == pytest.approx(expected, rel=0.08)


def test_unusable_pixels_have_no_weight():
    sigma = np.array([0.5, np.inf, np.nan, 0.0, 2.0])
    np.testing.assert_array_equal(independent_ivar(sigma, survey_pixels=False), [4.0, 0, 0, 0, 0.25])
