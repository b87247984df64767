"""Commands for the operator of a service: keys, retention, and a look at what is there."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiberless.cli.program import app
from fiberless.service.api_keys import Scope

if TYPE_CHECKING:
    from fiberless.service.settings import Settings

__all__ = ["create", "doctor", "list_keys", "purge", "revoke"]

keys_app = typer.Typer(no_args_is_help=True, help="Make and revoke API keys.")
app.add_typer(keys_app, name="keys")
DataDir = Annotated[Path | None, typer.Option(help="Folder of the service's data; default: as configured.")]


@keys_app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose jobs and predictions the key opens.")],
    *,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it allows; default: submit, read.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it lasts; default: until revoked.")] = None,
    note: Annotated[str, typer.Option(help="Your own remark.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it, once: it is stored as a hash only."""
    from fiberless.service.storage import open_store

    store = open_store(_settings(data_dir))
    scopes = scope or [Scope.SUBMIT, Scope.READ]
    key, token = store.keys.create(owner, scopes=scopes, expires_days=days, note=note)
    store.close()
    typer.echo(f"key {key.id} of {key.owner}: {', '.join(sorted(key.scopes))}; shown this once:", err=True)
    typer.echo(str(token))


@keys_app.command("list")
def list_keys(*, data_dir: DataDir = None) -> None:
    """List all keys, without their secrets."""
    from rich.console import Console
    from rich.table import Table

    from fiberless.service.storage import open_store

    store = open_store(_settings(data_dir))
    table = Table("id", "owner", "scopes", "created", "expires", "last used", "revoked", "note")
    for key in store.keys.all():
        times = map(_day, (key.created, key.expires, key.last_used, key.revoked))
        table.add_row(key.id, key.owner, " ".join(sorted(key.scopes)), *times, key.note)
    store.close()
    Console().print(table)


@keys_app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The 16 digits after flk_.")], *, data_dir: DataDir = None
) -> None:
    """Make a key worthless, at once and for ever."""
    from fiberless.service.storage import open_store

    store = open_store(_settings(data_dir))
    try:
        key = store.keys.revoke(key_id)
    finally:
        store.close()
    typer.echo(f"key {key.id} of {key.owner} is revoked")


@app.command()
def purge(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Forget jobs and predictions older than FIBERLESS_KEEP_…_DAYS, and blobs that belong to none."""
    from dataclasses import asdict

    from fiberless.service.storage import open_store
    from fiberless.service.storage.retention import RetentionPolicy

    settings = _settings(data_dir)
    store = open_store(settings)
    try:
        purged = store.retention.purge(RetentionPolicy.of(settings), dry_run=dry_run)
    finally:
        store.close()
    typer.echo("would be forgotten:" if dry_run else "forgotten:")
    for name, count in asdict(purged).items():
        typer.echo(f"  {name.replace('_', ' '):<12} {count}")


@app.command()
def doctor(*, data_dir: DataDir = None) -> None:
    """Check what a service needs on this machine; exit code 1 if something is missing."""
    from rich.console import Console
    from rich.table import Table

    from fiberless.service.doctor import examine

    findings = examine(_settings(data_dir))
    table = Table("", "what", "finding")
    for finding in findings:
        table.add_row("[green]ok[/]" if finding.is_good else "[red]no[/]", finding.name, finding.detail)
    Console().print(table)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(1)


def _settings(data_dir: Path | None) -> "Settings":
    from fiberless.service.settings import Settings

    return Settings() if data_dir is None else Settings(data_dir=data_dir)


def _day(time: datetime | None) -> str:
    return "" if time is None else time.strftime("%Y-%m-%d")
