"""Records of decisions are dated, short and complete, and the index names their pages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = (DOCS / "decisions.md").read_text(encoding="utf-8")
PAGES = sorted((DOCS / "decisions").glob("*.md"))
PARTS = ["Context", "Decision", "Why", "Consequences"]
DATES = re.compile(r"20\d\d-[01]\d-[0-3]\d(?:, revised 20\d\d-[01]\d-[0-3]\d)?(?=\.|\n|$)")


def records(page):
    """Pairs (title, body) of a page's sections."""
    parts = re.split(r"^## (.+)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], (body.strip("\n") for body in parts[1::2]), strict=True))


RECORDS = [pytest.param(body, id=f"{page.stem}: {title}") for page in PAGES for title, body in records(page)]


@pytest.mark.parametrize("body", RECORDS)
def test_a_record_has_a_date_four_parts_and_at_most_twenty_lines(body):
    assert DATES.match(body), body.splitlines()[0]
    assert re.findall(r"^- \*\*(\w+)\.\*\* \S", body, re.MULTILINE) == PARTS
    assert len(body.splitlines()) <= 20


def test_the_index_names_every_page():
    names = {f"decisions/{page.stem}" for page in PAGES}
    assert len(RECORDS) >= 60
    assert set(re.findall(r"\]\((decisions/[\w-]+)\.md\)", INDEX)) == names
    assert set(re.findall(r"^(decisions/[\w-]+)$", INDEX, re.MULTILINE)) == names


def test_code_that_a_record_names_is_there():
    named = {
        path
        for page in PAGES
        for path in re.findall(
            r"`((?:app|fiberless|model_store|tests|worker)/[^`*<]*)`", page.read_text("utf-8")
        )
    }
    assert len(named) >= 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
