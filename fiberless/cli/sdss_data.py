"""The command that builds training data from the survey's archive."""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from fiberless.cli.program import data_app
from fiberless.contract.manifest import PROMISED_REDSHIFT
from fiberless.errors import UsageError

__all__ = ["sdss"]


@data_app.command()
def sdss(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write train, validation and test into.")],
    catalogue: Annotated[
        Path | None, typer.Option(help="Your own CSV, FITS or ECSV; default: ask the survey.", exists=True)
    ] = None,
    cube: Annotated[
        Path | None, typer.Option(help="Images from a Pasquet-layout sdss.npz; default: frames.", exists=True)
    ] = None,
    z_min: Annotated[float, typer.Option(help="Redshifts above this.")] = PROMISED_REDSHIFT[0],
    z_max: Annotated[float, typer.Option(help="Redshifts below this.")] = PROMISED_REDSHIFT[1],
    min_sn: Annotated[float, typer.Option(help="Least median signal-to-noise ratio of a spectrum.")] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, spread evenly.")] = None,
    positive: Annotated[bool, typer.Option(help="Drop spectra that reach ≤ 0 after smoothing.")] = True,
    split: Annotated[str, typer.Option(help="sky (whole HEALPix cells) or paper (at random).")] = "sky",
    nside: Annotated[int, typer.Option(help="HEALPix cells of the sky split.")] = 16,
    validation_share: Annotated[float, typer.Option(help="Of the sky split.")] = 0.05,
    test_share: Annotated[float, typer.Option(help="Of the sky split.")] = 0.10,
    seed: Annotated[int, typer.Option(min=0, help="Of the split.")] = 1,
    archive_url: Annotated[
        str | None, typer.Option(envvar="FIBERLESS_SDSS_ARCHIVE_URL", help="Root of the archive.")
    ] = None,
    query_url: Annotated[
        str | None, typer.Option(envvar="FIBERLESS_SDSS_QUERY_URL", help="SQL service of the catalogue.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=16, help="At most so many at once.")] = 4,
    rate: Annotated[float, typer.Option(help="Requests a second, over all connections.")] = 5.0,
    skip_unavailable: Annotated[
        bool, typer.Option(help="Leave out what never comes, instead of stopping.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    chunk_size: Annotated[int, typer.Option(min=1, help="Galaxies made together.")] = 100,
    shard_size: Annotated[int, typer.Option(min=1, help="Galaxies a shard.")] = 1000,
    keep_downloads: Annotated[bool, typer.Option(help="Keep spectra and frames.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
) -> None:
    """Build training data from SDSS: catalogue, spectra, images, splits. Resumes where it stopped."""
    from fiberless.datasets.sdss.archive import Archive
    from fiberless.datasets.sdss.build import Build, Sizes, working_in
    from fiberless.datasets.sdss.cube import CubeFile
    from fiberless.datasets.sdss.estimate import check_disk
    from fiberless.datasets.sdss.options import ARCHIVE_URL, QUERY_URL, Manners, Selection, SplitRule

    manners = _checked(
        Manners, connections=connections, requests_per_second=rate, skip_unavailable=skip_unavailable
    )
    build = Build(
        out=out,
        selection=_checked(
            Selection, redshift=(z_min, z_max), min_sn=min_sn, limit=limit, require_positive=positive
        ),
        split=_checked(
            SplitRule,
            kind=split,
            seed=seed,
            nside=nside,
            validation_share=validation_share,
            test_share=test_share,
        ),
        archive=Archive(archive_url or ARCHIVE_URL, manners, also=[query_url or QUERY_URL]),
        catalogue_file=catalogue,
        query_url=query_url or QUERY_URL,
        cube=CubeFile(cube) if cube else None,
        sizes=Sizes(chunk=chunk_size, shard=shard_size),
        keep_downloads=keep_downloads,
    )
    n_workers = workers or os.cpu_count() or 1
    with closing(build.archive), working_in(out), _Bars() as bars:
        galaxies, dropped = build.catalogue(progress=bars.report)
        cost = build.cost(galaxies, manners, workers=n_workers)
        bars.say(_counts("not wanted", dropped.counts) + cost.as_text())
        check_disk(cost, out)
        if not yes:
            bars.ask("Start?")
        summary = build.run(galaxies, workers=n_workers, progress=bars.report)
        bars.say(_counts("left out", summary.rejected) + _counts("written", summary.parts))
    typer.echo(f"wrote {out}; what was left out and why: {out / 'report.csv'}")


_Model = TypeVar("_Model", bound=BaseModel)


def _checked(model: type[_Model], /, **values: object) -> _Model:
    """Model of options as they were typed."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError("invalid-parameter", wrong) from error


def _counts(title: str, counts: Mapping[str, int]) -> str:
    return "".join(f"{title:<12}{number:,} {name}\n" for name, number in counts.items() if number)


class _Bars(Progress):
    """One bar a stage, on the terminal's error stream."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:>18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        super().__init__(*columns, console=Console(stderr=True))
        self._stages: dict[str, TaskID] = {}

    def report(self, stage: str, done: int, total: int) -> None:
        if stage not in self._stages:
            self._stages[stage] = self.add_task(stage, total=total)
        self.update(self._stages[stage], completed=done, total=total)

    def say(self, text: str) -> None:
        self.console.print(text.rstrip(), highlight=False, markup=False)

    def ask(self, question: str) -> None:
        self.stop()
        typer.confirm(question, abort=True, err=True)
        self.start()
