"""Time of reading an object, of a cone search and of a look-up with many predictions stored, beside limits.

The code measured is the front end's own, over SQLite and without a network. Times are process times of one
thread pool, so that other programs do not count. Prints JSON.
"""

import asyncio
import json
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import numpy as np
import typer
from sqlalchemy import func, insert, select

sys.path.insert(0, str(Path(__file__).parents[1]))  # the front end is run from a checkout, never installed

from app.main import create_app
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.inference.predictor import load_predictor
from fiberless.service.settings import Settings
from fiberless.service.storage import Store, open_store
from fiberless.service.storage.encoding import encode_arrays, encode_cutout
from fiberless.service.storage.objects import cone_statement
from fiberless.service.storage.positions import cell_of
from fiberless.service.storage.schema import PREDICTION
from fiberless.testing import synthetic_cutout, write_toy_store

LIMITS_MS: Final = {"object": 50.0, "cone": 20.0, "lookup of 100": 50.0}
"""99th percentiles; the first two are promises."""
RADIUS_ARCSEC: Final = 300.0
FOOTPRINT_DEC_DEG: Final = (-10.0, 60.0)
ROWS_AT_ONCE: Final = 10_000


def main(
    *,
    predictions: Annotated[int, typer.Option(min=100, help="Rows stored.")] = 100_000,
    requests: Annotated[int, typer.Option(min=10, help="Requests of each kind.")] = 500,
) -> None:
    """Measure, and print one JSON document."""
    with tempfile.TemporaryDirectory(prefix="fiberless-bench-") as folder:
        typer.echo(json.dumps(asyncio.run(measure(Path(folder), predictions, requests)), indent=1))


async def measure(folder: Path, predictions: int, requests: int) -> dict[str, Any]:
    """Figures of one run, in a folder of its own."""
    settings = Settings(data_dir=folder, model_store=folder / "models", redis_url=None)
    store = open_store(settings)
    ra, dec = fill(store, folder / "models", predictions)
    cones = [cone_statement(ra[k], dec[k], radius_arcsec=RADIUS_ARCSEC, owner="") for k in range(20)]
    touched = [rows_of(store, cone) for cone in cones]
    store.close()
    rng = np.random.default_rng(2)
    chosen = rng.integers(0, predictions, requests)
    calls: dict[str, Callable[[int], httpx.Request]] = {
        "object": lambda k: httpx.Request("GET", f"http://localhost/api/v1/objects/survey:{k}"),
        "cone": lambda k: httpx.Request("GET", cone_address(ra[k], dec[k])),
        "lookup of 100": lambda k: httpx.Request(
            "POST",
            "http://localhost/api/v1/objects/lookup",
            json={"ids": [f"survey:{(k + step) % (2 * predictions)}" for step in range(0, 10_000, 100)]},
        ),
    }
    async with front_end(settings) as client:
        timed = {name: await time_calls(client, make, chosen) for name, make in calls.items()}
    return {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
        },
        "predictions": predictions,
        "requests": requests,
        "cone radius arcsec": RADIUS_ARCSEC,
        "rows looked at by a cone": {"median": float(np.median(touched)), "most": max(touched)},
        "process ms": timed,
        "beside limits": {
            name: {"p99 ms": timed[name]["p99"], "limit ms": limit, "held": timed[name]["p99"] <= limit}
            for name, limit in LIMITS_MS.items()
        },
    }


def fill(store: Store, models: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Store `count` predictions spread over a survey's footprint, all with one real document; positions."""
    models.mkdir(parents=True)
    cutout = synthetic_cutout(1)
    predictor = load_predictor(models, write_toy_store(models), device="cpu")
    (result,) = predictor.predict([PredictionRequest(cutout, PredictionOptions())])
    shared = {
        "owner": "",
        "redshift": 0.1,
        "model_version": "toy-1",
        "document_key": store.blobs.put(result.prediction.model_dump_json(by_alias=True).encode()),
        "arrays_key": store.blobs.put(encode_arrays(result.arrays)),
        "cutout_key": store.blobs.put(encode_cutout(cutout)),
    }
    ra, dec = positions(count)
    cells = cell_of(ra, dec)
    with store.database.write() as connection:
        for start in range(0, count, ROWS_AT_ONCE):
            rows = [
                shared
                | {
                    "id": f"p_{k:032x}",
                    "object_id": f"survey:{k}",
                    "created": 1.7e9 + k,
                    "ra": float(ra[k]),
                    "dec": float(dec[k]),
                    "cell": int(cells[k]),
                }
                for k in range(start, min(start + ROWS_AT_ONCE, count))
            ]
            connection.execute(insert(PREDICTION), rows)
    return ra, dec


def positions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Even over the footprint."""
    rng = np.random.default_rng(1)
    low, high = np.sin(np.radians(FOOTPRINT_DEC_DEG))
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(low, high, count)))


def rows_of(store: Store, statement: Any) -> int:
    """Rows that a search fetches before it measures distances."""
    with store.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one())


def cone_address(ra: float, dec: float) -> str:
    """Address of a search around a position."""
    return f"http://localhost/api/v1/objects?ra={ra}&dec={dec}&radius_arcsec={RADIUS_ARCSEC}"


@asynccontextmanager
async def front_end(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The front end, running, and a client of it."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def time_calls(
    client: httpx.AsyncClient, make: Callable[[int], httpx.Request], chosen: np.ndarray
) -> dict[str, float]:
    """Percentiles of the time of one request after the other, after a few of warm-up."""
    times = []
    for count, number in enumerate([*chosen[:5], *chosen]):
        request = make(int(number))
        started = time.process_time()
        answer = await client.send(request)
        if count >= 5:
            times.append(time.process_time() - started)
        answer.raise_for_status()
    shares = {"p50": 50, "p90": 90, "p99": 99}
    return {name: round(float(np.percentile(times, share)) * 1000, 2) for name, share in shares.items()}


if __name__ == "__main__":
    typer.run(main)
