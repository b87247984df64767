import numpy as np
import pytest

from fiberless.astro.bands import magnitude
from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.contract.manifest import read_manifest
from fiberless.images.apertures import aperture_nmgy, centres_px, sky_sigma_nmgy
from fiberless.inference.predictor import load_predictor
from fiberless.testing import synthetic_cutout, toy_spectra, write_toy_store


def test_equal_seeds_give_equal_pixels():
    assert synthetic_cutout(5).sha256 == synthetic_cutout(5).sha256
    assert synthetic_cutout(5).sha256 != synthetic_cutout(6).sha256


def test_synthetic_galaxies_look_like_the_surveys():
    flux = np.stack([synthetic_cutout(i).flux_nmgy for i in range(20)])
    assert flux.shape == (20, 5, 64, 64)
    magnitudes = magnitude(aperture_nmgy(flux)[..., -1])
    assert ((magnitudes[:, 2] > 14.9) & (magnitudes[:, 2] < 18.2)).all()
    assert (np.diff(magnitudes[:, :4], axis=1) < 0).all()
    assert np.abs(centres_px(flux) - 31.5).max() < 0.3
    assert sky_sigma_nmgy(flux)[:, 2] == pytest.approx(0.028, rel=0.5)


def test_toy_spectra_have_a_break_and_lines_where_they_belong():
    flux = np.exp(toy_spectra(30).astype(float))
    assert np.isfinite(flux).all()
    blue = flux[:, (REST_WAVE_AA > 3850) & (REST_WAVE_AA < 3950)].mean(axis=1)
    red = flux[:, (REST_WAVE_AA > 4050) & (REST_WAVE_AA < 4100)].mean(axis=1)
    assert (red / blue > 1.05).all()
    near_halpha = (REST_WAVE_AA > 6500) & (REST_WAVE_AA < 6630)
    peaks = REST_WAVE_AA[near_halpha][flux[:, near_halpha].argmax(axis=1)]
    assert np.abs(peaks - 6564.6).max() < 2


def test_toy_store_is_the_same_every_time(tmp_path):
    versions = [write_toy_store(tmp_path / name) for name in ("a", "b")]
    first, second = (read_manifest(tmp_path / name, versions[0]) for name in ("a", "b"))
    assert versions[0] == versions[1]
    assert first.weights_sha256 == second.weights_sha256


def test_toy_store_predicts(tmp_path):
    predictor = load_predictor(tmp_path, write_toy_store(tmp_path))
    result = predictor.predict([PredictionRequest(synthetic_cutout(0), PredictionOptions())])[0]
    assert len(result.prediction.candidates) == 25
    assert np.isfinite(result.arrays.candidate_flux).all()
    assert (result.arrays.candidate_flux > 0).all()
    assert 0.03 < result.prediction.properties.redshift.value < 0.17
