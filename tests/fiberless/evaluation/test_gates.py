import copy

import numpy as np
import pytest

from fiberless.evaluation.choice import choice_table, medoid_of
from fiberless.evaluation.gates import LEAST_R2, gates
from fiberless.evaluation.sampling import EvaluatedCandidates
from fiberless.evaluation.target_table import TargetTable
from fiberless.inference.family import Candidates, SpectralGrid

ROW = {"r2": 0.99, "r2_mean": 0.99, "crps": 0.8, "coverage_68": 0.68, "coverage_95": 0.95}
GOOD = {
    "scores": {
        "model": {name: dict(ROW) for name in LEAST_R2},
        "neighbours": {name: ROW | {"r2": 0.7, "crps": 1.0} for name in LEAST_R2},
    },
    "photo_z": {"model": {"sigma_mad": 0.010}},
    "joint": {"tarp": {"p_value": 0.4}},
    "retrieval": {"top_1": 0.4, "median_rank": 2.0},
    "sampler_width_ratio": [0.99, 1.02],
    "choice": {"redshift": {"median": {"25": 0.72}}},
    "basis_rms": 0.001,
    "options": {"training_core_minutes": 25.0},
}
FAULTS = {
    "R² of av, posterior mean": ("scores", "model", "av", "r2_mean", 0.86),
    "σ_MAD of Δz/(1+z)": ("photo_z", "model", "sigma_mad", 0.012),
    "CRPS(z) over that of 50 neighbours": ("scores", "model", "redshift", "crps", 0.9),
    "R² less the best baseline's": ("scores", "neighbours", "log_age", "r2", 1.01),
    "68 % intervals cover": ("scores", "model", "n2", "coverage_68", 0.60),
    "95 % intervals cover": ("scores", "model", "n2", "coverage_95", 0.98),
    "p-value of the joint latent's calibration": ("joint", "tarp", "p_value", 0.009),
    "retrieval, top-1 share": ("retrieval", "top_1", 0.2),
    "retrieval, median rank": ("retrieval", "median_rank", 5.0),
    "width of samples over 100 steps'": ("sampler_width_ratio", 1, 1.08),
    "RMSE of the median of 25 over a random candidate's": ("choice", "redshift", "median", "25", 0.76),
    "rms of the spectral basis, ln F": ("basis_rms", 0.002),
    "core-minutes of the training": ("options", "training_core_minutes", 31.0),
}


def test_all_gates_hold_for_a_good_model_and_all_are_known():
    found = gates(GOOD)
    assert all(gate.holds for gate in found)
    assert {gate.name for gate in found} == set(FAULTS) | {
        f"R² of {name}, posterior mean" for name in LEAST_R2
    }


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_fails_one_gate(name):
    figures = copy.deepcopy(GOOD)
    *path, key, value = FAULTS[name]
    place = figures
    for step in path:
        place = place[step]
    place[key] = value
    assert [gate.name for gate in gates(figures) if not gate.holds] == [name]


def test_what_lies_outside_is_named():
    figures = copy.deepcopy(GOOD)
    figures["scores"]["model"]["n2"]["coverage_68"] = 0.6
    gate = next(gate for gate in gates(figures) if gate.name == "68 % intervals cover")
    assert gate.measured == "0.600 – 0.680; outside: n2"


def test_choices_of_gaussian_candidates_have_the_errors_of_theory():
    """Truth and samples from one N(0, 1): a random one errs by √2, the median of many by 1."""
    rng = np.random.default_rng(4)
    n, K = 4000, 100
    truth, samples = rng.normal(size=n), rng.normal(size=(n, K))
    candidates = Candidates(
        frame=SpectralGrid.REST,
        ln_flux=np.zeros((n, K, 0)),
        redshift=samples,
        physical=np.zeros((n, K, 0)),
        score=-np.abs(samples - truth[:, None]),
        medoid=medoid_of(samples[..., None], K),
        latent=samples[..., None].astype(np.float32),
    )
    drawn = EvaluatedCandidates(
        candidates=candidates,
        targets=TargetTable({"redshift": samples, "dn4000": samples[:, :40]}, np.zeros((n, 40))),
        residual_medoid=np.zeros((n, 1)),
        residual_candidate=np.zeros((n, 1)),
    )
    table = choice_table(TargetTable({"redshift": truth, "dn4000": truth}, np.zeros(n)), drawn)
    assert table["redshift"]["random"]["100"] == pytest.approx(1, abs=0.03)
    assert table["redshift"]["median"]["100"] == pytest.approx(2**-0.5, abs=0.03)
    assert table["redshift"]["medoid"]["100"] == pytest.approx(2**-0.5, abs=0.03)
    assert table["redshift"]["contrastive"]["100"] < 0.1
    assert set(table["dn4000"]["median"]) == {"1", "5", "25", "40"}
