"""What `fiberless predict` is asked for, galaxy by galaxy; one that fails does not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fiberless.errors import FiberlessError, UsageError

if TYPE_CHECKING:
    from fiberless.contract import Target

__all__ = ["AskedGalaxy", "asked_galaxies", "each_galaxy"]


@dataclass(frozen=True)
class AskedGalaxy:
    """One galaxy: a file, or a target.

    Parameters
    ----------
    name : what the caller called it
    of : its file, or what names it on the sky

    """

    name: str
    of: "Path | Target"

    def file_bytes(self) -> bytes:
        """Bytes of its file; UsageError `fits-empty` if it cannot be read."""
        try:
            return Path(self.name).read_bytes()
        except OSError as error:
            raise UsageError("fits-empty", f"cannot be read: {error.strerror or error}") from error


def asked_galaxies(
    given: Sequence[str], *, ra: str | None, dec: str | None, object_id: str | None
) -> list[AskedGalaxy]:
    """Galaxies of the arguments: what is no file but begins like a position is one; the rest are files.

    Raises
    ------
    BadParameter
        If a position is none, half, or given beside a name; if a name has characters that no name has.

    """
    try:
        return _read_arguments(given, ra, dec, object_id)
    except UsageError as error:
        raise typer.BadParameter(error.detail) from error


def each_galaxy(galaxies: Sequence[AskedGalaxy], predict: Callable[[AskedGalaxy], None]) -> None:
    """Predict one after the other; a galaxy that fails is named on standard error, and the exit code is 2."""
    failed = []
    for galaxy in galaxies:
        try:
            predict(galaxy)
        except FiberlessError as error:
            if len(galaxies) == 1:
                raise
            typer.echo(f"fiberless: {galaxy.name}: {error}", err=True)
            failed.append(galaxy.name)
    if failed:
        typer.echo(f"fiberless: {len(failed)} of {len(galaxies)} failed: {', '.join(failed)}", err=True)
        raise typer.Exit(2)


def _read_arguments(
    given: Sequence[str], ra: str | None, dec: str | None, object_id: str | None
) -> list[AskedGalaxy]:
    galaxies = [_of_argument(text) for text in given]
    if (ra is None) != (dec is None):
        raise typer.BadParameter("--ra and --dec are needed together")
    if ra is not None and object_id is not None:
        raise typer.BadParameter("give ra and dec, or else object_id (--id)")
    if ra is not None and dec is not None:
        galaxies.append(_of_line(f"{ra}, {dec}"))
    if object_id is not None:
        galaxies.append(_of_name(object_id))
    return galaxies


def _of_argument(text: str) -> AskedGalaxy:
    from fiberless.contract import Target
    from fiberless.targets.by_hand import position_in

    path = Path(text)
    position = None if path.exists() else position_in(text)
    if position is None:
        return AskedGalaxy(text, path)
    return AskedGalaxy(text, Target(ra=position[0], dec=position[1]))


def _of_line(line: str) -> AskedGalaxy:
    from fiberless.contract import Target
    from fiberless.targets.by_hand import read_position

    ra_deg, dec_deg = read_position(line)
    return AskedGalaxy(f"{ra_deg:.5f}{dec_deg:+.5f}", Target(ra=ra_deg, dec=dec_deg))


def _of_name(name: str) -> AskedGalaxy:
    from fiberless.targets.by_hand import read_target

    return AskedGalaxy(name, read_target(name))
