"""FITS files of galaxies known beforehand, for the tests to spoil."""

from io import BytesIO
from typing import Any

import numpy as np
from astropy.io import fits


class FitsMaker:
    """Writes FITS files with astropy, and changes their bytes where astropy would refuse."""

    bands = ("u", "g", "r", "i", "z")

    def galaxy(self, side: int = 64, *, bands: int = 5, seed: int = 1) -> np.ndarray:
        """(bands, side, side) float32: a round galaxy of σ 3 px on noise of 0.02 nmgy; 20, 40, … nmgy."""
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        shape = np.exp(-(x**2 + y**2) / 18) / (18 * np.pi)
        noise = np.random.default_rng(seed).normal(0, 0.02, (bands, side, side))
        return (shape * 20 * np.arange(1, bands + 1)[:, None, None] + noise).astype(np.float32)

    def wcs(self, side: int = 64, *, scale_arcsec: float = 0.396) -> dict[str, Any]:
        """Cards of a north-up gnomonic image centred on (180, 30)."""
        step = scale_arcsec / 3600
        centre = (side + 1) / 2
        kinds = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
        reference = {"CRVAL1": 180.0, "CRVAL2": 30.0, "CRPIX1": centre, "CRPIX2": centre}
        return {**kinds, **reference, "CD1_1": -step, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": step}

    def file(self, *hdus: Any) -> bytes:
        """Bytes of a list of HDUs."""
        stream = BytesIO()
        fits.HDUList(list(hdus)).writeto(stream)
        return stream.getvalue()

    def cube(self, pixels: np.ndarray | None = None, **cards: Any) -> bytes:
        """File with one cube in the primary HDU."""
        given = {"BUNIT": "nanomaggy"} | cards
        header = fits.Header({key: value for key, value in given.items() if value is not None})
        return self.file(fits.PrimaryHDU(self.galaxy() if pixels is None else pixels, header=header))

    def images(self, names: str | tuple[str, ...], pixels: np.ndarray | None = None) -> bytes:
        """File with one image HDU a name."""
        data = self.galaxy(bands=len(names)) if pixels is None else pixels
        hdus = [fits.ImageHDU(plane, name=name) for name, plane in zip(names, data, strict=True)]
        return self.file(fits.PrimaryHDU(), *hdus)

    def patch(self, data: bytes, keyword: str, card: str) -> bytes:
        """Replace the first card of a keyword by another text of at most 80 characters."""
        start = data.index(keyword.ljust(8).encode())
        return data[:start] + card.ljust(80).encode() + data[start + 80 :]

    def value(self, data: bytes, keyword: str, value: str) -> bytes:
        """Replace the value of the first card of a keyword."""
        return self.patch(data, keyword, f"{keyword:<8}= {value:>20}")
