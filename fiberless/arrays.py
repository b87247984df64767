"""Array types of the project. Shapes are written in docstrings in the letters of the architecture page.

B galaxies, K candidates, C bands, H×W pixels, L wavelengths, D latent size.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "ComplexArray", "FloatArray", "IntArray", "significant"]

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
ComplexArray: TypeAlias = npt.NDArray[np.complexfloating[Any, Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


def significant(values: FloatArray, digits: int = 6) -> FloatArray:
    """Round to a number of significant decimal digits.

    Parameters
    ----------
    values : array of float, any shape
        Finite or not; NaN and infinities pass through.
    digits : int
        Significant digits kept.

    Returns
    -------
    array of float64, same shape

    """
    values = np.asarray(values, dtype=np.float64)
    magnitude = np.abs(np.where(np.isfinite(values) & (values != 0), values, 1.0))
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(magnitude)))
    rounded: FloatArray = np.round(values * scale) / scale
    return rounded
