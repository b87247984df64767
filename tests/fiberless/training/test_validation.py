"""Validation plots: numbers known beforehand from made-up candidates, and the files of a real run."""

import json

import numpy as np
import pytest

from fiberless.training.validation import ContrastValidation, DenoiserValidation

B, K, D = 400, 15, 3


def validation(*, width):
    """Candidates of a known posterior: truth and candidates scatter alike around each galaxy's centre."""
    rng = np.random.default_rng(4)
    centre = rng.normal(0, 0.8, (B, D))
    true = centre + rng.normal(0, 0.6, (B, D))
    drawn = centre[:, None] + width * rng.normal(0, 0.6, (B, K, D))
    true[:, 2] = np.nan
    return DenoiserValidation(
        true, drawn, 0.1 + 0.02 * true[:, 0], 0.1 + 0.02 * drawn[..., 0], np.full(B, 0.5)
    )


def test_a_calibrated_model_has_uniform_ranks_and_the_spread_of_the_truth():
    calibrated = validation(width=1.0)
    ranks = calibrated.ranks()
    assert np.isnan(ranks[:, 2]).all()
    assert np.nanmean(ranks) == pytest.approx(0.5, abs=0.03)
    assert np.nanvar(ranks) == pytest.approx(1 / 12, abs=0.02)
    assert calibrated.spread() == pytest.approx(1.0, abs=0.06)
    summary = calibrated.summary()
    assert summary["redshift_r2"] == pytest.approx(0.64, abs=0.08)
    assert summary["redshift_nmad"] == pytest.approx(0.02 * 0.6 / 1.1, rel=0.2)


def test_too_narrow_candidates_show_in_the_ranks_and_in_the_spread():
    narrow = validation(width=0.2)
    assert np.nanvar(narrow.ranks()) > 0.13
    assert narrow.spread()[:2].max() < 0.9


def test_retrieval_is_summed_up_by_the_best_and_the_median_rank():
    assert ContrastValidation(np.array([1, 1, 2, 7])).summary() == {"n": 4, "top_1": 0.5, "median_rank": 1.5}


def test_a_run_leaves_a_picture_and_its_numbers_at_every_checkpoint(trained, run_folder):  # noqa: ARG001
    names = {f"{stage}-{step:06d}" for stage in ("contrastive", "denoiser") for step in (3, 6, 7)}
    plots = run_folder / "validation"
    assert {path.name for path in plots.iterdir()} == {
        f"{n}.{kind}" for n in names for kind in ("png", "json")
    }
    for name in names:
        assert (plots / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        summary = json.loads((plots / f"{name}.json").read_text())
        assert summary["step"] == int(name.rpartition("-")[2])
        assert summary["n"] == 4  # a tenth of the data
