import json

import numpy as np
import pytest

from fiberless.evaluation.evaluate import EvaluationOptions, evaluate
from fiberless.evaluation.pairs import read_held_out, true_latents
from fiberless.evaluation.sampling import in_half_precision
from fiberless.evaluation.target_table import measure_targets
from fiberless.evaluation.targets import PHYSICAL_TARGETS, SPECTRAL_TARGETS, TARGETS
from fiberless.inference.physical import PHYSICAL_NAMES
from fiberless.testing import toy_family


def test_physical_targets_are_those_of_the_latent():
    assert tuple(PHYSICAL_TARGETS) == PHYSICAL_NAMES


def test_targets_of_true_spectra_are_their_truth(data):
    ln_flux = data.column("ln_shape") + data.truth("ln_norm")[:, None]
    targets = measure_targets(ln_flux, data.truth("redshift"))
    assert set(SPECTRAL_TARGETS) == set(targets.names)
    strong = data.truth("ew_Halpha") > 3
    error = targets["log_ew_Halpha"] - np.log10(data.truth("ew_Halpha"))
    assert np.median(error[strong]) == pytest.approx(0.0, abs=0.01)
    flux_error = targets["log_flux_Halpha"] - np.log10(data.truth("flux_Halpha"))
    assert np.abs(flux_error[strong]).max() < 0.05
    ratio = np.log10(data.truth("flux_NII_6585") / data.truth("flux_Halpha"))
    assert np.median(np.abs(targets["n2"] - ratio)[strong]) < 0.02


def test_line_ratios_exist_where_halpha_does(data):
    ln_flux = data.column("ln_shape") + data.truth("ln_norm")[:, None]
    targets = measure_targets(ln_flux, data.truth("redshift"))
    np.testing.assert_array_equal(np.isfinite(targets["n2"]), 10 ** targets["log_ew_Halpha"] > 3)


def test_an_untrained_model_scores_worse_than_a_regression_and_the_gates_say_so(evaluation):
    scores = evaluation.scores
    assert list(scores) == ["model", "neighbours", "mlp", "cnn", "constant"]
    assert set(scores["model"]) == set(TARGETS)
    assert scores["constant"]["dn4000"].r2 == pytest.approx(0.0, abs=0.05)
    assert scores["model"]["dn4000"].r2 < scores["mlp"]["dn4000"].r2
    failed = {gate["name"] for gate in evaluation.as_dict()["gates"] if not gate["holds"]}
    assert {"R² of dn4000, posterior mean", "R² less the best baseline's"} <= failed


def test_figures_are_json_without_nan_and_complete(evaluation):
    figures = json.loads(json.dumps(evaluation.as_dict(), allow_nan=False))
    assert figures["n"] == evaluation.n == len(evaluation.pairs.conditions)
    assert figures["n_candidates"] == 12
    assert 1 <= figures["retrieval"]["median_rank"] <= figures["n"]
    latent_size = evaluation.drawn.candidates.latent.shape[-1]
    assert len(figures["sampler_width_ratio"]) == latent_size
    assert len(figures["joint"]["dimensions"]) == latent_size
    assert {row["method"] for row in figures["agn"]} == {"model", "neighbours"}


def test_the_choice_of_candidates_is_known_for_every_k(evaluation):
    table = evaluation.choice
    assert set(table["redshift"]["median"]) == {"1", "5", "12"}
    assert set(table["dn4000"]["median"]) == {"1", "5", "6"}
    for ways in table.values():
        assert ways["random"]["1"] == ways["median"]["1"] == ways["medoid"]["1"] == ways["contrastive"]["1"]


def test_candidates_of_a_galaxy_do_not_depend_on_how_many_are_evaluated(data, evaluation):
    options = EvaluationOptions(n_candidates=12, n_measured=6, baseline_rows=60, mlp_steps=0, limit=20)
    fewer = evaluate(toy_family(), data, data, steps=4, options=options, progress=lambda *_: None)
    n = fewer.n
    np.testing.assert_allclose(
        fewer.drawn.candidates.latent, evaluation.drawn.candidates.latent[:n], atol=0.02
    )
    assert "mlp" not in fewer.scores


def test_half_precision_changes_samples_by_little_and_leaves_the_family_alone(data):
    family = toy_family()
    pairs = read_held_out(data, r_limit=30.0, limit=5, progress=lambda *_: None)
    seeds = [(0, str(i)) for i in range(5)]
    exact = family.candidates(pairs.conditions, seeds, n=20, steps=15).latent
    quick = in_half_precision(family).candidates(pairs.conditions, seeds, n=20, steps=15).latent
    assert np.abs(exact - quick).mean() < 0.01 * exact.std()
    assert family.dtype == "float32"


def test_galaxies_are_chosen_by_their_images(data):
    everyone = read_held_out(data, r_limit=30.0, limit=None, progress=lambda *_: None)
    bright = read_held_out(data, r_limit=17.5, limit=None, progress=lambda *_: None)
    assert len(everyone.conditions) == len(data)
    assert len(bright.conditions) == (everyone.conditions.r_magnitude < 17.5).sum() < len(data)
    np.testing.assert_allclose(everyone.truth["log_stellar_mass"], data.truth("log_stellar_mass"), rtol=1e-6)


def test_a_true_latent_decodes_to_its_galaxy(data):
    """Round trip through basis and scaler: redshift, level and physical quantities come back."""
    family = toy_family()
    pairs = read_held_out(data, r_limit=30.0, limit=10, progress=lambda *_: None)
    latent = true_latents(family, pairs)[:, None]
    ln_flux, redshift = family.decode_rest(latent, pairs.conditions.r_aperture_nmgy)
    np.testing.assert_allclose(redshift[:, 0], pairs.truth["redshift"], atol=1e-5)
    # the toy basis has six components of other spectra: only the mean level is exact
    assert np.abs(np.median(ln_flux[:, 0] - pairs.ln_flux_rest, axis=1)).max() < 0.3
    physical = family.physical(latent, pairs.conditions.r_total_nmgy)
    for name in ("log_stellar_mass", "log_age", "metallicity"):
        np.testing.assert_allclose(physical[:, 0, PHYSICAL_NAMES.index(name)], pairs.truth[name], atol=1e-4)
