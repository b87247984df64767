"""`create_app`: puts the front end together. `app.main:app` is what a server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from anyio import to_thread
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.batch_input.confined_rows import PRELOADED
from app.confinement import prepare_children
from app.http.access import AccessGate
from app.http.limits import RateLimits
from app.http.methods import AllowedMethods
from app.http.metrics import count_requests
from app.http.middleware import BodyGate, HeadAsGet, LastResort, SecurityHeaders
from app.http.openapi import openapi_of
from app.http.origin import OriginGate
from app.http.problems import install_problem_handlers
from app.http.proxy_prefix import ProxyPrefix
from app.routers import batches, health, jobs, models, objects, pages, predictions, products, schema, vo
from app.service import Service
from fiberless import __version__
from fiberless.errors import TransientError
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store

__all__ = ["app", "create_app"]

_STATIC: Final = Path(__file__).parent / "static"
_DESCRIPTION: Final = (
    "Predicts the optical spectrum of a galaxy from its five-band image, and measures the galaxy from it. "
    "Everything that it returns is predicted, not observed."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Front end for these settings; by default for those of the environment.

    The store and the broker are opened when the application starts, not here.
    """
    chosen = settings or Settings()
    made = FastAPI(
        title="Fiberless",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lambda application: _running(application, chosen),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for room in (predictions, products, jobs, batches, objects, models, schema, vo, health, pages):
        made.include_router(room.router)
    made.mount("/static", StaticFiles(directory=_STATIC))
    made.openapi = openapi_of(made, needs_keys=chosen.needs_keys)  # type: ignore[method-assign]  # FastAPI's documented way
    install_problem_handlers(made)
    count_requests(made)
    _install_guards(made, chosen)
    return made


@asynccontextmanager
async def _running(application: FastAPI, settings: Settings) -> AsyncIterator[None]:
    prepare_children(PRELOADED)
    store = await to_thread.run_sync(open_store, settings)
    with suppress(TransientError):  # a full disk must not keep what is stored from being read
        await to_thread.run_sync(store.blobs.mark)
    job_queue = JobQueue(settings.redis_url)
    limits = RateLimits(settings.redis_url, per_minute=settings.resolved_rate_limit_per_minute)
    application.state.service = Service(settings=settings, store=store, job_queue=job_queue)
    application.state.rate_limits = limits
    try:
        yield
    finally:
        await limits.close()
        await to_thread.run_sync(job_queue.close)
        await to_thread.run_sync(store.close)


def _install_guards(application: FastAPI, settings: Settings) -> None:
    """Wrap the routes; what is added last stands outermost."""
    application.add_middleware(AllowedMethods)
    large = {"/api/v1/batches": settings.max_batch_bytes}
    application.add_middleware(BodyGate, max_bytes=settings.max_upload_bytes, max_bytes_of=large)
    application.add_middleware(AccessGate)
    application.add_middleware(
        OriginGate,
        hosts=settings.resolved_allowed_hosts,
        is_keyless=not settings.needs_keys,
        is_loopback_only=settings.access == "auto" and settings.published_host is None,
    )
    application.add_middleware(LastResort)
    application.add_middleware(SecurityHeaders)
    application.add_middleware(HeadAsGet)
    application.add_middleware(ProxyPrefix, root_path=settings.root_path)


app = create_app()
