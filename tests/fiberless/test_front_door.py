"""The front door for Python: light, complete, the same whoever predicts, and its examples run."""

import ast
import asyncio
import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum as SpecutilsSpectrum

import fiberless
from fiberless.errors import UsageError
from fiberless.images.fits.read import read_cutout
from fiberless.testing import TOY_VERSION, synthetic_cutout, write_toy_store

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "galaxy.fits"
NAMES = sorted(set(fiberless.__all__) - {"__version__"})
WITHOUT_EXAMPLE = {"FiberlessError", "MeasuredSpectrum"}
HEAVY = ("torch", "astropy", "httpx", "pydantic", "numpy", "typer")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    write_toy_store(tmp_path / "models")
    monkeypatch.setenv("FIBERLESS_MODEL_STORE", str(tmp_path / "models"))
    return fiberless.load_model("default", device="cpu")


@pytest.fixture
def service(monkeypatch):
    """Whatever is asked of a service, the shipped model of this process answers."""

    def answer(_client, request):
        model = fiberless.load_model("default", device="cpu")
        prediction = model.predict(EXAMPLE, n_candidates=4)
        return httpx.Response(200, text=prediction.model_dump_json(by_alias=True), request=request)

    async def answer_later(client, request):
        return await asyncio.to_thread(answer, client, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer_later)


def doctests():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in NAMES:
        offered = getattr(fiberless, name)
        found = finder.find(offered, name, module=import_module(offered.__module__))
        yield from (test for test in found if test.examples)


TESTS = list(doctests())


@pytest.mark.parametrize("test", TESTS, ids=[test.name for test in TESTS])
@pytest.mark.usefixtures("service")
def test_the_examples_of_the_docstrings_run(test, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("FIBERLESS_MODEL_STORE", raising=False)
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(test, out=told.append).failed == 0, "".join(told)


def test_everything_offered_has_an_example():
    shown = {test.name.partition(".")[0] for test in TESTS}
    assert set(NAMES) - WITHOUT_EXAMPLE == shown


def test_importing_it_loads_next_to_nothing():
    told = f"import fiberless, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_naming_what_is_offered_loads_no_torch():
    told = f"import fiberless, sys; [getattr(fiberless, n) for n in {NAMES}]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_completion_and_type_checkers_see_the_same_names():
    assert set(fiberless.__all__) <= set(dir(fiberless))
    stub = ast.parse((ROOT / "fiberless" / "__init__.pyi").read_text())
    (exported,) = (node.value for node in stub.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(exported) == fiberless.__all__
    with pytest.raises(AttributeError, match="no attribute 'predikt'"):
        _ = fiberless.predikt


def images():
    cutout = read_cutout(EXAMPLE.read_bytes())
    plain = {"n_candidates": 2, "seed": 3}
    return {
        "path": (EXAMPLE, plain),
        "text": (str(EXAMPLE), plain),
        "bytes": (EXAMPLE.read_bytes(), plain),
        "HDUList": (fits.HDUList.fromstring(EXAMPLE.read_bytes()), plain),
        "cutout": (cutout, plain),
    }


@pytest.mark.parametrize("kind", images())
def test_every_form_of_an_image_gives_the_same_prediction(toy, kind):
    image, options = images()[kind]
    expected = toy.predict(read_cutout(EXAMPLE.read_bytes()), **options)
    found = toy.predict(image, **options)
    assert type(found) is fiberless.Prediction
    assert (found.id, found.spectrum, found.properties) == (
        expected.id, expected.spectrum, expected.properties
    )  # fmt: skip


def test_an_array_is_cut_to_its_middle_like_a_file(toy):
    flux = np.pad(synthetic_cutout(4).flux_nmgy, ((0, 0), (3, 3), (3, 3)), mode="wrap")
    found = toy.predict(flux, n_candidates=2, ebv=0.0, object_id="mine:1")
    middle = toy.predict(fiberless.Cutout(flux[:, 3:-3, 3:-3]), n_candidates=2, ebv=0.0)
    assert found.spectrum == middle.spectrum
    assert (found.object.object_id, found.provenance.cutout.ebv) == ("mine:1", 0.0)
    assert found.provenance.model.version == toy.version == TOY_VERSION
    assert toy.predict(fiberless.Cutout(flux), n_candidates=2, ebv=0.0).spectrum == middle.spectrum


@pytest.mark.parametrize(
    ("image", "options", "reason"),
    [
        (np.zeros((4, 64, 64)), {}, "wrong-band-count"),
        (b"no image", {}, "not-fits"),
        (7, {}, "invalid-parameter: a int is no image of a galaxy"),
        (synthetic_cutout(4), {"n_candidates": 0}, "invalid-parameter: n_candidates: Input should be"),
    ],
)
def test_what_is_wrong_is_named(toy, image, options, reason):
    with pytest.raises(UsageError, match=reason):
        toy.predict(image, **options)


def test_what_torch_is_needed_for_says_so(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "fiberless.inference.predictor", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the extra: pip install 'fiberless\[model\]'"):
        fiberless.load_model(toy.version)


@pytest.mark.parametrize("form", ["ours", "specutils"])
def test_a_spectrum_in_memory_is_measured_as_its_file(form, tmp_path):
    wave_aa = np.arange(4000.0, 8500.0)
    flux = 20 + np.random.default_rng(1).normal(size=4500)
    for rest_aa, total in ((4862.69, 100.0), (5008.24, 100.0), (6564.61, 286.0), (6585.27, 100.0)):
        flux += total * np.exp(-0.5 * ((wave_aa / 1.1 - rest_aa) / 3.0) ** 2) / 8.3
    table = tmp_path / "galaxy.txt"
    np.savetxt(table, np.stack([wave_aa, flux, np.ones(4500)], axis=1), fmt="%.17g")
    given = {
        "ours": fiberless.Spectrum(wave_aa, flux, np.ones(4500)),
        "specutils": SpecutilsSpectrum(
            spectral_axis=wave_aa * units.AA,
            flux=flux * units.Unit("1e-17 erg / (s cm2 Angstrom)"),
            uncertainty=_deviation(np.ones(4500)),
        ),
    }[form]
    found, expected = (fiberless.measure(one, redshift=0.1, ebv=0.05) for one in (given, table))
    assert found.lines == expected.lines
    assert found.lines["Halpha"].flux.value > 100
    assert found.file == "spectrum"


def _deviation(values):
    return StdDevUncertainty(values, unit=units.Unit("1e-17 erg / (s cm2 Angstrom)"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"frame": "rest"}, "must be in the observed frame"),
        ({"kind": "predicted"}, "measured over its candidates"),
    ],
)
def test_a_spectrum_that_cannot_be_measured_is_refused(changes, reason):
    with pytest.raises(UsageError, match=reason):
        fiberless.measure(fiberless.Spectrum(np.arange(4000.0, 8500.0), np.ones(4500), **changes))
    with pytest.raises(UsageError, match="a int is no spectrum"):
        fiberless.measure(3)
