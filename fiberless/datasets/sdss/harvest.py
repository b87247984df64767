"""Gathers real pairs chunk by chunk: downloads ahead, makes pairs in processes, survives being killed."""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

from fiberless.arrays import IntArray
from fiberless.astro.bands import BANDS
from fiberless.datasets.sdss.archive import Archive, Fetched
from fiberless.datasets.sdss.catalogue import Catalogue, Galaxy
from fiberless.datasets.sdss.chunk import ChunkJob, Source, build_chunk, chunk_record
from fiberless.datasets.sdss.cube import CubeFile
from fiberless.datasets.sdss.options import Selection, frame_path, spectrum_path
from fiberless.errors import FatalError

__all__ = ["Harvest", "harvest"]

_Field = tuple[str, int, int, int]


@dataclass(frozen=True, eq=False)
class Harvest:
    """What is to be gathered, and where the work lies.

    Parameters
    ----------
    folder : of the work; chunks and downloads go below it
    catalogue : the galaxies wanted
    selection : what their spectra must be
    cube, cube_rows : images of a cube file and its row for each galaxy, or None: frames of the archive
    chunk_size : galaxies made together
    keep_downloads : whether files stay after their chunk is complete

    """

    folder: Path
    catalogue: Catalogue
    selection: Selection
    cube: CubeFile | None
    cube_rows: IntArray | None
    chunk_size: int
    keep_downloads: bool = False

    @property
    def chunks(self) -> Path:
        """Folder of the finished chunks."""
        return self.folder / "chunks"

    @property
    def n_chunks(self) -> int:
        """How many chunks there are to make."""
        return -(-len(self.catalogue) // self.chunk_size)

    def rows(self, index: int) -> range:
        """Rows of the catalogue in a chunk."""
        return range(index * self.chunk_size, min((index + 1) * self.chunk_size, len(self.catalogue)))

    def downloads(self, index: int) -> Path:
        """Folder of a chunk's files while it is made."""
        return self.folder / "downloads" / f"chunk-{index:05d}"

    def is_done(self, index: int) -> bool:
        """Whether a chunk is complete."""
        return chunk_record(self.chunks, index).exists()


def harvest(
    plan: Harvest, archive: Archive, *, workers: int | None = None, progress: Callable[[int], None]
) -> None:
    """Make all chunks that are missing; `progress` hears the galaxies done.

    Raises
    ------
    TransientError
        `source-unavailable` if the archive does not answer; started again, it goes on.
    FatalError
        `source-unavailable` if the archive refuses, `worker-crashed` if a process dies.

    """
    plan.chunks.mkdir(parents=True, exist_ok=True)
    # what is there already
    missing = [index for index in range(plan.n_chunks) if not plan.is_done(index)]
    done = len(plan.catalogue) - sum(len(plan.rows(index)) for index in missing)
    progress(done)
    for index in set(range(plan.n_chunks)) - set(missing):
        _clear(plan, index)
    n_workers = workers or os.cpu_count() or 1
    running: dict[Future[int], int] = {}

    def finish(limit: int) -> None:
        nonlocal done
        while len(running) > limit:
            for job in wait(running, return_when=FIRST_COMPLETED).done:
                job.result()
                index = running.pop(job)
                _clear(plan, index)
                done += len(plan.rows(index))
                progress(done)

    # download here, build in processes of their own
    context = get_context("spawn")
    with (
        _crashes_named(),
        ProcessPoolExecutor(n_workers, mp_context=context, initializer=_end_with_parent) as pool,
    ):
        for index in missing:
            running[pool.submit(build_chunk, _fetch_chunk(plan, archive, index))] = index
            finish(n_workers)
        finish(0)


@contextmanager
def _crashes_named() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise FatalError(
            "worker-crashed", "a process that makes pairs died; is there too little memory?"
        ) from error


def _clear(plan: Harvest, index: int) -> None:
    if not plan.keep_downloads:
        shutil.rmtree(plan.downloads(index), ignore_errors=True)


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed run leaves nobody behind who writes."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _fetch_chunk(plan: Harvest, archive: Archive, index: int) -> ChunkJob:
    """Download what a chunk needs: spectra first, then the frames of galaxies that have one."""
    galaxies = plan.catalogue.galaxies(plan.rows(index))
    folder = plan.downloads(index)
    spectra = archive.fetch_all({_spectrum(galaxy): folder / _spectrum(galaxy).name for galaxy in galaxies})
    with_spectrum = [galaxy for galaxy in galaxies if spectra[_spectrum(galaxy)]]
    frames: dict[Path, Fetched | None] = {}
    if plan.cube is None:
        frames = archive.fetch_all(_frame_files(with_spectrum, folder))
    return ChunkJob(
        folder=plan.chunks,
        index=index,
        galaxies=galaxies,
        sources=[_source(plan, galaxy, folder, spectra=spectra, frames=frames) for galaxy in galaxies],
        selection=plan.selection,
        cube=plan.cube,
        downloads=[file for file in (*spectra.values(), *frames.values()) if file],
    )


def _source(
    plan: Harvest,
    galaxy: Galaxy,
    folder: Path,
    *,
    spectra: Mapping[Path, Fetched | None],
    frames: Mapping[Path, Fetched | None],
) -> Source:
    spectrum = folder / _spectrum(galaxy).name if spectra[_spectrum(galaxy)] else None
    if plan.cube_rows is not None:
        return Source(spectrum, cube_row=int(plan.cube_rows[galaxy.row]))
    complete = all(frames.get(_frame(band, _field(galaxy))) for band in BANDS)
    return Source(spectrum, frames=_field_folder(folder, _field(galaxy)) if complete else None)


def _spectrum(galaxy: Galaxy) -> Path:
    return spectrum_path(run2d=galaxy.run2d, plate=galaxy.plate, mjd=galaxy.mjd, fiber=galaxy.fiber)


def _field(galaxy: Galaxy) -> _Field:
    return galaxy.rerun, galaxy.run, galaxy.camcol, galaxy.field


def _frame(band: str, field: _Field) -> Path:
    rerun, run, camcol, number = field
    return frame_path(band, rerun=rerun, run=run, camcol=camcol, field=number)


def _field_folder(folder: Path, field: _Field) -> Path:
    """A folder of its own for each field, so that a cutout never depends on which others are at hand."""
    return folder / "frames" / "-".join(map(str, field))


def _frame_files(galaxies: Iterable[Galaxy], folder: Path) -> dict[Path, Path]:
    fields = dict.fromkeys(_field(galaxy) for galaxy in galaxies)
    paths = [(_frame(band, field), field) for field in fields for band in BANDS]
    return {path: _field_folder(folder, field) / path.name for path, field in paths}
