"""Pages for people: what this is, and what each problem means."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.problem_pages import problem_page
from app.problems import problem_responses
from fiberless.errors import PROBLEMS, UsageError

__all__ = ["router"]

_HOME: Final = Path(__file__).parents[1] / "static" / "index.html"
router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)


@router.get("/", summary="What is this?", responses=problem_responses())
async def home() -> HTMLResponse:
    """Answer with the front page."""
    return HTMLResponse(_HOME.read_text(encoding="utf-8"))


@router.get("/problems/{slug}", summary="What does a problem mean?", responses=problem_responses(404))
async def problem(slug: str) -> HTMLResponse:
    """Answer with a description of a problem type."""
    if slug not in PROBLEMS:
        raise UsageError("not-found", "there is no such problem type")
    return HTMLResponse(problem_page(slug))
