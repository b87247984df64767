"""`HipsSource`: cutouts from the five HiPS of SDSS DR9 at the CDS, by its service hips2fits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from fiberless.astro.bands import BANDS, N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.contract import Target
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout
from fiberless.images.fits.read import read_band_files
from fiberless.images.fits.units import MISSING_UNIT_NOTE
from fiberless.images.fits.wcs import rounded_position
from fiberless.sources.download import SurveyClient

__all__ = ["RESAMPLED_NOTE", "HipsSource"]

RESAMPLED_NOTE: Final = "hips-resampled: pixels interpolated, noise correlated"
_MAX_BYTES: Final = 2**20
_OFF_THE_MAP: Final = frozenset({"no-valid-pixels", "invalid-pixels", "empty-band"})


@dataclass(frozen=True)
class HipsSource:
    """Images whose pixels were interpolated twice: on the way into the HiPS, and out of it.

    The HiPS hold nanomaggies per pixel of the survey's frames; asked for the frames' own pixel scale,
    interpolation keeps that unit.

    Parameters
    ----------
    client : may ask the host of `url`
    url : of hips2fits
    locate : (ra, dec) of a named object

    """

    client: SurveyClient
    url: str
    locate: Callable[[str], tuple[float, float]]

    def fetch(self, target: Target) -> Cutout:
        """Cutout of 64×64 px, north up.

        Raises
        ------
        UsageError
            `outside-footprint` if the HiPS do not show the position, or hardly; what `locate` raises.
        TransientError
            `source-unavailable` if the service does not answer, or with something else than images.
        FatalError
            `source-unavailable` if it refuses.

        """
        ra, dec = target.position or self.locate(str(target.object_id))
        with ThreadPoolExecutor(N_BANDS) as pool:
            images = list(pool.map(lambda band: self._image(band, ra, dec), BANDS))
        cutout = _read(dict(zip(BANDS, images, strict=True)), ra, dec)
        others = tuple(note for note in cutout.notes if note != MISSING_UNIT_NOTE)
        at_ra, at_dec = rounded_position(ra, dec)
        return replace(cutout, ra=at_ra, dec=at_dec, source="hips", notes=(RESAMPLED_NOTE, *others))

    def _image(self, band: str, ra: float, dec: float) -> bytes:
        query = {
            "hips": f"CDS/P/SDSS9/{band}",
            "width": str(CUTOUT_PIXELS),
            "height": str(CUTOUT_PIXELS),
            "fov": f"{CUTOUT_PIXELS * PIXEL_SCALE_ARCSEC / 3600:.9f}",
            "projection": "TAN",
            "coordsys": "icrs",
            "ra": f"{ra:.9f}",
            "dec": f"{dec:.9f}",
            "format": "fits",
        }
        image = self.client.read(self.url, max_bytes=_MAX_BYTES, query=query)
        if image is None:
            raise FatalError("source-unavailable", f"the HiPS service knows no {query['hips']}")
        return image


def _read(images: dict[str, bytes], ra: float, dec: float) -> Cutout:
    try:
        return read_band_files(images)
    except UsageError as error:
        if error.slug in _OFF_THE_MAP:
            raise UsageError(
                "outside-footprint", f"the HiPS do not show ra = {ra:.5f}, dec = {dec:.5f}: {error.detail}"
            ) from error
        raise TransientError("source-unavailable", f"the HiPS service sent no images: {error}") from error
