"""`fiberless predict` as it is typed."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.cli.asked import asked_galaxies
from fiberless.client import Client
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.images.fits.read import read_cutout, write_cutout
from fiberless.inference.predictor import load_predictor
from fiberless.testing import TOY_VERSION, synthetic_cutout, write_toy_store


@pytest.fixture
def galaxy(tmp_path):
    path = tmp_path / "galaxy.fits"
    path.write_bytes(write_cutout(synthetic_cutout(4)))
    return path


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    write_toy_store(folder)
    monkeypatch.setenv("FIBERLESS_MODEL_STORE", str(folder))
    monkeypatch.setenv("FIBERLESS_DEVICE", "cpu")
    return folder


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_local_predictions_are_those_of_the_predictor(galaxy, models, tmp_path):
    told = run("predict", galaxy, "--local", "--json", "--candidates", 2, "--plot", "--out", tmp_path / "out")
    assert told.exit_code == 0, told.output
    options = PredictionOptions(model=TOY_VERSION, n_candidates=2, label="galaxy.fits")
    (expected,) = load_predictor(models, TOY_VERSION, device="cpu").predict(
        [PredictionRequest(read_cutout(galaxy.read_bytes()), options)]
    )
    document = json.loads(told.stdout)
    assert document["id"] == expected.prediction.id
    assert document["spectrum"] == expected.prediction.model_dump(mode="json")["spectrum"]
    written = {path.suffix: path.read_bytes()[:6] for path in (tmp_path / "out").iterdir()}
    assert written == {".fits": b"SIMPLE", ".json": b'{\n "id', ".png": b"\x89PNG\r\n"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "give FITS files, or --ra and --dec, or --id"),
        (("--ra", "1"), "needed together"),
        (("--ra", "1", "--dec", "95"), "dec from −90 to 90"),
        (("--ra", "1", "--dec", "2", "--id", "sdss:1"), "ra and dec, or else object_id"),
    ],
)
def test_what_says_too_little_or_too_much_is_refused(words, reason):
    told = run("predict", *words)
    assert told.exit_code == 2
    assert reason in " ".join(told.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("--ra", "10.5", "--dec", "-1"), {"ra": 10.5, "dec": -1.0}),
        (("--id", "sdss:1"), {"object_id": "sdss:1"}),
    ],
)
def test_places_and_names_are_asked_of_the_service(words, target, monkeypatch):
    posted = []

    def refuse(request):
        posted.append(json.loads(request.content))
        return httpx.Response(
            404, json={"type": "/problems/outside-footprint", "detail": "no image there", "status": 404}
        )

    class Played(Client):
        def __init__(self, url):
            super().__init__(url, transport=httpx.MockTransport(refuse))

    monkeypatch.setattr("fiberless.cli.predict_remote.Client", Played)
    told = run("predict", *words, "--candidates", "3")
    assert str(told.exception) == "outside-footprint: no image there"
    assert posted == [{"target": target, "options": {"n_candidates": 3}}]


@pytest.mark.usefixtures("models")
def test_one_bad_file_is_named_and_the_others_go_on(galaxy, tmp_path):
    (tmp_path / "bad.fits").write_bytes(b"no image")
    told = run("predict", galaxy, tmp_path / "bad.fits", tmp_path / "gone.fits", galaxy, "--local", "--json")
    assert told.exit_code == 2
    assert len(told.stdout.splitlines()) == 2
    assert "2 of 4 failed" in told.stderr
    assert "bad.fits: " in told.stderr
    assert "gone.fits: fits-empty: cannot be read" in told.stderr


def test_a_position_among_the_arguments_is_one():
    (galaxy,) = asked_galaxies(["02:33:25.2 -00:09:20"], ra=None, dec=None, object_id=None)
    assert galaxy.of.position == pytest.approx((38.355, -0.155556), abs=1e-6)
