"""Cost of a prediction on one core: network arithmetic, core time and where it goes, beside the limits held.

The code measured is `Predictor.predict`, with the model of the store, as the worker runs it. Prints JSON.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Final
from unittest.mock import patch

ONE_THREAD: Final = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}
if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
    # BLAS reads these as it is loaded, so they must be there before it is.
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)  # noqa: S606

import torch  # noqa: E402
import typer  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from fiberless.contract import PredictionOptions, PredictionRequest  # noqa: E402
from fiberless.contract.manifest import resolve_version  # noqa: E402
from fiberless.inference import family, report  # noqa: E402
from fiberless.inference import predictor as predictor_module  # noqa: E402
from fiberless.inference.conditioning import prepare  # noqa: E402
from fiberless.inference.latent import LatentFamily  # noqa: E402
from fiberless.inference.predictor import Predictor, load_predictor  # noqa: E402
from fiberless.nn import ImageEncoder, LatentDenoiser  # noqa: E402
from fiberless.testing import synthetic_cutout  # noqa: E402

CANDIDATES: Final = 25
BATCHES: Final = (1, 4, 16, 64)
STAGES: Final[Mapping[str, tuple[tuple[Any, str], ...]]] = {
    "images": ((predictor_module, "prepare"), (LatentFamily, "encode")),
    "sampler": ((LatentFamily, "draw"),),
    "score": ((LatentFamily, "score"),),
    "decode and resample": ((LatentFamily, "decode_rest"), (family, "resample_log_flux")),
    "spread": ((report, "observed_spread"),),
    "measurements": ((report, "measure_with_values"),),
}
"""Functions that make up a stage; what is left of a prediction is the report."""
LIMITS: Final = {
    "network GFLOP a galaxy": 12.0,
    "evaluations a candidate": 15,
    "image encodings a galaxy": 1,
    "sampler core-ms a galaxy": 35.0,
    "properties core-ms a galaxy": 150.0,
    "sampler share of the bf16 GEMM rate": 0.2,
}
"""The sampler's is what a prototype took in bf16 on cores with AMX; the others are promises."""


def main(
    *,
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Galaxies together; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds, after one of warm-up.")] = 5,
) -> None:
    """Measure, and print one JSON document."""
    torch.set_num_threads(1)
    predictor = load_predictor(store, resolve_version(store, model), device="cpu")
    counted = count(predictor)
    timed = {f"B = {size}": time_batch(predictor, size, rounds=rounds) for size in batch or BATCHES}
    rates = {str(dtype).removeprefix("torch."): gemm_rate(dtype) for dtype in (torch.bfloat16, torch.float32)}
    best = min(timed.values(), key=lambda batch: batch["core-ms a galaxy"]["sampler"])
    sampler_rate = counted["sampler GFLOP a galaxy"] / best["core-ms a galaxy"]["sampler"] * 1000
    document = {
        "model": predictor.manifest.version,
        "machine": {"processor": processor(), "torch": torch.__version__, "threads": torch.get_num_threads()},
        "candidates": CANDIDATES,
        "steps": predictor.manifest.sampler_steps,
        "rounds": rounds,
        "counted": counted,
        "timed": timed,
        "GEMM GFLOP/s": rates,
        "sampler GFLOP/s": round(sampler_rate, 1),
        "beside limits": beside_limits(counted, best, share=sampler_rate / rates["bfloat16"]),
    }
    typer.echo(json.dumps(document, indent=1))


def requests_of(size: int) -> list[PredictionRequest]:
    """Requests for `size` synthetic galaxies."""
    options = PredictionOptions(n_candidates=CANDIDATES)
    return [PredictionRequest(synthetic_cutout(seed), options) for seed in range(size)]


