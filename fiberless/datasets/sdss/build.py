"""Builds the data set of real galaxies: the whole way from a catalogue to three sets of shards."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from fiberless.datasets.sdss.archive import Archive
from fiberless.datasets.sdss.assemble import Assembly, Summary, assemble
from fiberless.datasets.sdss.catalogue import Catalogue, Dropped, read_catalogue
from fiberless.datasets.sdss.cube import CubeFile
from fiberless.datasets.sdss.estimate import BuildCost, estimate
from fiberless.datasets.sdss.harvest import Harvest, harvest
from fiberless.datasets.sdss.options import QUERY_URL, Manners, Selection, SplitRule
from fiberless.datasets.sdss.query import query_catalogue
from fiberless.datasets.sdss.split import split_rows
from fiberless.errors import UsageError

__all__ = ["SHARD_SIZE", "Build", "Progress", "Sizes", "working_in"]

_CHUNK_SIZE: Final = 100
SHARD_SIZE: Final = 1000

Progress = Callable[[str, int, int], None]
"""Hears (stage, done, total)."""


class Sizes(BaseModel):
    """Galaxies made together, and galaxies a shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk: int = _CHUNK_SIZE
    shard: int = SHARD_SIZE


_DEFAULT_SIZES: Final = Sizes()


class _BuildPlan(BaseModel):
    """What finished chunks depend on: a folder's work can be resumed only if it is the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: Selection
    images: str
    chunk_size: int
    catalogue_sha256: str | None


@contextmanager
def working_in(out: Path) -> Iterator[Path]:
    """Folder of the work below `out`, locked against a second run; a killed run's lock ends with it.

    Raises
    ------
    UsageError
        `invalid-parameter` if another run holds it.

    """
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("invalid-parameter", f"another run is at work in {out}") from error
        yield work


@dataclass(frozen=True, eq=False)
class Build:
    """One data set to be built; `catalogue`, then `cost`, then `run`.

    Parameters
    ----------
    out : folder of the data set; its work lies in `out/work`, locked by the caller (`working_in`)
    selection, split, sizes : what is wanted
    catalogue_file : the user's own catalogue, or None to ask `query_url`
    cube : images of a cube file, or None to cut them from frames
    keep_downloads : whether spectra and frames stay on disk

    """

    out: Path
    selection: Selection
    split: SplitRule
    archive: Archive
    catalogue_file: Path | None = None
    query_url: str = QUERY_URL
    cube: CubeFile | None = None
    sizes: Sizes = _DEFAULT_SIZES
    keep_downloads: bool = False

    @cached_property
    def _work(self) -> Path:
        return self.out / "work"

    def catalogue(self, *, progress: Progress) -> tuple[Catalogue, Dropped]:
        """Galaxies wanted, and how many rows were not; the one that was used is kept as `catalogue.fits`.

        Raises
        ------
        UsageError
            `invalid-parameter` if none is left, if a part of the split would be empty, or if the folder holds
            the work of another selection.

        """
        self._remember(self._plan(None), self._work / "selection.json")
        if self.catalogue_file is not None:
            whole = read_catalogue(self.catalogue_file)
        else:
            whole = query_catalogue(
                self.archive,
                self.query_url,
                self.selection,
                folder=self._work / "query",
                progress=lambda rows: progress("catalogue", rows, rows),
            )
        wanted, dropped = whole.select(self.selection)
        if not len(wanted):
            raise UsageError("invalid-parameter", f"no galaxy is left of the {len(whole)} of the catalogue")
        split_rows(self.split, wanted.floats("ra"), wanted.floats("dec"))
        self._remember(self._plan(wanted.sha256), self._work / "plan.json")
        wanted.write(self.out / "catalogue.fits")
        return wanted, dropped

    def cost(self, catalogue: Catalogue, manners: Manners, *, workers: int) -> BuildCost:
        """Estimate what is still to be done."""
        plan = self._harvest(catalogue, with_rows=False)
        missing = [plan.rows(index) for index in range(plan.n_chunks) if not plan.is_done(index)]
        rows = np.array([row for chunk in missing for row in chunk], dtype=np.int64)
        return estimate(
            catalogue.take(rows),
            manners,
            from_frames=self.cube is None,
            workers=workers,
            chunk_size=self.sizes.chunk,
            keep_downloads=self.keep_downloads,
            made_before=len(catalogue) - len(rows),
        )

    def run(self, catalogue: Catalogue, *, workers: int, progress: Progress) -> Summary:
        """Make all pairs and write the three data sets; killed at any moment, it goes on where it was.

        Raises
        ------
        TransientError
            `source-unavailable` if the archive stops answering; a later call goes on.
        FatalError
            `source-unavailable` if the archive refuses.
        UsageError
            `invalid-parameter` if the cube file is not one, reproject is missing, or a part of the split
            would be empty.

        """
        if self.cube is None and find_spec("reproject") is None:
            raise UsageError("invalid-parameter", "cutting frames needs: pip install 'fiberless[frames]'")
        plan = self._harvest(catalogue, with_rows=True)
        total = len(catalogue)
        harvest(plan, self.archive, workers=workers, progress=lambda done: progress("galaxies", done, total))
        job = Assembly(
            out=self.out,
            chunks=plan.chunks,
            n_chunks=plan.n_chunks,
            catalogue=catalogue,
            selection=self.selection,
            split=self.split,
            images=self._images,
            shard_size=self.sizes.shard,
        )
        return assemble(job, progress=lambda done, rows: progress("shards", done, rows))

    @property
    def _images(self) -> str:
        return self.cube.path.name if self.cube else "frames"

    def _harvest(self, catalogue: Catalogue, *, with_rows: bool) -> Harvest:
        return Harvest(
            folder=self._work,
            catalogue=catalogue,
            selection=self.selection,
            cube=self.cube,
            cube_rows=self.cube.rows_of(catalogue) if self.cube and with_rows else None,
            chunk_size=self.sizes.chunk,
            keep_downloads=self.keep_downloads,
        )

    def _plan(self, catalogue_sha256: str | None) -> _BuildPlan:
        return _BuildPlan(
            selection=self.selection,
            images=self._images,
            chunk_size=self.sizes.chunk,
            catalogue_sha256=catalogue_sha256,
        )

    def _remember(self, plan: _BuildPlan, path: Path) -> None:
        """Write down what the work depends on; refuse to mix it with other work."""
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            temporary.write_text(plan.model_dump_json(indent=1) + "\n")
            temporary.rename(path)
            return
        try:
            found = _BuildPlan.model_validate_json(path.read_text())
        except ValidationError as error:
            raise UsageError("invalid-parameter", f"{path} is not ours: {error}") from error
        if found != plan:
            raise UsageError(
                "invalid-parameter",
                f"{self.out} holds the work of another selection, catalogue, image source or chunk size; "
                "give another folder",
            )
