"""`Cutout`: a five-band image of one galaxy in nanomaggies, centred on it."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.errors import UsageError

__all__ = ["CUTOUT_PIXELS", "Cutout", "TangentWcs"]

CUTOUT_PIXELS: Final = 64


@dataclass(frozen=True)
class TangentWcs:
    """World coordinates of an image: the gnomonic (TAN) projection, ICRS, in FITS conventions.

    Parameters
    ----------
    crval_deg : (ra, dec) of the reference point
    crpix : (x, y) of the reference point, the centre of the first pixel being 1
    cd_deg : (CD1_1, CD1_2, CD2_1, CD2_2), degrees per pixel

    """

    crval_deg: tuple[float, float]
    crpix: tuple[float, float]
    cd_deg: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Cutout:
    """Image of one galaxy in u, g, r, i, z.

    Parameters
    ----------
    flux_nmgy : (5, H, W) float32
        Sky-subtracted flux per pixel in nanomaggies; row 0 is the bottom of the image. Masked pixels are 0
        or an estimate from their neighbours.
    mask : (5, H, W) bool or None
        True where a pixel is invalid; None if all are valid.
    ra, dec : float or None
        ICRS position of the central object in degrees.
    ebv : float or None
        E(B−V) of the Galactic extinction that the image still has, in mag; 0 if it was corrected for it.
    source : str
        Where the image comes from: `upload`, `sdss`, `hips`, `archive`, `mock`.
    notes : tuple of str
        What was done to it on the way in (padded, reordered, …), shown to the caller as warnings.
    wcs : TangentWcs or None
        Where the pixels lie on the sky, if that is known.

    Raises
    ------
    UsageError
        `fits-shape` if the array is not (5, H, W), `no-valid-pixels` or `flux-out-of-range` if a value is
        not finite.

    Examples
    --------
    >>> import fiberless
    >>> import numpy as np
    >>> cutout = fiberless.Cutout(np.zeros((5, 64, 64)), ra=38.35502, dec=-0.15570, ebv=0.0)
    >>> cutout.flux_nmgy.shape, cutout.pixel_scale_arcsec
    ((5, 64, 64), 0.396)

    """

    flux_nmgy: FloatArray
    ra: float | None = None
    dec: float | None = None
    ebv: float | None = None
    source: str = "upload"
    notes: tuple[str, ...] = ()
    mask: BoolArray | None = field(default=None, repr=False)
    pixel_scale_arcsec: float = PIXEL_SCALE_ARCSEC
    wcs: TangentWcs | None = None

    def __post_init__(self) -> None:
        flux = np.ascontiguousarray(self.flux_nmgy, dtype=np.float32)
        if flux.ndim != 3 or flux.shape[0] != N_BANDS:
            raise UsageError("fits-shape", f"a cutout has the shape (5, H, W); this one has {flux.shape}")
        if not np.isfinite(flux).all():
            raise UsageError("flux-out-of-range", "a cutout's pixels must be finite; mask the others")
        flux.setflags(write=False)
        object.__setattr__(self, "flux_nmgy", flux)

    @property
    def sha256(self) -> str:
        """Hash of shape, pixels and mask: what the prediction depends on, besides model, options and seed."""
        digest = hashlib.sha256(repr(self.flux_nmgy.shape).encode())
        digest.update(self.flux_nmgy.astype("<f4").tobytes())
        if self.mask is not None:
            digest.update(np.packbits(self.mask).tobytes())
        return digest.hexdigest()
