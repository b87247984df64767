"""A cutout as a colour picture, PNG. Needs Pillow, which comes with matplotlib (extra `plot`)."""

from io import BytesIO
from typing import Final

import numpy as np

from fiberless.errors import FatalError
from fiberless.images.cutout import Cutout
from fiberless.products.plot import lupton_rgb

__all__ = ["cutout_png"]

_ENLARGED: Final = 4


def cutout_png(cutout: Cutout) -> bytes:
    """PNG of the i, r, g planes by Lupton et al. (2004), each pixel drawn 4×4, row 0 at the bottom.

    Raises
    ------
    FatalError
        `internal-error` if Pillow is not installed.

    """
    try:
        from PIL import Image, PngImagePlugin  # noqa: PLC0415  # optional
    except ImportError as error:
        raise FatalError("internal-error", "pictures need Pillow: pip install 'fiberless[plot]'") from error
    pixels = np.flipud(lupton_rgb(cutout)).repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", f"Input image, i r g ({cutout.source})")
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", pnginfo=words)
    return stream.getvalue()
