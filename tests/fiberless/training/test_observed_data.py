"""Training on a data set whose spectra are noisy, as those of a survey are."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from fiberless.datasets.shards import ShardSet, write_info, write_shard
from fiberless.errors import UsageError
from fiberless.evaluation.pairs import read_held_out
from fiberless.training.train import Training
from fiberless.training.version import write_version


def silent(*_):
    pass


@pytest.fixture(scope="module")
def observed(data, tmp_path_factory):
    """The toy galaxies without what only a simulation knows."""
    folder = tmp_path_factory.mktemp("observed")
    kept = {name: text for name, text in data.info.columns.items() if name != "ln_shape"}
    names = tuple(name for name in data.info.truth_names if name not in {"ln_norm", "log_age_light"})
    update = {"kind": "sdss", "columns": kept, "truth_names": names, "description": "toy survey"}
    write_info(folder, data.info.model_copy(update=update))
    columns = [data.info.truth_names.index(name) for name in names]
    for index, shard in enumerate(data.shards()):
        shard["truth"] = shard["truth"][:, columns]
        write_shard(folder, index, {name: shard[name] for name in kept})
    return ShardSet(folder)


@pytest.fixture(scope="module")
def config(trained, tiny, tmp_path_factory):
    version = tmp_path_factory.mktemp("version")
    save_file(trained.family.basis.to_arrays(), str(version / "basis.safetensors"))
    return tiny.model_copy(update={"basis": str(version)})


@pytest.fixture(scope="module")
def prepared(observed, config, tmp_path_factory):
    return Training(observed, config, tmp_path_factory.mktemp("run"), progress=silent).prepared


def test_latents_are_posteriors_around_the_simulated_ones(prepared, trained, data):
    assert prepared.cholesky.shape == (40, 7, 7)
    truth = trained.family.basis.whiten(trained.family.basis.encode(data.column("ln_shape")))
    sigma = np.sqrt(np.einsum("nij,nij->ni", prepared.cholesky, prepared.cholesky))[:, 1:]
    pull = (prepared.latent[:, 2:8] - truth) / sigma
    # six components leave much of a spectrum out, so that some lie many sigma off; most must not
    assert np.median(np.abs(pull)) < 3
    assert np.corrcoef(prepared.latent[:, 2], truth[:, 0])[0, 1] > 0.97


def test_what_the_survey_does_not_know_stays_unknown(prepared):
    ages = prepared.latent[:, 8 + 1]
    assert np.isnan(ages).all()
    assert np.isfinite(np.delete(prepared.latent, 9, axis=1)).all()


def test_both_stages_learn_and_the_card_says_from_what(observed, config, tmp_path):
    trained = Training(observed, config, tmp_path / "run", progress=silent).finish()
    manifest = write_version(tmp_path / "sdss-1", trained, command="fiberless train …")
    assert manifest.training_data == "40 observed galaxies (toy survey)"
    card = (tmp_path / "sdss-1" / "card.md").read_text()
    assert "Trained on observed galaxies" in card
    assert "simulated galaxies only" not in card
    for parameter in trained.family.denoiser.parameters():
        assert parameter.isfinite().all()


def test_without_a_basis_noisy_spectra_are_refused(observed, tiny, tmp_path):
    with pytest.raises(UsageError, match="--basis"):
        _ = Training(observed, tiny, tmp_path, progress=silent).prepared


def test_observed_spectra_are_no_truth_to_be_scored_against(observed):
    with pytest.raises(UsageError, match="noiseless"):
        read_held_out(observed, r_limit=17.77, limit=None, progress=silent)
