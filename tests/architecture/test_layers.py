"""The house's own rules: who may import whom, what is never loaded, what every module says of itself."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fiberless", "app", "worker")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
WITHOUT_EXPORTS = ("storage/migrations/env.py", "storage/migrations/versions/")
"""Alembic finds these by their path and reads names of its own choice from them."""
FORBIDDEN = re.compile(
    r"torch\.load\(|(?:import|from) (?:pickle|dill|joblib|marshal|shelve)\b|\bpickle\.\w"
    r"|(?<![\w.])(?:eval|exec)\(|yaml\.load\(|(?:allow_pickle|trust_remote_code|shell) *= *True"
    r"|weights_only *= *False"
)


def _named(path):
    return path.relative_to(ROOT).as_posix()


def _lint(folder):
    """Run import-linter on the packages of a folder, which come before any that are installed."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
        "--no-cache",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    """A copy of the packages and of the contracts, to be spoilt."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc", "tables"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _spoil(copy, module, line):
    with (copy / module).open("a") as stream:
        stream.write(f"\n{line}\n")


def test_the_contracts_hold():
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("app/main.py", "import torch", "The front end never reaches torch"),
        ("app/service.py", "def late():\n    from fiberless.nn import ImageEncoder", "never reaches torch"),
        ("app/service.py", "import app.submission_input", "The front end imports downwards only"),
        ("worker/predict.py", "import fastapi", "Workers never import fastapi"),
        ("fiberless/analysis/indices/breaks.py", "import sqlalchemy", "Only storage speaks SQL"),
        ("fiberless/analysis/spectrum.py", "import fiberless.products.fits", "Rooms import downwards only"),
    ],
)
def test_a_deliberate_violation_is_caught_and_named(copy, module, line, contract):
    _spoil(copy, module, line)
    done = _lint(copy)
    assert done.returncode == 1
    assert re.search(f"{contract} BROKEN", done.stdout), done.stdout
    broken_module = module.removesuffix(".py").replace("/", ".")
    assert broken_module in done.stdout


def test_the_layers_name_every_room_of_the_library():
    (layers,) = (one["layers"] for one in CONTRACTS if one["name"] == "Rooms import downwards only")
    named = [room.strip() for layer in layers for room in layer.split("|")]
    rooms = {
        f"fiberless.{path.stem}"
        for path in (ROOT / "fiberless").iterdir()
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert set(named) == rooms | {"app", "worker"}
    assert len(named) == len(set(named))


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_nothing_is_loaded_that_could_run_code(path):
    assert not FORBIDDEN.findall(path.read_text())


def test_the_search_for_dangerous_loading_finds_it():
    harmful = (
        "torch.load(path)",
        "import pickle",
        "eval(text)",
        "yaml.load(s)",
        "from dill import x",
        "np.load(p, allow_pickle=True)",
    )
    assert all(FORBIDDEN.search(text) for text in harmful)
    assert not FORBIDDEN.search("network.eval()")


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_a_module_says_what_it_holds_and_what_it_offers(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"
    if any(part in _named(path) for part in WITHOUT_EXPORTS):
        return
    exported = _exported(tree)
    holds_nothing = path.name == "__init__.py" and len(tree.body) == 1
    assert exported is not None or holds_nothing, "no __all__"
    assert not set(exported or []) - _defined(tree)


def _exported(tree):
    for name, value in _assignments(tree):
        if name == "__all__":
            return ast.literal_eval(value)
    return None


def _assignments(tree):
    for node in tree.body:
        match node:
            case ast.Assign():
                targets, value = node.targets, node.value
            case ast.AnnAssign():
                targets, value = [node.target], node.value
            case _:
                continue
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from ((part.id, value) for part in parts if isinstance(part, ast.Name))


def _defined(tree):
    """Names that a module binds at its top level."""
    names = {name for name, _ in _assignments(tree)}
    for name, value in _assignments(tree):
        if name == "_HOME_OF":  # of names that are loaded when they are asked for
            names.update(ast.literal_eval(value))
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return names


def test_no_address_of_the_service_is_written_below_the_front_end():
    below = [path for path in MODULES if not _named(path).startswith(("app/", "fiberless/client/"))]
    assert [_named(path) for path in below if "/api/" in path.read_text()] == []


def test_no_two_classes_have_one_name():
    """Nor names that an underscore alone tells apart: a private class is a class too."""
    homes = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name.lstrip("_")].append(_named(path))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
