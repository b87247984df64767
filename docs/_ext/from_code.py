"""Reference pages written from the code before each build: Python, settings, command line, HTTP calls."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from sphinx.application import Sphinx
from typer.core import TyperGroup

import fiberless
from app.main import create_app
from fiberless.cli import app as program
from fiberless.service.settings import Settings

__all__ = ["setup"]

_METHODS = ("get", "post", "put", "delete")


def setup(sphinx: Sphinx) -> dict[str, Any]:
    """Tell Sphinx to write the pages when a build begins."""
    sphinx.connect("builder-inited", lambda running: _write(Path(running.srcdir) / "reference"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(folder: Path) -> None:
    pages = {"python": _python(), "settings": _settings(), "cli": _command_line(), "http": _http()}
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _python() -> Iterator[str]:
    yield "# Python\n"
    yield "What `import fiberless` offers, loaded when it is asked for; [how to](../howto/python.md).\n"
    for name in fiberless.__all__:
        if not name.startswith("_"):
            yield f"## `{name}`\n"
            yield from _directive(name)


def _directive(name: str) -> Iterator[str]:
    """What autodoc is told, and for a document the table of its fields."""
    offered = getattr(fiberless, name)
    is_class = isinstance(offered, type)
    yield f"```{{eval-rst}}\n.. auto{'class' if is_class else 'function'}:: fiberless.{name}"
    if is_class:
        yield "   :members:\n   :exclude-members: model_config"
    yield "```\n"
    if is_class and issubclass(offered, BaseModel):
        yield "| field | what |\n|---|---|"
        for field, info in offered.model_fields.items():
            yield f"| `{info.alias or field}` | {_cell(info.description or '')} |"
        yield ""


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield "Every process reads these from its environment; an empty variable counts as unset.\n"
    yield "| variable | default | what |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        is_said = field.default is not None and field.default_factory is None
        default = f"`{field.default}`" if is_said else ""
        yield f"| `FIBERLESS_{name.upper()}` | {default} | {_cell(field.description or '')} |"


def _command_line() -> Iterator[str]:
    yield "# Command line\n"
    yield from _command(typer.main.get_command(program), "fiberless")


def _command(command: Any, path: str) -> Iterator[str]:
    """Sections of a command and, for a group, of those in it. Typer carries a click of its own."""
    inside = command.commands if isinstance(command, TyperGroup) else {}
    if not inside or (command.invoke_without_command and " " in path):
        yield from _one_command(command, path)
    for name, inner in sorted(inside.items()):
        if not inner.hidden:
            yield from _command(inner, f"{path} {name}")


def _one_command(command: Any, path: str) -> Iterator[str]:
    yield f"## `{path}`\n\n{_paragraph(command.help or '')}\n"
    rows = [_parameter_row(one) for one in command.params if not getattr(one, "hidden", False)]
    if rows:
        yield "| argument | default | what |\n|---|---|---|"
        yield from rows
    yield ""


def _parameter_row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    shown = names if parameter.param_type_name == "option" else f"`{(parameter.name or '').upper()}`"
    default = parameter.default
    is_said = default not in (None, False, (), []) and not callable(default)
    return (
        f"| {shown} | {f'`{default}`' if is_said else ''} | {_cell(getattr(parameter, 'help', '') or '')} |"
    )


def _http() -> Iterator[str]:
    document = create_app(Settings()).openapi()
    yield "# HTTP calls\n"
    yield (
        "The running service has the same at `/docs`, to be tried, and at `/openapi.json`, for programs. "
        "Errors are `application/problem+json` (RFC 9457); each type has a page under `/problems/`.\n"
    )
    for path, item in document["paths"].items():
        for method in (one for one in _METHODS if one in item):
            yield from _operation(method, path, item[method])


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {method.upper()} `{path}`\n\n{_paragraph(operation.get('description', ''))}\n"
    parameters = [one for one in operation.get("parameters", []) if "$ref" not in one]
    if parameters:
        yield "| parameter | in | what |\n|---|---|---|"
        for one in parameters:
            text = one.get("description") or one.get("schema", {}).get("description", "")
            yield f"| `{one['name']}` | {one['in']} | {_cell(text)} |"
        yield ""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"- takes `{kind}`{_example(body)}"
    yield ""
    answers = [f"`{code}` {answer.get('description', '')}" for code, answer in operation["responses"].items()]
    yield "Answers: " + "; ".join(answers) + ".\n"


def _example(body: dict[str, Any]) -> str:
    given = body.get("example") or next((one.get("value") for one in body.get("examples", {}).values()), None)
    if not isinstance(given, dict | list):
        return ""
    text = json.dumps(given, ensure_ascii=False)
    return f", e.g. `{text}`" if len(text) < 300 else ""


def _paragraph(text: str) -> str:
    return text.replace("<", r"\<")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")
