"""Candidates of both families, block after block, kept and found again."""

import numpy as np
import pytest

from fiberless.evaluation import blocks
from fiberless.evaluation.blocks import (
    BlockCache,
    Contestant,
    candidate_targets,
    draw_blocks,
)
from fiberless.evaluation.pairs import read_held_out
from fiberless.evaluation.sampling import in_half_precision, seeds_of
from fiberless.evaluation.target_table import TargetTable
from fiberless.evaluation.targets import CLASS, SPECTRAL_TARGETS
from fiberless.inference.store import load_family
from fiberless.testing import TOY_CASCADE, TOY_VERSION, toy_cascade, write_toy_cascade, write_toy_store

K = 4


@pytest.fixture(scope="module")
def contestants(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_toy_store(folder)
    write_toy_cascade(folder)
    return {
        version: Contestant(*load_family(folder, version), n_candidates=K, steps=3)
        for version in (TOY_VERSION, TOY_CASCADE)
    }


@pytest.fixture(scope="module")
def pairs(data):
    return read_held_out(data, r_limit=30.0, limit=6, progress=lambda *_: None)


def drawn(contestant, pairs, folder, *, n=6, measure=candidate_targets, progress=lambda *_: None):
    truth = pairs.truth.only(SPECTRAL_TARGETS).rows(slice(n))
    cache = BlockCache(folder, "targets", TargetTable)
    conditions = pairs.conditions[:n]
    return draw_blocks(contestant, conditions, truth, measure=measure, cache=cache, progress=progress)


@pytest.mark.parametrize("version", [TOY_VERSION, TOY_CASCADE])
def test_a_stopped_drawing_goes_on_where_it_was(contestants, pairs, tmp_path, monkeypatch, version):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    whole = drawn(contestants[version], pairs, None)

    def stop(done, _total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawn(contestants[version], pairs, tmp_path, progress=stop)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    measured = []

    def counting(candidates):
        measured.append(len(candidates.redshift))
        return candidate_targets(candidates)

    again = drawn(contestants[version], pairs, tmp_path, measure=counting)
    assert measured == [2]
    assert not list(tmp_path.rglob("*.tmp"))
    assert set(again.values.names) == set(SPECTRAL_TARGETS)
    kept, expected = again.values.to_arrays(), whole.values.to_arrays()
    for name in (*SPECTRAL_TARGETS, CLASS):
        assert kept[name].shape == (6, K)
        np.testing.assert_array_equal(kept[name], expected[name], name)
    assert (again.core_seconds > 0).all()


def test_other_weights_steps_or_arithmetic_are_drawn_anew(contestants):
    latent = contestants[TOY_VERSION]
    exact = Contestant(latent.family, latent.manifest, K, 3, half_precision=False)
    other = latent.manifest.model_copy(update={"weights_sha256": "f" * 64})
    keys = {
        latent.key,
        exact.key,
        Contestant(latent.family, other, K, 3).key,
        Contestant(latent.family, latent.manifest, K, 4).key,
        Contestant(latent.family, latent.manifest, K + 1, 3).key,
    }
    assert len(keys) == 5


def test_other_galaxies_or_another_measurement_of_the_truth_are_drawn_anew(contestants, pairs, tmp_path):
    latent = contestants[TOY_VERSION]
    drawn(latent, pairs, tmp_path)
    drawn(latent, pairs, tmp_path, n=5)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    moved = pairs.truth.also({"dn4000": pairs.truth["dn4000"] + 1e-3})
    changed = type(pairs)(pairs.conditions, moved, pairs.ln_flux_rest)
    drawn(latent, changed, tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3


def test_both_frames_are_measured_alike(contestants, pairs):
    """A cascade's spectra are taken as they are, a latent's are shifted; names are the same."""
    found = []
    for contestant in contestants.values():
        candidates = contestant.family.candidates(pairs.conditions[:2], seeds_of(0, 2), n=K, steps=3)
        found.append(candidate_targets(candidates))
        np.testing.assert_array_equal(found[-1]["redshift"], candidates.redshift)
    assert found[0].names == found[1].names


def test_half_precision_draws_the_cascades_spectra(pairs):
    family = toy_cascade()
    half = in_half_precision(family)
    exact, quick = (
        one.candidates(pairs.conditions[:3], seeds_of(0, 3), n=K, steps=15).ln_flux for one in (family, half)
    )
    assert np.abs(exact - quick).mean() < 0.01 * exact.std()
    assert (half.dtype, family.dtype) == ("bfloat16", "float32")
    assert half.contrast_high is family.contrast_high
