"""Links between pages, pages and model versions that a text names: all of them are there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
NAMED = re.compile(r"(?<![\w/.-])(docs/[\w/-]+\.md)\b")
VERSION = re.compile(r"\b(?:latent|cascade)-\d+\b")


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def anchors(page):
    """Anchors of a page's headings, as GitHub and myst make them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page):
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if there.is_relative_to(DOCS / "reference"):
            continue
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


def test_links_between_pages_resolve():
    found = {str(page.relative_to(ROOT)): list(broken_links(page)) for page in tracked("*.md")}
    assert len(found) > 20
    assert {page: links for page, links in found.items() if links} == {}


def test_pages_that_code_names_are_there():
    named = [
        (str(file.relative_to(ROOT)), name)
        for file in tracked("*.py", "*.toml", "*.md", "*.yml")
        for name in NAMED.findall(file.read_text(encoding="utf-8"))
    ]
    assert len(named) > 20
    assert [pair for pair in named if not (ROOT / pair[1]).is_file()] == []


def test_only_versions_that_are_shipped_are_named():
    shipped = {folder.name for folder in (ROOT / "model_store").iterdir() if folder.is_dir()}
    named = [
        (str(page.relative_to(ROOT)), version)
        for page in tracked("*.md")
        for version in VERSION.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(named) > 20
    assert [pair for pair in named if pair[1] not in shipped] == []
