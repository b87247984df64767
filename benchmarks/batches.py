"""Cost of a large batch in the front end, beside the limits held: rows accepted, counted, let into the queue.

The code measured is that of the service, on a SQLite file, each form of table in a process of its own. Times
are those of the processor. Prints JSON. Run as `python -m benchmarks.batches`.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from astropy.table import Table

from app.batch_input.confined_rows import TableKind, decoded_rows, encoded_json, encoded_rows
from app.batch_input.reading import BatchInput
from app.batches import accept_batch
from app.service import Service
from fiberless.contract import QUEUE_FETCH, PredictionOptions
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings
from fiberless.service.storage import BatchRow, open_store

FORMS: Final = ("csv", "ecsv", "votable", "parquet", "json")
LIMITS: Final = {
    "accepted rows a core-second": 5000.0,
    "peak memory above the start, MiB": 256.0,
    "counting all rows, core-ms": 50.0,
    "letting 1000 rows in, core-ms": 500.0,
}
"""The first two hold for every form of table; the service's memory limit is that of reliability.md."""


def main(
    *,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the batch.")] = 100_000,
    form: Annotated[list[str] | None, typer.Option(help="Form of table; repeatable.")] = None,
    model_store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    child: Annotated[tuple[str, Path] | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure, and print one JSON document."""
    if child is not None:
        typer.echo(json.dumps(measure(*child, rows=rows, model_store=model_store)))
        return
    measured = {name: measure_apart(name, rows, model_store) for name in form or FORMS}
    typer.echo(json.dumps({"rows": rows, "measured": measured, "limits": LIMITS}, indent=1))


def measure_apart(form: str, rows: int, model_store: Path) -> dict[str, float]:
    """Figures of one form of table, in a process whose memory is that of the service alone."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table"
        write_table(table, form, rows)
        command = [sys.executable, "-m", "benchmarks.batches", "--child", form, str(table)]
        options = ["--rows", str(rows), "--model-store", str(model_store)]
        done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE)  # noqa: S603  itself
        figures: dict[str, float] = json.loads(done.stdout)
        return figures


def measure(form: str, table: Path, *, rows: int, model_store: Path) -> dict[str, float]:
    """Figures of one form of table, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), model_store=model_store, database_timeout_seconds=60, max_batch_rows=rows
        )
        service = Service(settings=settings, store=open_store(settings), job_queue=JobQueue(None))
        figures = measure_in(service, form, table)
        service.store.close()
    return {name: round(value, 1) for name, value in figures.items()}


def measure_in(service: Service, form: str, table: Path) -> dict[str, float]:
    """Figures of one batch in an empty store."""
    store, rows, before = service.store, service.settings.max_batch_rows, _peak_mib()
    with table.open("rb") as stream:
        given = input_of(form, stream, rows)
        seconds, batch = _timed(partial(accept_batch, service, given, owner="", idempotency_key=None))
    return {
        "accepted rows a core-second": rows / seconds,
        "peak memory above the start, MiB": _peak_mib() - before,
        "counting all rows, core-ms": 1e3 * _timed(lambda: store.batches.get(batch.id, owner=""))[0],
        "letting 1000 rows in, core-ms": 1e3
        * _timed(lambda: store.batch_feeder.feed(QUEUE_FETCH, room=1100))[0],
    }


def write_table(path: Path, form: str, rows: int) -> None:
    """Table of `rows` positions in one of `FORMS`."""
    table = Table(
        {
            "id": [f"sdss:{10**18 + row}" for row in range(rows)],
            "ra": [row % 360_000 / 1000 for row in range(rows)],
            "dec": [row % 90_000 / 1000 for row in range(rows)],
        }
    )
    if form == "json":
        named = zip(*(table[name].tolist() for name in table.colnames), strict=True)
        path.write_text(json.dumps([{"id": name, "ra": ra, "dec": dec} for name, ra, dec in named]))
        return
    table.write(path, format=f"ascii.{form}" if form.endswith("csv") else form)


def input_of(form: str, stream: BinaryIO, rows: int) -> BatchInput:
    """What the front end makes of the table; both sides of the pipe in this process, to count their time."""

    def read() -> tuple[PredictionOptions, Generator[BatchRow]]:
        if form == "json":
            pieces = encoded_json(stream, max_rows=rows)
            next(pieces)
        else:
            kind: TableKind = "text" if form.endswith("csv") else form  # type: ignore[assignment]  # one of FORMS
            pieces = encoded_rows(stream, kind=kind, max_rows=rows)
        return PredictionOptions(), (row for row in decoded_rows(pieces))

    return BatchInput(hashlib.sha256(form.encode()).hexdigest(), QUEUE_FETCH, read)


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    answer = action()
    return time.process_time() - begin, answer


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
