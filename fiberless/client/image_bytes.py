"""FITS bytes of an image in any form that astronomers hold one."""

import io
from os import PathLike
from pathlib import Path
from typing import Any

from fiberless.errors import UsageError
from fiberless.images.cutout import Cutout

__all__ = ["image_bytes"]

_KNOWN = "a path, bytes, a Cutout, an array (5, H, W) in nanomaggies, an HDUList or HDU, a CCDData"


def image_bytes(source: Any) -> bytes:
    """FITS file of an image.

    Raises
    ------
    UsageError
        `fits-empty` if there is no such file or it cannot be read; `invalid-parameter` if it is no image.

    """
    match source:
        case bytes() | bytearray() | memoryview():
            return bytes(source)
        case Cutout():
            from fiberless.images.fits.read import write_cutout  # noqa: PLC0415  # astropy is for this case only

            return write_cutout(source)
        case str() | PathLike():
            return _file_bytes(Path(source))
        case _ if hasattr(source, "writeto"):  # HDUList, or one HDU
            return _written(source)
        case _ if hasattr(source, "to_hdu"):  # CCDData
            return _written(source.to_hdu())
        case _ if hasattr(source, "dtype") and hasattr(source, "ndim"):
            return _array_bytes(source)
    raise UsageError("invalid-parameter", f"an image is {_KNOWN}; not {type(source).__name__}")


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError("fits-empty", f"{path} cannot be read: {error.strerror or error}") from error


def _written(hdus: Any) -> bytes:
    stream = io.BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()


def _array_bytes(array: Any) -> bytes:
    """FITS file of an array; a Quantity keeps its unit as BUNIT."""
    import numpy as np  # noqa: PLC0415  # as above
    from astropy.io import fits  # noqa: PLC0415  # as above

    values = np.asarray(getattr(array, "value", array))
    if values.ndim != 3 or values.dtype.kind not in "fiu":
        words = f"an array must be (5, H, W) of numbers, not {values.shape} of {values.dtype}"
        raise UsageError("fits-shape", words)
    hdu = fits.PrimaryHDU(values)
    if getattr(array, "unit", None) is not None:
        hdu.header["BUNIT"] = str(array.unit)
    return _written(hdu)
