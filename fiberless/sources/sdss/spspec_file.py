"""The survey's first spectrum files, spSpec of DR1 to DR7: one image of rows, wavelengths by two cards."""

from typing import Final

import numpy as np
from astropy.io import fits

from fiberless.sources.sdss.spec_file import BRIGHT_SKY, PipelineValues, SdssSpectrum

__all__ = ["is_spspec", "read_spspec"]

_NO_DATA: Final = 1 << 24
_FLUX, _ERROR, _MASK = 0, 2, 3
_CLASSES: Final = ("UNKNOWN", "STAR", "GALAXY", "QSO", "QSO", "SKY", "STAR", "GALAXY")
"""Of the card SPEC_CLN."""


def is_spspec(hdus: fits.HDUList) -> bool:
    """Whether the first image is that of an spSpec file."""
    header = hdus[0].header
    cards = {"COEFF0", "COEFF1"} <= set(header)
    is_survey = "SDSS" in str(header.get("TELESCOP", "")) or "SPEC_CLN" in header or "PLATEID" in header
    return cards and is_survey and header.get("NAXIS", 0) == 2 and header["NAXIS2"] in (4, 5, 6)


def read_spspec(hdus: fits.HDUList) -> SdssSpectrum:
    """Read an spSpec file.

    Rows are flux, flux less its continuum, error, mask; pixel i, from 0, is at 10**(COEFF0 + COEFF1 i) Å in
    vacuum (the survey's read_spSpec). Of the mask only BRIGHTSKY and NODATA take pixels out, as in the later
    files: other bits mark, among others, pixels with an emission line in them.
    """
    header, rows = hdus[0].header.copy(), np.asarray(hdus[0].data, dtype=np.float64)
    error, mask = rows[_ERROR], np.nan_to_num(rows[_MASK]).astype(np.int64)
    usable = np.isfinite(error) & (error > 0) & (mask & _NO_DATA == 0)
    ivar = np.divide(1.0, error**2, out=np.zeros_like(error), where=usable)
    step = np.arange(rows.shape[1], dtype=np.float64)
    return SdssSpectrum(
        wave_aa=10 ** (float(header["COEFF0"]) + float(header["COEFF1"]) * step),
        flux=rows[_FLUX],
        ivar=ivar,
        and_mask=mask & BRIGHT_SKY,
        header=header,
        pipeline=_pipeline(header),
    )


def _pipeline(header: fits.Header) -> PipelineValues | None:
    if "Z" not in header or "SPEC_CLN" not in header:
        return None
    kind = int(header["SPEC_CLN"])
    return PipelineValues(
        kind=_CLASSES[kind] if 0 <= kind < len(_CLASSES) else "UNKNOWN",
        redshift=float(header["Z"]),
        warning=int(header.get("Z_WARNIN", 0)),
        sigma_kms=float(header.get("VEL_DIS", 0.0)),
        sigma_error_kms=float(header.get("VEL_DISE", 0.0)),
        synthetic_nmgy=(),
        lines={},
    )
