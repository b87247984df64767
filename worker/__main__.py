"""`python -m worker predict | fetch | check`: one worker process, configured by `FIBERLESS_*` variables."""

from typing import Annotated, Literal

import typer

from fiberless.errors import FiberlessError
from fiberless.service.settings import Settings
from worker.logs import configure_logs

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def predict() -> None:
    """Take jobs with images, predict them in batches, store the predictions."""
    settings, redis_url = _start()
    from worker.predict import run_predict  # noqa: PLC0415  torch, which fetching must not load

    raise typer.Exit(run_predict(settings, redis_url))


@app.command()
def fetch() -> None:
    """Take jobs with positions, fetch their images; send lost messages again."""
    settings, redis_url = _start()
    from worker.fetch import run_fetch  # noqa: PLC0415

    raise typer.Exit(run_fetch(settings, redis_url))


@app.command()
def check(kind: Annotated[Literal["predict", "fetch"], typer.Argument(help="Which worker.")]) -> None:
    """End with 0 if a worker of this kind on this host has left a heartbeat within a lease, else with 1."""
    from fiberless.service.storage import open_store  # noqa: PLC0415
    from worker.identity import last_heartbeat_age  # noqa: PLC0415

    settings = Settings()
    store = open_store(settings)
    age = last_heartbeat_age(store.heartbeats.recent(), kind)
    store.close()
    typer.echo("no heartbeat" if age is None else f"last heartbeat {age:.1f} s ago")
    raise typer.Exit(0 if age is not None and age <= settings.lease_seconds else 1)


def main() -> None:
    """Run a worker; an error at its start is one clear line and exit code 2."""
    try:
        app()
    except FiberlessError as error:
        typer.echo(f"worker: {error}", err=True)
        raise SystemExit(2) from error


def _start() -> tuple[Settings, str]:
    settings = Settings()
    configure_logs(settings.log_format)
    if settings.redis_url is None:
        typer.echo("worker: FIBERLESS_REDIS_URL is not set", err=True)
        raise typer.Exit(2)
    return settings, settings.redis_url


if __name__ == "__main__":
    main()
