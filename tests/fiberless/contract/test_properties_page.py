"""The page of properties names what a prediction holds, with its units, and nothing else."""

import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from fiberless.analysis.measure import measure_candidates
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract.properties import Classification, Flag, Measurement, Properties
from fiberless.inference.physical import PhysicalQuantities
from fiberless.inference.physical_properties import physical_properties

PAGE = Path(__file__).parents[3] / "docs" / "properties.md"
NAMED = re.compile(r"^\| `([a-z0-9_.*]+)` \| ([^|]*?) \| (.*)$", re.MULTILINE)
SECTIONS = ("## Measured on each candidate's spectrum", "## Predicted by the model")


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, str]]:
    """{path: (unit, rest of the row)} of the two tables of definitions."""
    text = PAGE.read_text()
    ends = [text.index("\n## ", text.index(section) + 1) for section in SECTIONS]
    parts = [text[text.index(section) : end] for section, end in zip(SECTIONS, ends, strict=True)]
    return {name: (unit, rest) for part in parts for name, unit, rest in NAMED.findall(part)}


@pytest.fixture(scope="module")
def properties() -> Properties:
    """All properties of three flat spectra, and what a model tells."""
    flux = np.ones((3, OBSERVED_WAVE_AA.size))
    found = measure_candidates(OBSERVED_WAVE_AA, flux, np.full(3, 0.1))
    told = physical_properties(PhysicalQuantities.of_columns(np.ones((3, 11))), found.lines["Halpha"].ew)
    return found.model_copy(update=told)


def leaves(node: object, path: str):
    """Paths of all measurements, members of groups as a star, and the names that the stars stand for."""
    match node:
        case Measurement() | Classification():
            yield path, node, ""
        case BaseModel():
            for name in type(node).model_fields:
                yield from leaves(getattr(node, name), f"{path}.{name}".lstrip("."))
        case dict():
            for name, child in node.items():
                for below, found, _ in leaves(child, f"{path}.*"):
                    yield below, found, name


def test_every_property_is_on_the_page_and_nothing_else(rows):
    named = {path.split(".")[0] for path in rows}
    assert named == set(Properties.model_fields)


def test_paths_are_those_of_the_document(rows, properties):
    unset = {name for name in Properties.model_fields if getattr(properties, name) is None}
    assert {path for path, _, _ in leaves(properties, "")} | unset == set(rows)


def test_units_are_those_of_the_numbers(rows, properties):
    for path, found, member in leaves(properties, ""):
        unit = found.unit if isinstance(found, Measurement) else ""
        allowed = {"" if text == "–" else text for text in rows[path][0].split(" or ")}
        assert unit in allowed, (path, member)


def test_members_of_groups_are_named(rows, properties):
    for path, _, member in leaves(properties, ""):
        is_pointer = path in {"lick_system.*", "lines.*.ew"}
        assert is_pointer or re.search(rf"\b{re.escape(member)}\b", rows[path][1]), (path, member)


def test_flags_are_real_ones(rows):
    text = PAGE.read_text()
    flags = {flag.value for flag in Flag}
    for _, rest in rows.values():
        cell = rest.rstrip("| ").split("|")[-1]
        for word in re.findall(r"`([a-z_]+)`", cell):
            assert word in flags | set(Properties.model_fields), word
    assert all(f"`{flag}`" in text for flag in flags)
