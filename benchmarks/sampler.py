"""Cost of one galaxy's candidates on one core: the paper's algorithm, its shortcuts, the latent model.

Prints one JSON document; --markdown writes the same as a table. All pipelines are timed in interleaved rounds
of one run. A pipeline of many evaluations is not run to its end: its evaluations are alike, so one of each
network is timed and multiplied by their number; the document says where. The paper's networks have random
weights, which cost what trained ones do.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from predict import gemm_rate, processor  # first: it sets the threads of BLAS

import torch  # isort: skip
import typer
from torch.utils.flop_counter import FlopCounterMode

from fiberless.contract.manifest import resolve_version
from fiberless.inference.conditioning import prepare
from fiberless.inference.latent import LatentFamily
from fiberless.inference.sampler import initial_noise
from fiberless.inference.store import load_version
from fiberless.nn.spectrum_unet import SpectrumUNet
from fiberless.testing import synthetic_cutout
from fiberless.training.cascade.config import CascadeStage, slim_config

LOW_CANDIDATES, HIGH_CANDIDATES = 25, 5
LATENT_CANDIDATES: Final = 25
BATCHES: Final = (1, 4, 16, 64)
LIMITS: Final = {"latent GFLOP a galaxy": 12.0, "paper over latent": 5000.0, "share of GEMM at B = 16": 0.2}


@dataclass
class Timed:
    """One piece of work: what it costs once, and how often a galaxy needs it."""

    run: Callable[[], Any]
    times_a_galaxy: float
    seconds: list[float] = field(default_factory=list)
    flops: int = 0

    def count(self) -> None:
        """Count its arithmetic, which is a run of warm-up as well."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.run()
        self.flops = int(counter.get_total_flops())

    def time(self) -> None:
        """Run it once more and note the core time."""
        with torch.inference_mode():
            started = time.process_time()
            self.run()
            self.seconds.append(time.process_time() - started)


