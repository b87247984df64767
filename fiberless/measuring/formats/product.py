"""Our own products, read back as what they are: predicted spectra, in every format."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from astropy.io import fits

from fiberless.analysis.spectrum import Spectrum
from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.formats.columns import TableColumn
from fiberless.measuring.formats.spectrum_file import CandidateSpectra, SpectrumFile
from fiberless.measuring.formats.table import spectrum_of_columns

__all__ = ["is_product", "is_product_columns", "product_of_columns", "product_of_fits"]

_KIND: Final = "predicted"
_LONE: Final = "one spectrum without the prediction's other candidates: no intervals; its FITS file has them"


def is_product(facts: Mapping[str, Any]) -> bool:
    """Whether the facts of a table, or the cards of a primary header, say that it is predicted."""
    return bool(facts.get("PREDICT", False)) or str(facts.get("kind", "")).startswith(_KIND)


def is_product_columns(columns: list[TableColumn]) -> bool:
    """Whether the names of columns say it, as those of our CSV do."""
    names = {column.name for column in columns}
    return "predicted_flux" in names and bool({"observed_wavelength", "rest_wavelength"} & names)


def product_of_fits(name: str, hdus: fits.HDUList) -> SpectrumFile:
    """All candidates of a prediction, on their own wavelengths, and σ* where the file has it.

    Raises
    ------
    UsageError
        `not-a-spectrum` if the table of samples is missing.

    """
    if "SAMPLES" not in hdus:
        raise UsageError("not-a-spectrum", f"{name} is predicted, but its table SAMPLES is missing")
    samples = hdus["SAMPLES"].data
    flux = np.atleast_2d(samples["flux"].astype(np.float64))
    wave_aa = _sample_axis(name, hdus, flux.shape[1])
    shown = np.median(flux, axis=0)
    spectrum = Spectrum(wave_aa, shown, mask=~np.isfinite(shown), kind="predicted")
    candidates = CandidateSpectra(flux, samples["redshift"].astype(np.float64), _sigma_star(hdus, len(flux)))
    return SpectrumFile(name, spectrum, candidates)


def product_of_columns(name: str, columns: list[TableColumn], facts: Mapping[str, Any]) -> SpectrumFile:
    """One predicted spectrum from a table: ECSV, VOTable, Parquet or CSV.

    Parameters
    ----------
    name : of the file
    columns : wavelength, flux and more
    facts : of the table; empty for CSV, which has none

    Raises
    ------
    UsageError
        `not-a-spectrum` if it is in the rest frame and does not say of what redshift.

    """
    named = [_plain(column) for column in columns]
    is_rest = facts.get("frame") == "rest" or any(column.name.startswith("rest_") for column in columns)
    redshift = facts.get("redshift")
    if is_rest and redshift is None:
        detail = f"{name} is predicted, in the rest frame, and does not give its redshift: take FITS or ECSV"
        raise UsageError("not-a-spectrum", detail)
    z = float("nan") if redshift is None else float(redshift)
    found = spectrum_of_columns(
        name, [column for column in named if column is not None], cards={"medium": "vacuum"}
    )
    stretch = 1 + z if is_rest else 1.0
    wave_aa, flux = found.wave_aa * stretch, found.flux / stretch
    spectrum = Spectrum(wave_aa, flux, mask=~np.isfinite(flux), kind="predicted")
    return SpectrumFile(name, spectrum, CandidateSpectra(flux[None], np.array([z])), notes=(_LONE,))


def _plain(column: TableColumn) -> TableColumn | None:
    """A column under the name that readers know; None for what candidates' spread is in."""
    title = column.name.removeprefix("predicted_").removeprefix("observed_").removeprefix("rest_")
    if title not in {"wavelength", "flux", "mask"}:
        return None
    return TableColumn(title, column.values, column.unit)


def _sample_axis(name: str, hdus: fits.HDUList, size: int) -> FloatArray:
    """Observed wavelengths of the samples: SPECTRUM alone may be in the rest frame."""
    header = hdus["SAMPLES"].header
    if "1CRVL3" in header:
        steps = np.arange(1, size + 1) - float(header.get("1CRPX3", 1.0))
        return float(header["1CRVL3"]) + float(header["1CDLT3"]) * steps
    if "SPECTRUM" not in hdus or hdus[0].header.get("SPECSYS") == "SOURCE":
        raise UsageError(
            "not-a-spectrum", f"{name} is predicted, but the wavelengths of its samples are missing"
        )
    wave_aa: FloatArray = hdus["SPECTRUM"].data["wavelength"].astype(np.float64)
    return wave_aa


def _sigma_star(hdus: fits.HDUList, count: int) -> FloatArray | None:
    """Dispersion of the stars (K,): the samples' own, else the prediction's median for all."""
    samples = hdus["SAMPLES"]
    if "velocity_dispersion" in samples.columns.names:
        return np.asarray(samples.data["velocity_dispersion"], dtype=np.float64)
    if "PROPERTIES" not in hdus:
        return None
    table = hdus["PROPERTIES"].data
    rows = table[np.char.strip(np.asarray(table["name"], dtype=str)) == "velocity_dispersion"]
    if not len(rows) or not np.isfinite(rows["value"][0]):
        return None
    return np.full(count, float(rows["value"][0]))
