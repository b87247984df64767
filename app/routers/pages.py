"""Pages for people: the front page, the interactive API reference, and what each problem means."""

import json
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from app.http.problem_pages import problem_page
from app.http.problems import problem_responses
from fiberless.astro.lines import MARKED_LINES, lines
from fiberless.errors import PROBLEMS, UsageError

__all__ = ["router"]

_STATIC: Final = Path(__file__).parents[1] / "static"
_EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "galaxy.fits"
_LINES_MARK: Final = "/*LINES*/"
router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)


@router.get("/", summary="The page", responses=problem_responses())
async def home() -> HTMLResponse:
    """Answer with the front page."""
    return HTMLResponse(_home())


@router.get("/docs", summary="Try the interface", responses=problem_responses())
async def reference() -> FileResponse:
    """Answer with the interactive reference; all that it needs comes from this service."""
    return FileResponse(_STATIC / "docs.html", media_type="text/html")


@router.get(
    "/example.fits",
    summary="A galaxy to try",
    response_class=FileResponse,
    responses={200: {"content": {"application/fits": {}}}, **problem_responses()},
)
async def example() -> FileResponse:
    """Answer with the five-band image of the example galaxy."""
    return FileResponse(_EXAMPLE, media_type="application/fits", filename="galaxy.fits")


@router.get("/problems/{slug}", summary="What does a problem mean?", responses=problem_responses(404))
async def problem(slug: str) -> HTMLResponse:
    """Answer with a description of a problem type."""
    if slug not in PROBLEMS:
        raise UsageError("not-found", "there is no such problem type")
    return HTMLResponse(problem_page(slug))


@cache
def _home() -> str:
    """The page with the lines to mark written in, so that the plot has no line list of its own."""
    marked = [
        {
            "name": one.name,
            "label": one.conventional,
            "wave_aa": one.wave_aa,
            "mark": MARKED_LINES.get(one.name),
        }
        for one in lines().values()
    ]
    page = (_STATIC / "index.html").read_text(encoding="utf-8")
    return page.replace(_LINES_MARK, json.dumps(marked, ensure_ascii=False))
