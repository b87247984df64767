"""Commands that make cutouts, and one that holds predictions against their images."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.program import app

__all__ = ["cutout", "pack"]


@app.command()
def pack(
    images: Annotated[list[Path], typer.Argument(help="Five single-band FITS files.", exists=True)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")] = Path("cutout.fits"),
) -> None:
    """Pack five aligned single-band images into one; bands by header, else by file name, else by order."""
    from fiberless.images.fits.band_files import name_band_files
    from fiberless.images.fits.read import read_band_files, write_cutout

    named = name_band_files([path.read_bytes() for path in images], names=[path.name for path in images])
    packed = read_band_files(named.files, notes=named.notes)
    write_cutout(packed, out)
    _echo_lines(str(out), *packed.notes)


@app.command()
def cutout(
    *,
    frames: Annotated[Path, typer.Option(help="Folder of corrected SDSS frames.", exists=True)],
    ra: Annotated[float, typer.Option(help="Right ascension, ICRS degrees.", min=0, max=360)],
    dec: Annotated[float, typer.Option(help="Declination, ICRS degrees.", min=-90, max=90)],
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")] = Path("cutout.fits"),
) -> None:
    """Cut a galaxy from corrected SDSS frames, all bands aligned to r."""
    from fiberless.images.fits.read import write_cutout
    from fiberless.sources.sdss.cut import cut_frames

    found = cut_frames(frames, ra, dec)
    write_cutout(found, out)
    _echo_lines(str(out), *found.notes)


def _echo_lines(first: str, *rest: str) -> None:
    typer.echo(first)
    for line in rest:
        typer.echo(f"  {line}")
