"""Compares all numbers of two predictions of one galaxy: `python benchmarks/same_numbers.py BEFORE AFTER`.

Documents of schema 1.0 are read in the words of 2.0; those of `fiberless measure` are not
read. Prints how many numbers were compared and the largest relative difference; ends with 1 if something is
missing or a difference exceeds one in a million.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fiberless.contract.upgrade import upgraded

_LIMIT: Final = 1e-6
_OTHER_EACH_TIME: Final = frozenset({"created", "links"})


def main() -> None:
    """Compare the two files that the command line names; without them, say how it is used."""
    if len(sys.argv) != 3:
        print(__doc__)
        return
    before, after = (dict(_leaves(_read(Path(name)), "")) for name in sys.argv[1:3])
    missing = sorted(before.keys() ^ after.keys())
    numbers = {path for path, value in before.items() if isinstance(value, int | float) and path in after}
    differences = {path: _difference(before[path], after[path]) for path in numbers}
    other = sorted(path for path in before.keys() & after.keys() - numbers if before[path] != after[path])
    worst = max(differences, key=differences.__getitem__)
    print(f"{len(numbers)} numbers; largest relative difference {differences[worst]:.3g} ({worst})")
    for path in (*missing, *other):
        print(f"differs: {path}")
    raise SystemExit(bool(missing or other or differences[worst] > _LIMIT))


def _read(path: Path) -> Any:
    return json.loads(upgraded(path.read_bytes()))


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    match node:
        case dict():
            for name, value in node.items():
                if name not in _OTHER_EACH_TIME:
                    yield from _leaves(value, f"{path}/{name}")
        case list():
            for place, value in enumerate(node):
                yield from _leaves(value, f"{path}/{place}")
        case _:
            yield path, node


def _difference(before: float, after: float) -> float:
    return abs(after - before) / abs(before) if before else abs(after)


if __name__ == "__main__":
    main()
