"""Which functions of a room may answer None: each needs a test with something present but unfamiliar."""

import ast
from collections.abc import Iterable
from pathlib import Path

__all__ = ["readers_that_may_return_none"]

ROOT = Path(__file__).parents[2]


def readers_that_may_return_none(*places: str) -> set[str]:
    """Names `module:function` of the functions annotated as returning `… | None`.

    Parameters
    ----------
    places : modules, or folders of modules, below the root of the repository, e.g. `app/batch_input`

    """
    return {name for path in _modules(places) for name in _functions(path)}


def _modules(places: Iterable[str]) -> list[Path]:
    roots = [ROOT / place for place in places]
    return [path for root in roots for path in ([root] if root.is_file() else sorted(root.rglob("*.py")))]


def _functions(path: Path) -> set[str]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return {
        f"{module}:{node.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and "None" in [part.strip() for part in ast.unparse(node.returns).split("|")]
        and ast.unparse(node.returns) != "None"
    }
