import numpy as np
import pytest
from pydantic import ValidationError

from fiberless.contract import JobPhase, PredictionOptions, PredictionRequest, prediction_id
from fiberless.contract.manifest import read_manifest
from fiberless.images.cutout import Cutout
from fiberless.testing import synthetic_cutout, write_toy_store


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    return read_manifest(store, write_toy_store(store))


def request(**options):
    return PredictionRequest(cutout=synthetic_cutout(1), options=PredictionOptions(**options))


def test_equal_requests_have_equal_names(manifest):
    assert prediction_id(request(), manifest) == prediction_id(request(), manifest)
    assert prediction_id(request(), manifest).startswith("p_")


def test_leaving_the_steps_out_is_asking_for_the_model_s_own(manifest):
    asked = request(steps=manifest.sampler_steps)
    assert prediction_id(asked, manifest) == prediction_id(request(), manifest)


@pytest.mark.parametrize(
    "options",
    [{"seed": 1}, {"n_candidates": 24}, {"steps": 9}, {"select": "contrastive"}, {"object_id": "a:1"}],
)
def test_every_choice_changes_the_name(manifest, options):
    assert prediction_id(request(**options), manifest) != prediction_id(request(), manifest)


def test_a_pixel_changes_the_name(manifest):
    flux = synthetic_cutout(1).flux_nmgy.copy()
    flux[2, 31, 31] += 1e-3
    changed = PredictionRequest(cutout=Cutout(flux), options=PredictionOptions())
    assert prediction_id(changed, manifest) != prediction_id(request(), manifest)


@pytest.mark.parametrize(
    "options",
    [
        {"n_candidates": 0},
        {"n_candidates": 257},
        {"steps": 0},
        {"seed": 2**64},
        {"seed": -1},
        {"object_id": "../x"},
        {"object_id": "a\nb"},
        {"colour": "red"},
    ],
)
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(ValidationError):
        PredictionOptions(**options)


def test_three_phases_are_final():
    final = {phase for phase in JobPhase if phase.is_final}
    assert final == {JobPhase.COMPLETED, JobPhase.ERROR, JobPhase.ABORTED}


def test_masked_pixels_are_part_of_an_image_s_hash():
    flux = np.ones((5, 8, 8), np.float32)
    mask = np.zeros((5, 8, 8), bool)
    mask[0, 0, 0] = True
    assert Cutout(flux).sha256 != Cutout(flux, mask=mask).sha256
