"""Writes the three data sets from the finished chunks, and the reports beside them."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open

from fiberless import __version__
from fiberless.arrays import FloatArray, IntArray
from fiberless.datasets.sdss.catalogue import Catalogue
from fiberless.datasets.sdss.chunk import SDSS_COLUMNS, TRUTH_NAMES, GalaxyOutcome, chunk_record
from fiberless.datasets.sdss.options import EBV_PER_EXTINCTION_R, Selection, SplitRule
from fiberless.datasets.sdss.split import split_rows
from fiberless.datasets.shards import DatasetInfo, write_info, write_shard
from fiberless.errors import UsageError

__all__ = ["Assembly", "Summary", "assemble"]

_REPORT_FIELDS: Final = ("object_id", "plate", "mjd", "fiber", "outcome", "detail")
_DOWNLOAD_FIELDS: Final = ("path", "n_bytes", "sha256")


@dataclass(frozen=True)
class Summary:
    """What became of the galaxies: rows a part, and galaxies left out by reason."""

    parts: dict[str, int]
    rejected: dict[str, int]


@dataclass(frozen=True, eq=False)
class Assembly:
    """What is to be written.

    Parameters
    ----------
    out : folder that gets `train`, `validation`, `test`, `report.csv` and `downloads.csv`
    chunks, n_chunks : the finished chunks
    images : `frames`, or the name of the cube file

    """

    out: Path
    chunks: Path
    n_chunks: int
    catalogue: Catalogue
    selection: Selection
    split: SplitRule
    images: str
    shard_size: int


def assemble(job: Assembly, *, progress: Callable[[int, int], None]) -> Summary:
    """Write reports and data sets; shards that exist are kept.

    Every shard is a function of the chunks and the rule of the split alone.

    Raises
    ------
    UsageError
        `invalid-parameter` if a part is empty, or the folder holds data sets of another kind.

    """
    records = [json.loads(chunk_record(job.chunks, index).read_text()) for index in range(job.n_chunks)]
    outcomes = [[GalaxyOutcome(**entry) for entry in record["outcomes"]] for record in records]
    _write_reports(job.out, outcomes, records)
    where, rows_kept = _places(outcomes)
    sample = job.catalogue.take(rows_kept)
    parts = split_rows(job.split, sample.floats("ra"), sample.floats("dec"))
    done, total = 0, len(where)
    for name, rows in parts.items():
        _describe(job, name, len(rows))
        for index in range(-(-len(rows) // job.shard_size)):
            chosen = rows[index * job.shard_size : (index + 1) * job.shard_size]
            if not (job.out / name / f"shard-{index:05d}.safetensors").exists():
                write_shard(job.out / name, index, _gather(job.chunks, where[chosen]))
            done += len(chosen)
            progress(done, total)
    rejected = Counter(outcome.outcome for chunk in outcomes for outcome in chunk if not outcome.kept)
    return Summary({name: len(rows) for name, rows in parts.items()}, dict(rejected.most_common()))


def _write_reports(
    out: Path, outcomes: Sequence[Sequence[GalaxyOutcome]], records: Sequence[dict[str, Any]]
) -> None:
    """Galaxies left out or worth a note, in the order of the catalogue; downloads by path, each once."""
    noted = [vars(outcome) for chunk in outcomes for outcome in chunk if outcome.detail]
    _write_table(out / "report.csv", _REPORT_FIELDS, noted)
    files = {entry["path"]: entry for record in records for entry in record["downloads"]}
    _write_table(out / "downloads.csv", _DOWNLOAD_FIELDS, [files[path] for path in sorted(files)])


def _places(outcomes: Sequence[Sequence[GalaxyOutcome]]) -> tuple[IntArray, IntArray]:
    """(chunk, place in its file) (N, 2) and row of the catalogue (N,) of the galaxies kept."""
    where, rows = [], []
    for chunk, of_chunk in enumerate(outcomes):
        kept = [outcome.row for outcome in of_chunk if outcome.kept]
        where += [(chunk, place) for place in range(len(kept))]
        rows += kept
    return np.array(where, dtype=np.int64).reshape(-1, 2), np.array(rows, dtype=np.int64)


def _gather(chunks: Path, where: IntArray) -> dict[str, FloatArray]:
    """Columns of the rows (chunk, place) (n, 2), in their order."""
    order = np.lexsort((where[:, 1], where[:, 0]))
    found: dict[str, list[Any]] = {name: [None] * len(where) for name in SDSS_COLUMNS}
    for chunk in np.unique(where[:, 0]):
        path = chunks / f"shard-{chunk:05d}.safetensors"
        with safe_open(str(path), framework="numpy") as opened:
            slices = {name: opened.get_slice(name) for name in SDSS_COLUMNS}
            for target in order[where[order, 0] == chunk]:
                place = int(where[target, 1])
                for name, rows in slices.items():
                    found[name][target] = rows[place : place + 1]
    return {name: np.concatenate(rows) for name, rows in found.items()}


def _describe(job: Assembly, part: str, n: int) -> None:
    """Write `dataset.json` of a part, unless it is there; refuse another one."""
    folder = job.out / part
    folder.mkdir(parents=True, exist_ok=True)
    info = DatasetInfo(
        kind="sdss",
        description=f"Observed SDSS galaxies, {part} part; sigma is inf where a pixel is masked",
        n=n,
        seed=job.split.seed,
        shard_size=job.shard_size,
        version=__version__,
        truth_names=TRUTH_NAMES,
        columns=SDSS_COLUMNS,
        options={
            "part": part,
            "images": job.images,
            "selection": job.selection.model_dump(mode="json"),
            "split": job.split.model_dump(mode="json"),
            "catalogue_sha256": job.catalogue.sha256,
            "ebv_per_extinction_r": EBV_PER_EXTINCTION_R,
        },
    )
    existing = folder / "dataset.json"
    if existing.exists():
        if DatasetInfo.model_validate_json(existing.read_text()) != info:
            raise UsageError(
                "invalid-parameter", f"{part} holds another data set; remove the folder to split anew"
            )
        return
    write_info(folder, info)


def _write_table(path: Path, fields: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.rename(path)
