"""Makes the training pairs of one chunk of the catalogue from its files: the unit of work that is resumed."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import N_BANDS
from fiberless.astro.extinction import galactic_ebv
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.datasets.sdss.archive import Fetched
from fiberless.datasets.sdss.catalogue import Galaxy
from fiberless.datasets.sdss.cube import CubeFile
from fiberless.datasets.sdss.dereddening import spectrum_correction
from fiberless.datasets.sdss.options import EBV_PER_EXTINCTION_R, Selection
from fiberless.datasets.sdss.spectra import Rejected, Rejection, judge, ln_norm, read_spectrum, to_grid
from fiberless.datasets.shards import write_shard
from fiberless.errors import FatalError, UsageError
from fiberless.images.cutout import CUTOUT_PIXELS
from fiberless.images.fits.pixels import check_bands
from fiberless.sources.sdss.cut import cut_frames

__all__ = [
    "SDSS_COLUMNS",
    "TRUTH_NAMES",
    "ChunkJob",
    "GalaxyOutcome",
    "Source",
    "build_chunk",
    "chunk_record",
]

TRUTH_NAMES: Final = (
    "redshift",
    "log_stellar_mass",
    "log_sfr",
    "oxygen",
    "sigma_star",
    "ebv",
    "r_mag",
    "ln_norm",
    "sn",
)
SDSS_COLUMNS: Final = {
    "image": "(N, 5, 64, 64) float16, nanomaggies a pixel, Galactic extinction not corrected",
    "flux": "(N, 4500) float16, F_λ on the observed grid, 1e-17 erg / (s cm2 Å), corrected for Galactic "
    "extinction, interpolated where masked",
    "sigma": "(N, 4500) float16, standard deviation of `flux` by error propagation (neighbours are "
    "correlated), inf where masked",
    "truth": "(N, T) float32, columns named in dataset.json, NaN where unknown",
    "object_id": "(N,) int64, SDSS objID",
}
_KEPT: Final = "kept"
_MAX_FLOAT16: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Source:
    """Where a galaxy's data lie on this machine.

    Parameters
    ----------
    spectrum : its file, None if the archive has none
    frames : folder of its field's five frames, None without
    cube_row : row of the cube file, −1 without

    """

    spectrum: Path | None
    frames: Path | None = None
    cube_row: int = -1


@dataclass(frozen=True)
class ChunkJob:
    """All that a process needs to make one chunk."""

    folder: Path
    index: int
    galaxies: Sequence[Galaxy]
    sources: Sequence[Source]
    selection: Selection
    cube: CubeFile | None
    downloads: Sequence[Fetched]


@dataclass(frozen=True)
class GalaxyOutcome:
    """What became of a galaxy: `kept` or a `Rejection`, and what there is to say."""

    row: int
    object_id: int
    plate: int
    mjd: int
    fiber: int
    outcome: str
    detail: str

    @property
    def kept(self) -> bool:
        """Whether the galaxy is in the data set."""
        return self.outcome == _KEPT


def chunk_record(folder: Path, index: int) -> Path:
    """File that says what became of a chunk; it exists when the chunk is complete."""
    return folder / f"chunk-{index:05d}.json"


def build_chunk(job: ChunkJob) -> int:
    """Write the pairs of one chunk, then its record; a function of its files alone.

    Returns
    -------
    galaxies kept

    """
    pairs, outcomes = [], []
    for galaxy, source in zip(job.galaxies, job.sources, strict=True):
        try:
            pair, note = _pair(galaxy, source, job)
        except Rejected as rejected:
            outcomes.append(_outcome(galaxy, rejected.reason, rejected.detail))
        else:
            pairs.append(pair)
            outcomes.append(_outcome(galaxy, _KEPT, note))
    if pairs:
        columns = {name: np.stack([pair[name] for pair in pairs]) for name in pairs[0]}
        write_shard(job.folder, job.index, columns)
    _write_record(job, outcomes)
    return len(pairs)


def _pair(galaxy: Galaxy, source: Source, job: ChunkJob) -> tuple[dict[str, Any], str]:
    """Columns of one galaxy, without the first axis, and a note on its image."""
    if source.spectrum is None:
        raise Rejected(Rejection.MISSING_SPECTRUM, "the archive has no such file")
    raw = read_spectrum(source.spectrum)
    key = (galaxy.plate, galaxy.mjd, galaxy.fiber)
    judge(raw, job.selection, key=key, redshift=galaxy.redshift)
    ebv = _ebv(galaxy)
    grid = to_grid(raw, job.selection).times(spectrum_correction(OBSERVED_WAVE_AA, ebv))
    image, note = _image(galaxy, source, job.cube)
    r_mag = galaxy.known["r_mag"] - ebv / EBV_PER_EXTINCTION_R
    computed = {"ebv": ebv, "r_mag": r_mag, "ln_norm": ln_norm(grid, galaxy.redshift)}
    known = {**galaxy.known, **computed}
    pair = {
        "image": _half(image),
        "flux": _half(grid.flux),
        "sigma": _half(grid.sigma),
        "truth": np.array([known[name] for name in TRUTH_NAMES], dtype=np.float32),
        "object_id": np.int64(galaxy.object_id),
    }
    return pair, note


def _ebv(galaxy: Galaxy) -> float:
    """E(B−V) of the catalogue, or of the packaged map where the catalogue has none."""
    ebv = galaxy.known["ebv"]
    return ebv if math.isfinite(ebv) else galactic_ebv(galaxy.ra, galaxy.dec)


def _half(values: FloatArray) -> FloatArray:
    """float16 of the values; what is beyond its range becomes its largest number, infinities stay."""
    bounded = np.where(np.isfinite(values), np.clip(values, -_MAX_FLOAT16, _MAX_FLOAT16), values)
    return bounded.astype(np.float16)


def _image(galaxy: Galaxy, source: Source, cube: CubeFile | None) -> tuple[FloatArray, str]:
    if source.frames is None and (cube is None or source.cube_row < 0):
        where = "the archive lacks a frame of its field" if cube is None else "the cube file does not show it"
        raise Rejected(Rejection.MISSING_IMAGE, where)
    try:
        if source.frames is not None:
            cutout = cut_frames(source.frames, galaxy.ra, galaxy.dec)
            return cutout.flux_nmgy, "; ".join(cutout.notes)
        image = cube.image(source.cube_row) if cube else np.empty((N_BANDS, CUTOUT_PIXELS, CUTOUT_PIXELS))
        check_bands(image)
    except (UsageError, FatalError) as error:
        raise Rejected(Rejection.BAD_IMAGE, error.detail) from error
    return image, ""


def _outcome(galaxy: Galaxy, outcome: str, detail: str) -> GalaxyOutcome:
    return GalaxyOutcome(
        row=galaxy.row,
        object_id=galaxy.object_id,
        plate=galaxy.plate,
        mjd=galaxy.mjd,
        fiber=galaxy.fiber,
        outcome=str(outcome),
        detail=detail,
    )


def _write_record(job: ChunkJob, outcomes: Sequence[GalaxyOutcome]) -> None:
    path = chunk_record(job.folder, job.index)
    content = {
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "downloads": [asdict(fetched) for fetched in sorted(job.downloads, key=lambda file: file.path)],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.rename(path)
