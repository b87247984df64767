"""Every code block of the documentation: run as printed against a running service, or at least parsed.

A block runs unless a comment `<!-- parsed only: why -->` stands before it; then its commands and options must
exist. Blocks of one page share a folder, in order, as a reader's would.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.core import TyperGroup

from fiberless.cli import app
from fiberless.images.fits.read import write_cutout
from fiberless.testing import synthetic_cutout, write_toy_store
from fiberless.training.config import read_config
from tests.running_service import serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
GENERATED = {"reference", "_build"}
_BLOCK = re.compile(
    r"(?:^<!-- parsed only: (?P<reason>[^\n]+) -->\n)?^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    kind: str
    text: str
    is_run: bool


def pages():
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
    found += sorted((ROOT / "docs").rglob("*.md"))
    return [page for page in found if not GENERATED & set(page.relative_to(ROOT).parts)]


def blocks_of(page):
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["kind"], match["text"], match["reason"] is None) for match in found]


PAGES = {str(page.relative_to(ROOT)): blocks_of(page) for page in pages()}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    models, images = folder / "models", folder / "images"
    write_toy_store(models)
    images.mkdir()
    for row, (ra, dec) in enumerate([(38.35502, -0.15570), (38.36940, -0.03450)]):
        image = synthetic_cutout(40 + row)
        placed = type(image)(flux_nmgy=image.flux_nmgy, source="docs", ra=ra, dec=dec)
        (images / f"{row}.fits").write_bytes(write_cutout(placed))
    environment = {"FIBERLESS_ARCHIVE_DIR": str(images), "FIBERLESS_CUTOUT_SOURCES": "archive"}
    with serving(folder / "data", models, "--port", "0", environment=environment) as service:
        yield service.url


@pytest.fixture
def desk(tmp_path):
    """A folder like a fresh checkout: examples, and the environment to activate."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(block, desk, url):
    text = block.text.replace(ADDRESS, url)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FIBERLESS_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FIBERLESS_URL": url,
        "NO_PROXY": "127.0.0.1",
    }
    shell = ["bash", "-euo", "pipefail", "-c", text]
    command = [sys.executable, "-c", text] if block.kind == "python" else shell
    done = subprocess.run(
        command, cwd=desk, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def commands_in(text):
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def check_command(words):
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), words
    if words[0] == "cp":
        assert (ROOT / words[1]).exists(), words
    if "fiberless" in words:
        check_fiberless(words[words.index("fiberless") + 1 :])


def check_fiberless(words):
    command = typer.main.get_command(app)
    rest = list(words)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, words
        command = command.commands[name]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)}
    assert given <= known, (words, given - known)


@pytest.mark.parametrize("page", [page for page, blocks in PAGES.items() if any(b.is_run for b in blocks)])
def test_what_is_printed_works(page, desk, url):
    for block in PAGES[page]:
        if block.is_run and block.kind in {"python", "sh"}:
            run(block, desk, url)


def written(folder, text):
    path = folder / "training.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_can_be_parsed(page, tmp_path):
    for block in PAGES[page]:
        match block.kind:
            case "sh":
                for words in commands_in(block.text):
                    check_command(words)
            case "python":
                compile(block.text, page, "exec")
            case "toml":
                read_config(written(tmp_path, block.text))
            case "json":
                json.loads(block.text)
            case kind:
                assert kind in {"text", "sql"} or kind.startswith("{"), f"{page}: of no known kind: {kind}"


def test_most_blocks_are_run():
    blocks = [block for found in PAGES.values() for block in found if block.kind in {"sh", "python"}]
    assert sum(block.is_run for block in blocks) >= 15


def test_the_documentation_builds_without_a_warning(tmp_path):
    source = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns(*GENERATED))
    (source / "reference").mkdir()
    shutil.copy(ROOT / "docs" / "reference" / "inputs.md", source / "reference")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, str(source), str(tmp_path / "html")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    settings = (source / "reference" / "settings.md").read_text()
    assert ".. autofunction:: fiberless.load_model" in (source / "reference" / "python.md").read_text()
    assert "n_candidates" in (tmp_path / "html" / "reference" / "python.html").read_text()
    assert "`FIBERLESS_BATCH_SIZE` | `16` |" in settings
    assert "## POST `/api/v1/predictions`" in (source / "reference" / "http.md").read_text()
    assert "## `fiberless predict`" in (source / "reference" / "cli.md").read_text()
