"""The version that is shipped: whole, within its size, and right about the example galaxy."""

from pathlib import Path

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from fiberless.astro.lines import line
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.contract.manifest import list_versions, read_manifest, resolve_version, verify_files
from fiberless.images.fits.read import read_cutout
from fiberless.inference.predictor import load_predictor
from fiberless.testing import synthetic_cutout

ROOT = Path(__file__).parents[2]
STORE = ROOT / "model_store"
EXAMPLE_REDSHIFT = 0.0955


@pytest.fixture(scope="module")
def predictor():
    return load_predictor(STORE, resolve_version(STORE, None), device="cpu")


@pytest.fixture(scope="module")
def example():
    return read_cutout((ROOT / "examples" / "galaxy.fits").read_bytes())


@pytest.fixture(scope="module")
def prediction(predictor, example):
    return predictor.predict([PredictionRequest(example, PredictionOptions())])[0].prediction


@pytest.mark.parametrize("version", list_versions(STORE))
def test_every_version_is_whole_and_small_and_says_what_it_is(version):
    manifest = read_manifest(STORE, version)
    verify_files(STORE, manifest)
    assert sum(path.stat().st_size for path in (STORE / version).rglob("*")) < 45e6
    card = (STORE / version / "card.md").read_text()
    assert "simulated galaxies only" in card
    assert manifest.training["data"]["n"] >= 50_000
    assert _scored(manifest.metrics)["n"] >= 2000
    assert " /" not in manifest.training["command"]


def _scored(metrics):
    """Figures of `fiberless evaluate`; of a cascade, those of `fiberless compare`."""
    return metrics if "n" in metrics else metrics["comparison"]


def test_recorded_figures_beat_the_baselines(predictor):
    scores = predictor.manifest.metrics["scores"]
    for name in ("redshift", "dn4000", "log_ew_Halpha"):
        model = scores["model"][name]
        assert 0.62 <= model["coverage_68"] <= 0.76
        assert model["r2"] > scores["neighbours"][name]["r2"]
        assert model["r2"] > scores["constant"][name]["r2"]


def test_a_galaxy_costs_one_encoding_15_evaluations_and_12_gflop_at_most(predictor, example, monkeypatch):
    family, counted = predictor.family, {"encoded": 0, "evaluated": 0}
    encode, evaluate = family.image_encoder.forward, family.denoiser.trunk

    def encoding(image, *rest):
        counted["encoded"] += len(image)
        return encode(image, *rest)

    def evaluation(x, *rest):
        counted["evaluated"] += x.shape[:-1].numel()
        return evaluate(x, *rest)

    monkeypatch.setattr(family.image_encoder, "forward", encoding)
    monkeypatch.setattr(family.denoiser, "trunk", evaluation)
    with FlopCounterMode(display=False) as counter:
        predictor.predict([PredictionRequest(example, PredictionOptions(n_candidates=25))])
    assert counted["encoded"] == 1
    assert counted["evaluated"] <= 15 * 25
    decoded = 2 * 25 * family.basis.components.size  # in numpy, where torch does not count
    assert (counter.get_total_flops() + decoded) / 1e9 <= 12


def test_the_example_s_redshift_is_found(prediction):
    redshift = prediction.properties.redshift
    # posterior width about 0.015 at this magnitude: the truth lies within a few of it
    assert redshift.value == pytest.approx(EXAMPLE_REDSHIFT, abs=0.04)
    assert redshift.lower < redshift.value < redshift.upper


def test_the_brightest_line_is_halpha_at_the_shown_redshift(prediction):
    flux = np.array(prediction.spectrum.flux.values, float)
    peak = OBSERVED_WAVE_AA[np.nanargmax(flux)]
    assert peak == pytest.approx(line("Halpha").wave_aa * (1 + prediction.spectrum.redshift), abs=3.0)
    assert prediction.properties.bpt_class.value in {"star_forming", "composite"}


def test_the_same_request_gives_the_same_numbers(predictor, example, prediction):
    again = predictor.predict([PredictionRequest(example, PredictionOptions())])[0].prediction
    assert again.spectrum == prediction.spectrum
    assert again.properties == prediction.properties


def test_a_galaxy_is_the_same_alone_and_in_a_batch_of_32(predictor, example, prediction):
    others = [PredictionRequest(synthetic_cutout(i), PredictionOptions()) for i in range(31)]
    batch = predictor.predict([*others[:15], PredictionRequest(example, PredictionOptions()), *others[15:]])
    alone = np.array(prediction.spectrum.flux.values, float)
    together = np.array(batch[15].prediction.spectrum.flux.values, float)
    np.testing.assert_allclose(together, alone, rtol=1e-3)
    first, second = batch[15].prediction.properties, prediction.properties
    for pair in ((first.redshift, second.redshift), (first.dn4000, second.dn4000)):
        assert pair[0].value == pytest.approx(pair[1].value, rel=1e-3)
    halpha = first.lines["Halpha"].flux.value
    assert halpha == pytest.approx(second.lines["Halpha"].flux.value, rel=1e-3)
