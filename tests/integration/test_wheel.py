"""The wheel alone in a bare environment: client, measurements and command line, against a played service."""

import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fiberless.cli.extras import EXTRA_OF
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.images.fits.read import read_cutout
from fiberless.inference.predictor import load_predictor
from fiberless.products.fits import prediction_fits
from fiberless.testing import TOY_VERSION, write_toy_store

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "galaxy.fits"
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Interpreter of an environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "fiberless", source / "fiberless", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PACKAGED:
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(source)], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "bare")], check=True)
    bare = folder / "bare" / "bin" / "python"
    subprocess.run([str(bare), "-m", "pip", "install", "--quiet", str(wheel)], check=True, cwd=folder)
    return bare


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    store = tmp_path_factory.mktemp("models")
    write_toy_store(store)
    return store


@pytest.fixture(scope="module")
def answers(toys):
    """What the played service says, by path."""
    predictor = load_predictor(toys, TOY_VERSION, device="cpu")
    cutout = read_cutout(EXAMPLE.read_bytes())
    options = PredictionOptions(n_candidates=2, object_id="demo:1")
    (result,) = predictor.predict([PredictionRequest(cutout, options)])
    document = result.prediction.model_dump(mode="json", by_alias=True)
    path = f"/api/v1/predictions/{result.prediction.id}"
    models = [{"is_default": True, "manifest": predictor.manifest.model_dump(mode="json")}]
    return {
        "/api/v1/predictions": json.dumps(document).encode(),
        "/api/v1/objects/demo:1": json.dumps({"prediction": document}).encode(),
        "/api/v1/models": json.dumps({"default": TOY_VERSION, "models": models}).encode(),
        f"{path}/spectrum": prediction_fits(result.prediction, result.arrays, cutout),
        f"{path}/preview.png": b"\x89PNG\r\n",
    }


@pytest.fixture(scope="module")
def url(answers):
    class Service(BaseHTTPRequestHandler):
        def do_GET(self):
            content = answers[self.path.partition("?")[0]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def run(python, tmp_path):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FIBERLESS_", "PYTHON"))}
    environment = clean | {"XDG_DATA_HOME": str(tmp_path / "share"), "NO_PROXY": "127.0.0.1"}

    def typed(*words, rc=0, program=None):
        command = program or [str(python.parent / "fiberless")]
        done = subprocess.run(
            [*command, *map(str, words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == rc, (words, done.stdout, done.stderr)
        return done

    return typed


def test_it_helps_and_brings_no_extra(run, python):
    assert "predict" in run("--help").stdout
    installed = json.loads(run("-m", "pip", "list", "--format", "json", program=[str(python)]).stdout)
    names = {row["name"].lower() for row in installed}
    assert "fiberless" in names
    assert not names & {"torch", "sqlalchemy", "celery", "fastapi", "matplotlib", "specutils"}


def test_it_predicts_and_measures_what_a_service_answers(run, url, tmp_path):
    told = run("predict", EXAMPLE, "--url", url, "--json", "--plot")
    assert json.loads(told.stdout)["object"]["object_id"] == "demo:1"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "galaxy.fits", "galaxy.json", "galaxy.png"
    }  # fmt: skip
    measured = json.loads(run("measure", "out/galaxy.fits", "--json").stdout)
    assert measured["kind"] == "predicted"


def test_it_gets_and_lists(run, url):
    assert json.loads(run("get", "demo:1", "--url", url, "--json").stdout)["kind"] == "predicted-spectrum"
    assert "redshift" in run("get", "demo:1", "--url", url).stdout
    assert TOY_VERSION in run("models", "--url", url).stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("serve",), "server"),
        (("demo",), "server"),
        (("keys", "list"), "server"),
        (("doctor",), "server"),
        (("predict", EXAMPLE, "--local"), "model"),
        (("train", "."), "model"),
        (("measure", EXAMPLE, "--out", "a.parquet"), "parquet"),
    ],
    ids=lambda given: given if isinstance(given, str) else given[0],
)
def test_what_needs_an_extra_says_which(run, words, extra):
    told = run(*words, rc=2)
    assert f"pip install 'fiberless[{extra}]'" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_model_is_fetched_and_then_needs_torch(run, python, toys, tmp_path):
    run("models", "fetch", toys / TOY_VERSION)
    assert (tmp_path / "share" / "fiberless" / "models" / TOY_VERSION / "manifest.json").is_file()
    told = run("-c", "import fiberless; fiberless.load_model()", program=[str(python)], rc=1)
    assert told.stderr.splitlines()[-1].endswith("needs the extra: pip install 'fiberless[model]'")


def test_from_python_it_asks_a_service(run, python, url):
    text = (
        f"import fiberless; client = fiberless.Client({url!r}); found = client.predict({str(EXAMPLE)!r});"
        "print(type(found) is fiberless.Prediction, len(found.to_table()))"
    )
    assert run("-W", "error", "-c", text, program=[str(python)]).stdout.split() == ["True", "4500"]


def test_the_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for module, extra in EXTRA_OF.items():
        brought = {word.split("[")[0].split(">")[0].split("=")[0].replace("-", "_") for word in extras[extra]}
        assert module in brought | {"kombu"}, (module, extra)
