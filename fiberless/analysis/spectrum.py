"""`Spectrum`: wavelength, flux and what is known of their errors, of observed and predicted ones alike."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.errors import UsageError

__all__ = ["Spectrum"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A spectrum in vacuum wavelengths.

    Parameters
    ----------
    wave_aa : (L,) float64
        Ascending vacuum wavelengths in Å, in `frame`.
    flux : (L,) float
        F_λ in 1e-17 erg / (s cm2 Å).
    uncertainty : (L,) float or None
        Standard deviation of `flux`, same unit.
    mask : (L,) bool or None
        True where a pixel is not to be used.
    frame : {"observed", "rest"}
    kind : {"predicted", "observed"}
        Whether light was ever measured.

    Raises
    ------
    UsageError
        `fits-shape` if lengths differ or wavelengths do not ascend.

    Examples
    --------
    >>> import fiberless
    >>> import numpy as np
    >>> wave_aa = np.arange(4000.0, 8500.0)
    >>> spectrum = fiberless.Spectrum(wave_aa, flux=np.ones(4500), uncertainty=np.full(4500, 0.1))
    >>> spectrum.frame, spectrum.kind
    ('observed', 'observed')

    """

    wave_aa: FloatArray
    flux: FloatArray
    uncertainty: FloatArray | None = None
    mask: BoolArray | None = field(default=None, repr=False)
    frame: Literal["observed", "rest"] = "observed"
    kind: Literal["predicted", "observed"] = "observed"

    def __post_init__(self) -> None:
        shapes = {
            np.shape(a) for a in (self.wave_aa, self.flux, self.uncertainty, self.mask) if a is not None
        }
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise UsageError(
                "fits-shape", f"wavelength, flux and errors must have one shape (L,), got {shapes}"
            )
        if not np.all(np.diff(self.wave_aa) > 0):
            raise UsageError("fits-shape", "wavelengths must ascend")
