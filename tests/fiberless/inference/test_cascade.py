import dataclasses

import numpy as np
import pytest
import torch

from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.errors import UsageError
from fiberless.inference.cascade import raised, to_low
from fiberless.inference.conditioning import prepare
from fiberless.inference.predictor import load_predictor
from fiberless.inference.spectrum_scaler import SpectrumScaler, ln_aperture_flux
from fiberless.inference.spread import observed_spread, shifted_spread
from fiberless.inference.store import load_family, load_version
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet
from fiberless.testing import TOY_CASCADE, synthetic_cutout, toy_spectra


@pytest.fixture(scope="module")
def cascade(store):
    return load_predictor(store, TOY_CASCADE, device="cpu")


def test_low_resolution_keeps_every_pixels_light():
    # the paper takes every eighth pixel: of a narrow line it keeps all or nothing
    line = torch.zeros(9, 4500)
    line[torch.arange(9), torch.arange(2000, 2009)] = 8.0
    assert to_low(line).shape == (9, 563)
    assert torch.allclose(to_low(line).sum(dim=1), torch.ones(9))
    assert torch.allclose(to_low(torch.ones(1, 4500)), torch.ones(1, 563))


def test_raising_inverts_what_is_linear():
    ramp = torch.arange(4500.0)[None]
    again = raised(to_low(ramp))
    assert again.shape == (1, 4500)
    assert torch.allclose(again[:, 8:-8], ramp[:, 8:-8], atol=1e-2)


def test_halpha_in_the_papers_window_does_not_move_the_level():
    # at z = 0.055 it lies at 6926 Å, inside 6900–6950 Å, which the paper divides by
    continuum = np.zeros((1, 1, 4500), np.float32)
    line = continuum.copy()
    line[..., np.abs(OBSERVED_WAVE_AA - 6926) < 4] = 3.0
    scaler = SpectrumScaler(mean=np.zeros(4500), std=np.ones(4500))
    level = ln_aperture_flux(np.array([50.0]))
    shapes = [scaler.standardise(x - level) for x in (continuum, line)]
    away = np.abs(OBSERVED_WAVE_AA - 6926) > 10
    assert np.array_equal(shapes[0][..., away], shapes[1][..., away])


def test_absolute_flux_comes_back_with_the_images_brightness():
    rng = np.random.default_rng(0)
    ln_flux = rng.normal(2, 0.3, (40, 4500))
    r_nmgy = rng.uniform(20, 200, 40)
    ratio = ln_flux - ln_aperture_flux(r_nmgy)[:, None]
    scaler = SpectrumScaler.fit([ratio[:25], ratio[25:]])
    x = scaler.standardise(ratio)
    assert x.mean(axis=0) == pytest.approx(np.zeros(4500), abs=1e-4)
    assert x.std(axis=0) == pytest.approx(np.ones(4500), abs=1e-3)
    assert np.allclose(scaler.ln_flux(x[:, None], r_nmgy)[:, 0], ln_flux, atol=1e-4)
    assert np.allclose(scaler.ln_flux(x[:, None], 2 * r_nmgy)[:, 0], ln_flux + np.log(2), atol=1e-4)


def test_pixels_hold_no_masses(cascade):
    request = PredictionRequest(synthetic_cutout(0), PredictionOptions(n_candidates=2, steps=3))
    properties = cascade.predict([request])[0].prediction.properties
    assert properties.log_stellar_mass is None
    assert properties.redshift is not None


def _drawn(family, count, *, n=4):
    cutouts = [synthetic_cutout(i) for i in range(count)]
    seeds = [(0, cutout.sha256) for cutout in cutouts]
    return family.candidates(prepare(cutouts), seeds, n=n, steps=3)


@pytest.mark.parametrize("scheduler", ["DDPMScheduler", "DPMSolverMultistepScheduler"])
def test_schedulers_that_add_noise_give_each_galaxy_its_own(cascade, scheduler):
    sampling = cascade.family.sampling.model_copy(update={"scheduler": scheduler})
    family = dataclasses.replace(cascade.family, sampling=sampling)
    alone, together = _drawn(family, 1), _drawn(family, 3)
    assert np.allclose(alone.ln_flux[0], together.ln_flux[0], atol=1e-4)
    assert not np.allclose(together.ln_flux[0], together.ln_flux[1], atol=0.1)


def test_every_network_sees_an_image_once(cascade, monkeypatch):
    seen = {"encode_image": 0, "embed_image": 0}

    def counting(name, function):
        def counted(network, image, photometry):
            seen[name] += len(image)
            return function(network, image, photometry)

        return counted

    monkeypatch.setattr(SpectrumUNet, "encode_image", counting("encode_image", SpectrumUNet.encode_image))
    monkeypatch.setattr(
        SpectrumContrast, "embed_image", counting("embed_image", SpectrumContrast.embed_image)
    )
    _drawn(cascade.family, 2)
    assert seen == {"encode_image": 2 * 2, "embed_image": 2 * 2}


def test_ranking_keeps_the_best_spectra_of_low_resolution(cascade, monkeypatch):
    family = dataclasses.replace(
        cascade.family, sampling=cascade.family.sampling.model_copy(update={"kept_share": 0.2})
    )
    given = []
    draw_high = type(family).draw_high

    def watched(self, images, seeds, low, steps, *, tick=None):
        given.append((images, low))
        return draw_high(self, images, seeds, low, steps, tick=tick)

    monkeypatch.setattr(type(family), "draw_high", watched)
    drawn = _drawn(family, 1, n=10)
    images, low = given[0]
    assert len(torch.unique(low[0], dim=0)) == 2  # 10 × 0.2, five candidates from each
    assert drawn.score.shape == (1, 10)
    cutout = synthetic_cutout(0)
    all_low = family.draw_low(images, [(0, cutout.sha256)], 10, 3)
    with torch.inference_mode():
        embedded = family.contrast_low.embed_spectrum(all_low[0])
        score = (embedded @ images.embedding_low[0]).argsort(descending=True)
    assert torch.allclose(low[0, 0], all_low[0, score[0]], atol=1e-5)
    assert torch.allclose(low[0, 1], all_low[0, score[1]], atol=1e-5)


def test_spread_in_the_observed_frame_is_that_of_the_rest_frame():
    redshift = np.array([0.08, 0.1, 0.09, 0.11, 0.095])
    rest = toy_spectra(5)
    flux = np.exp(resample_log_flux(rest, redshift, OBSERVED_WAVE_AA))
    expected, found = observed_spread(rest, 0.09), shifted_spread(flux, redshift, 0.09)
    inner = slice(200, -200)
    assert np.allclose(found.std[inner], expected.std[inner], rtol=0.05, atol=0.01)
    assert np.allclose(found.quantiles[:, inner], expected.quantiles[:, inner], rtol=0.05)
    assert np.isfinite(found.quantiles).all()


def test_one_candidate_alone_is_its_own_median_to_the_last_pixel():
    flux = np.exp(np.linspace(0, 1, OBSERVED_WAVE_AA.size))[None]
    for redshift in np.linspace(0.03, 0.17, 50):
        spread = shifted_spread(flux, np.array([redshift]), redshift)
        assert np.allclose(spread.quantiles, flux, rtol=1e-12)


def test_a_latent_command_says_that_a_cascade_is_none(store):
    family, manifest = load_family(store, TOY_CASCADE)
    assert manifest.family == "cascade"
    assert family.dtype == "float32"
    with pytest.raises(UsageError, match="needs a latent model"):
        load_version(store, TOY_CASCADE)