def count(predictor: Predictor) -> dict[str, float]:
    """Arithmetic of all networks for one galaxy, and how often each is run."""
    rows = {"trunk": 0, "forward": 0}
    with ExitStack() as stack:
        for kind, name in ((LatentDenoiser, "trunk"), (ImageEncoder, "forward")):
            stack.enter_context(patch.object(kind, name, _counting(getattr(kind, name), rows)))
        with FlopCounterMode(display=False) as whole:
            predictor.predict(requests_of(1))
    steps = predictor.manifest.sampler_steps
    return {
        "network GFLOP a galaxy": round(whole.get_total_flops() / 1e9, 3),
        "sampler GFLOP a galaxy": round(_sampler_flops(predictor, steps) / 1e9, 3),
        "evaluations a candidate": rows["trunk"] / CANDIDATES,
        "image encodings a galaxy": rows["forward"],
    }


def time_batch(predictor: Predictor, size: int, *, rounds: int) -> dict[str, Any]:
    """Median core time of a batch, a galaxy, and how it divides over the stages."""
    requests = requests_of(size)
    predictor.predict(requests)
    measured = [_time_once(predictor, requests) for _ in range(rounds)]
    stages = {
        name: round(statistics.median(one[name] for one in measured) / size * 1000, 2) for name in measured[0]
    }
    total = stages["whole"]
    shares = {name: round(value / total, 3) for name, value in stages.items() if name != "whole"}
    return {"core-ms a galaxy": stages, "share": shares}


def gemm_rate(dtype: torch.dtype, *, size: int = 1536, repeats: int = 5) -> float:
    """Best rate of a square matrix product, GFLOP/s of one core."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        torch.mm(a, b)
        times.append(time.process_time() - started)
    return round(2 * size**3 / min(times) / 1e9, 1)


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def beside_limits(
    counted: Mapping[str, float], best: Mapping[str, Any], *, share: float
) -> dict[str, dict[str, float | bool]]:
    """Each figure that has a limit, beside it."""
    figures = dict(counted) | {
        "sampler core-ms a galaxy": best["core-ms a galaxy"]["sampler"],
        "properties core-ms a galaxy": best["core-ms a galaxy"]["measurements"],
        "sampler share of the bf16 GEMM rate": round(share, 3),
    }
    at_least = {"sampler share of the bf16 GEMM rate"}
    return {
        name: {
            "value": figures[name],
            "limit": limit,
            "held": figures[name] >= limit if name in at_least else figures[name] <= limit,
        }
        for name, limit in LIMITS.items()
    }


def _counting(function: Callable[..., torch.Tensor], rows: dict[str, int]) -> Callable[..., torch.Tensor]:
    """Add the rows of each call to `rows`."""

    @wraps(function)
    def counted(network: Any, x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        out = function(network, x, *rest)
        rows[function.__name__] += out.shape[:-1].numel()
        return out

    return counted


def _sampler_flops(predictor: Predictor, steps: int) -> int:
    """Arithmetic of drawing the candidates of one galaxy."""
    family = predictor.family
    conditions = prepare([synthetic_cutout(0)])
    features = family.encode(conditions)
    with FlopCounterMode(display=False) as counter:
        family.draw(conditions, features, torch.randn(1, CANDIDATES, family.latent_size), steps)
    return int(counter.get_total_flops())


def _time_once(predictor: Predictor, requests: list[PredictionRequest]) -> dict[str, float]:
    spent = dict.fromkeys(("whole", *STAGES), 0.0)
    with _stopwatches(spent):
        started = time.process_time()
        predictor.predict(requests)
        spent["whole"] = time.process_time() - started
    return spent | {"report": spent["whole"] - sum(spent[name] for name in STAGES)}


@contextmanager
def _stopwatches(spent: dict[str, float]) -> Iterator[None]:
    """Add the time inside the functions of each stage to `spent`."""
    with ExitStack() as stack:
        for stage, functions in STAGES.items():
            for owner, name in functions:
                watched = _watched(getattr(owner, name), partial(_add, spent, stage))
                stack.enter_context(patch.object(owner, name, watched))
        yield


def _watched(function: Callable[..., Any], add: Callable[[float], None]) -> Callable[..., Any]:
    @wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            add(time.process_time() - started)

    return watched


def _add(spent: dict[str, float], stage: str, seconds: float) -> None:
    spent[stage] += seconds


if __name__ == "__main__":
    typer.run(main)
