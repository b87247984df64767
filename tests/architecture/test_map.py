"""The map of the code says what is there: every room is on it, and every answer is where it says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\| `([a-z_/]+)/` \| (.+) \|$", PAGE, re.MULTILINE)
ANSWERS = re.findall(r"^\| (Where .+\?) \| `(.+)` \| `(.+)` \|$", PAGE, re.MULTILINE)


def test_every_room_is_on_the_map_and_every_room_of_the_map_exists():
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for package in ("fiberless", "app", "worker")
        for path in (ROOT / package).rglob("__init__.py")
        if "migrations" not in path.parts
    }
    assert [room for room, _ in ROOMS] == sorted(
        packages, key=lambda room: (("fiberless", "app", "worker").index(room.split("/")[0]), room)
    )


def test_each_answer_is_where_the_map_says():
    assert len(ANSWERS) >= 10
    for question, file, name in ANSWERS:
        text = (ROOT / file).read_text(encoding="utf-8")
        defined = rf"^ *(?:async def|def|class) {name}\b|^{name}: |^{name} "
        assert re.search(defined, text, re.MULTILINE), f"{question} {name} is not in {file}"


def test_the_strata_are_those_that_are_checked():
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = contracts.split('name = "Rooms import downwards only"')[1].split("]")[0]
    checked = re.findall(r'"([a-z_| .]+)",', layers.replace("fiberless.", ""))
    assert checked == re.findall(r"`([a-z_| ]+)`", PAGE.split("by `make lint`:")[1].split("## Rooms")[0])