def main(
    *,
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    model: Annotated[str | None, typer.Option(help="Latent version; default: the store's.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Of the latent model; repeatable.")] = None,
    compiled: Annotated[bool, typer.Option("--compiled", help="Time the compiled denoiser too.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="File for the table.")] = None,
) -> None:
    """Measure, and print one JSON document."""
    torch.set_num_threads(1)
    family, manifest = load_version(store, resolve_version(store, model))
    pipelines = cascades() | latents(family, manifest.sampler_steps, batch or BATCHES, compiled=compiled)
    for pieces in pipelines.values():
        for piece in pieces.values():
            piece.count()
    rates = []
    for _ in range(rounds):
        rates.append(gemm_rate(torch.bfloat16))
        for pieces in pipelines.values():
            for piece in pieces.values():
                piece.time()
    rate = statistics.median(rates)
    rows = {name: summary(pieces, rate) for name, pieces in pipelines.items()}
    document = {
        "machine": {"processor": processor(), "torch": torch.__version__, "threads": torch.get_num_threads()},
        "model": manifest.version,
        "rounds": rounds,
        "bf16 GEMM GFLOP/s": rate,
        "extrapolated": "every cascade: evaluations are timed once a round and multiplied by their number",
        "pipelines": rows,
        "beside limits": beside_limits(rows),
    }
    if markdown is not None:
        markdown.write_text(table(document), encoding="utf-8")
    typer.echo(json.dumps(document, indent=1))


def cascades() -> dict[str, dict[str, Timed]]:
    """The paper's algorithm, the same networks with few steps in bfloat16, the slim ones."""
    low, high = SpectrumUNet().eval(), SpectrumUNet(in_channels=2).eval()
    slim = slim_config().networks
    slim_low = SpectrumUNet(**slim[CascadeStage.DENOISE_LOW]).eval()
    slim_high = SpectrumUNet(in_channels=2, **slim[CascadeStage.DENOISE_HIGH]).eval()
    quick = [SpectrumUNet().eval().bfloat16(), SpectrumUNet(in_channels=2).eval().bfloat16()]
    return {
        # the paper's code runs the image encoder again at every step; so is its cost counted here
        "paper, 250 steps, 25→5, fp32": cascade(low, high, steps=250, encodings=250),
        "paper's networks, encoded once, 25 steps, 25→5, bf16": cascade(*quick, steps=25, encodings=1),
        "slim cascade, 25 steps, 25→25, fp32": cascade(slim_low, slim_high, steps=25, encodings=1, kept=25),
    }


def cascade(
    low: SpectrumUNet, high: SpectrumUNet, *, steps: int, encodings: int, kept: int = HIGH_CANDIDATES
) -> dict[str, Timed]:
    """One encoding and one evaluation of each of two networks, with the candidates of one galaxy."""
    image, photometry = torch.randn(1, 5, 64, 64), torch.randn(1, 49)
    with torch.no_grad():
        tokens = [network.encode_image(image, photometry) for network in (low, high)]

    def evaluate(network: SpectrumUNet, seen: torch.Tensor, shape: tuple[int, int, int]) -> Timed:
        x, times = torch.randn(shape), torch.full((shape[0],), 100.0)
        spread = seen.expand(shape[0], -1, -1)
        return Timed(lambda: network(x, times, spread), steps)

    return {
        "encode low": Timed(lambda: low.encode_image(image, photometry), encodings),
        "encode high": Timed(lambda: high.encode_image(image, photometry), encodings),
        "low": evaluate(low, tokens[0], (LOW_CANDIDATES, 1, 563)),
        "high": evaluate(high, tokens[1], (kept, 2, 4500)),
    }


def latents(
    family: LatentFamily, steps: int, batches: list[int] | tuple[int, ...], *, compiled: bool
) -> dict[str, dict[str, Timed]]:
    """Encode, draw and score with the latent model in bfloat16, whole, at several batch sizes."""
    family.denoiser.bfloat16()
    found = {}
    for size in batches:
        found[f"latent, {steps} evaluations, K = 25, B = {size}, bf16"] = latent(family, steps, size)
    if compiled:
        trunk = torch.compile(family.denoiser.trunk, dynamic=False)
        for size in batches:
            found[f"latent, compiled, B = {size}, bf16"] = latent(family, steps, size, trunk=trunk)
    return found


def latent(family: LatentFamily, steps: int, size: int, trunk: Any = None) -> dict[str, Timed]:
    """One batch through the latent model, with another trunk if given."""
    conditions = prepare([synthetic_cutout(seed) for seed in range(size)])
    noise = initial_noise([(0, str(seed)) for seed in range(size)], LATENT_CANDIDATES, family.latent_size)
    own = family.denoiser.trunk

    def run() -> None:
        family.denoiser.trunk = own if trunk is None else trunk
        features = family.encode(conditions)
        family.score(features, family.draw(conditions, features, noise, steps))
        family.denoiser.trunk = own

    return {"batch": Timed(run, 1 / size)}


def summary(pieces: dict[str, Timed], rate: float) -> dict[str, float]:
    """GFLOP and median core-ms a galaxy, and the share of the GEMM rate."""
    gflop = sum(piece.flops * piece.times_a_galaxy for piece in pieces.values()) / 1e9
    seconds = sum(statistics.median(piece.seconds) * piece.times_a_galaxy for piece in pieces.values())
    return {
        "GFLOP a galaxy": round(gflop, 3),
        "core-ms a galaxy": round(1e3 * seconds, 3),
        "share of GEMM": round(gflop / seconds / rate, 3),
    }


def beside_limits(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float | bool]]:
    """Each figure that has a limit, beside it; the paper's algorithm against the best batch size."""
    latent_rows = {name: row for name, row in rows.items() if name.startswith("latent")}
    paper = next(row for name, row in rows.items() if name.startswith("paper,"))
    fastest = min(row["core-ms a galaxy"] for row in latent_rows.values())
    at_16 = [row["share of GEMM"] for name, row in latent_rows.items() if "B = 16," in name]
    figures = {
        "latent GFLOP a galaxy": max(row["GFLOP a galaxy"] for row in latent_rows.values()),
        "paper over latent": round(paper["core-ms a galaxy"] / fastest, 1),
        **({"share of GEMM at B = 16": max(at_16)} if at_16 else {}),
    }
    at_most = {"latent GFLOP a galaxy"}
    return {
        name: {
            "value": value,
            "limit": LIMITS[name],
            "held": value <= LIMITS[name] if name in at_most else value >= LIMITS[name],
        }
        for name, value in figures.items()
    }


def table(document: dict[str, Any]) -> str:
    """Write the document as Markdown."""
    lines = [
        "| pipeline | GFLOP a galaxy | core-ms a galaxy | share of the bf16 GEMM rate |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['GFLOP a galaxy']:g} | {row['core-ms a galaxy']:g} | {row['share of GEMM']:.3f} |"
        for name, row in document["pipelines"].items()
    ]
    lines += ["", "| figure | value | limit | held |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {row['value']:g} | {row['limit']:g} | {'yes' if row['held'] else 'no'} |"
        for name, row in document["beside limits"].items()
    ]
    machine = document["machine"]
    said = (
        f"{machine['processor']}, torch {machine['torch']}, one thread, process time, median of "
        f"{document['rounds']} interleaved rounds; bf16 GEMM {document['bf16 GEMM GFLOP/s']} GFLOP/s. "
        f"Extrapolated: {document['extrapolated']}. By `python benchmarks/sampler.py`."
    )
    lines += ["", said, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
