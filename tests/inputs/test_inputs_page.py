"""Every situation ends as it must, and `docs/reference/inputs.md` says so."""

import importlib
import os
from pathlib import Path

import pytest

from fiberless.errors import FiberlessError

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "inputs.md"
NO_KINDS = {"situation", "readers", "reading_targets"}
INTRODUCTION = """# What is read

Inputs as other software writes them, and what becomes of each: `read` says what is made of it, `refused` how
the refusal begins. A test runs every line; what is present but not understood is refused or named, never
passed over.
"""


def kinds():
    names = [path.stem for path in sorted(HERE.glob("*.py")) if not path.stem.startswith("test_")]
    kinds_alone = [name for name in names if name not in NO_KINDS and not name.endswith("_files")]
    return [importlib.import_module(f"tests.inputs.{name}") for name in kinds_alone]


CASES = [
    pytest.param(situation, id=f"{kind.__name__.rpartition('.')[2]}: {situation.given}")
    for kind in kinds()
    for situation in kind.SITUATIONS
]


@pytest.mark.parametrize("situation", CASES)
def test_a_situation_ends_as_it_must(situation):
    if situation.outcome == "read":
        assert situation.run() == situation.how
        return
    with pytest.raises(FiberlessError) as caught:
        situation.run()
    assert str(caught.value).startswith(situation.how)


def cell(text):
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")


def written():
    lines = [INTRODUCTION]
    for kind in kinds():
        lines += [f"## {kind.TITLE}\n", "| given | outcome | how |", "|---|---|---|"]
        lines += [f"| {cell(one.given)} | {one.outcome} | {cell(one.how)} |" for one in kind.SITUATIONS]
        lines.append("")
    return "\n".join(lines)


def test_the_page_lists_all_situations():
    if os.environ.get("FIBERLESS_WRITE_PAGES"):
        PAGE.write_text(written(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written(), "FIBERLESS_WRITE_PAGES=1 writes the page"


def test_no_situation_is_told_twice():
    given = [situation.given for kind in kinds() for situation in kind.SITUATIONS]
    assert len(given) == len(set(given))
