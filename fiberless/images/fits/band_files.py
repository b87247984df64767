"""Which of five single-band files is which band: by their headers, else their names, else their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fiberless.astro.bands import BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.band_names import band_in_words
from fiberless.images.fits.gate import UPLOAD_LIMITS, Limits, walk_fits
from fiberless.images.fits.planes import file_band

__all__ = ["BandFiles", "name_band_files"]


@dataclass(frozen=True)
class BandFiles:
    """Five files by band, and what the caller should know of how they got there."""

    files: Mapping[str, bytes] = field(repr=False)
    notes: tuple[str, ...] = ()


def name_band_files(
    files: Sequence[bytes], *, names: Sequence[str] = (), limits: Limits = UPLOAD_LIMITS
) -> BandFiles:
    """Five single-band files by band.

    As their headers say; if none names a band, as their own names say, where each has one band as a word of
    its own; if none has, in the order u, g, r, i, z. The last two are told in a note.

    Parameters
    ----------
    files : five FITS files
    names : of the files, without folders, if they have any
    limits : what each file may ask for

    Raises
    ------
    UsageError
        `wrong-band-count` if there are not five, `wrong-band-order` if headers or names do not name each band
        once, or a header names a filter that is not known.

    """
    if len(files) != len(BANDS):
        raise UsageError("wrong-band-count", f"{len(files)} files; u, g, r, i and z are needed")
    claimed = [_claimed_band(data, index, names, limits) for index, data in enumerate(files)]
    if any(claimed):
        return BandFiles(_by_band(claimed, files, "the files say that they are"))
    spelled = [band_in_words(name) for name in names]
    if any(spelled):
        note = "no FILTER; bands taken from the names of the files"
        return BandFiles(_by_band(spelled, files, "no FILTER, and the names of the files say"), (note,))
    return BandFiles(
        dict(zip(BANDS, files, strict=True)), ("no FILTER; files taken in the order u, g, r, i, z",)
    )


def _claimed_band(data: bytes, index: int, names: Sequence[str], limits: Limits) -> str | None:
    """Band that a file names; a refusal says which file it is."""
    try:
        return file_band(walk_fits(data, limits=limits))
    except UsageError as error:
        name = names[index] if index < len(names) else f"file {index + 1}"
        raise UsageError(error.slug, f"{name[:60]}: {error.detail}") from error


def _by_band(bands: Sequence[str | None], files: Sequence[bytes], told: str) -> dict[str, bytes]:
    if sorted(map(str, bands)) != sorted(BANDS):
        shown = ", ".join("not named" if band is None else band for band in bands)
        raise UsageError("wrong-band-order", f"{told} {shown}; each of u, g, r, i and z is needed once")
    return {str(band): data for band, data in zip(bands, files, strict=True)}
