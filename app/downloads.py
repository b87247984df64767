"""Downloads of a stored prediction, as bytes: spectra in every format, images, the plot. All block."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel

from app.http.links import Links
from app.schemas.documents import CandidateSpectrum, CutoutPixels, SampleSpectra, SpectrumDocument
from fiberless.arrays import FloatArray, significant
from fiberless.astro.bands import BANDS
from fiberless.contract import Prediction, Quantity
from fiberless.errors import UsageError
from fiberless.images.fits.read import cutout_pixels, write_cutout
from fiberless.products.fits import prediction_fits
from fiberless.products.picture import cutout_png
from fiberless.products.plot import prediction_png
from fiberless.products.spectrum import Frame, SpectrumProduct, spectrum_product
from fiberless.products.tables import spectrum_csv, spectrum_ecsv, spectrum_parquet
from fiberless.products.votable import spectrum_votable
from fiberless.service.storage import Store

__all__ = [
    "CUTOUT_OFFERS",
    "MEDIA_TYPES",
    "SPECTRUM_OFFERS",
    "CutoutFormat",
    "SpectrumFormat",
    "Wanted",
    "cutout_bytes",
    "extended_document",
    "preview_bytes",
    "spectrum_bytes",
]

SpectrumFormat: TypeAlias = Literal["json", "fits", "votable", "ecsv", "csv", "parquet"]
CutoutFormat: TypeAlias = Literal["fits", "png"]
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "json": "application/json",
        "fits": "application/fits",
        "votable": "application/x-votable+xml",
        "ecsv": "text/x-ecsv",
        "csv": "text/csv",
        "parquet": "application/vnd.apache.parquet",
        "png": "image/png",
    }
)
SPECTRUM_OFFERS: Final[Mapping[str, SpectrumFormat]] = MappingProxyType(
    {
        "application/json": "json",
        "application/fits": "fits",
        "image/fits": "fits",
        "application/x-votable+xml": "votable",
        "text/x-ecsv": "ecsv",
        "text/csv": "csv",
        "application/vnd.apache.parquet": "parquet",
    }
)
CUTOUT_OFFERS: Final[Mapping[str, CutoutFormat]] = MappingProxyType(
    {"application/fits": "fits", "image/fits": "fits", "image/png": "png"}
)


@dataclass(frozen=True)
class Wanted:
    """Which spectrum of a prediction, how."""

    kind: SpectrumFormat
    candidate: int | None = None
    frame: Frame = "observed"


def spectrum_bytes(store: Store, prediction_id: str, wanted: Wanted) -> bytes:
    """A spectrum of a prediction in a format.

    Raises
    ------
    UsageError
        `not-found` if there is no such prediction or candidate; `invalid-parameter` if it has no redshift
        to go to the rest frame by.

    """
    prediction = store.predictions.get(prediction_id)
    _check_candidate(prediction, wanted.candidate)
    if wanted.kind == "fits":
        arrays, image = store.predictions.arrays(prediction_id), store.predictions.cutout(prediction_id)
        return prediction_fits(prediction, arrays, image, candidate=wanted.candidate, frame=wanted.frame)
    arrays_of_candidate = None if wanted.candidate is None else store.predictions.arrays(prediction_id)
    product = spectrum_product(
        prediction, arrays_of_candidate, candidate=wanted.candidate, frame=wanted.frame
    )
    return _WRITERS[wanted.kind](product)


def cutout_bytes(store: Store, prediction_id: str, kind: CutoutFormat) -> bytes:
    """Image that a prediction was made from, as FITS or as a colour picture."""
    cutout = store.predictions.cutout(prediction_id)
    return write_cutout(cutout) if kind == "fits" else cutout_png(cutout)


def preview_bytes(store: Store, prediction_id: str) -> bytes:
    """Plot of a prediction as PNG."""
    return prediction_png(store.predictions.get(prediction_id), store.predictions.cutout(prediction_id))


def extended_document(store: Store, prediction_id: str, included: frozenset[str], links: Links) -> bytes:
    """Document of a prediction as it is stored, its links, and what is to be included at its end."""
    document = links.added_to(store.predictions.document(prediction_id), prediction_id)
    extras: dict[str, BaseModel] = {}
    if "samples" in included:
        extras["samples"] = _samples(store, prediction_id)
    if "cutout" in included:
        extras["cutout"] = _cutout_pixels(store, prediction_id)
    # The document's bytes go in as they are, so that the part that is always there never differs.
    tail = "".join(f',"{name}":{extra.model_dump_json()}' for name, extra in extras.items())
    return document.removesuffix(b"}") + tail.encode() + b"}" if extras else document


def _check_candidate(prediction: Prediction, index: int | None) -> None:
    if index is not None and index >= len(prediction.candidates):
        last = len(prediction.candidates) - 1
        raise UsageError("not-found", f"there is no candidate {index}; they are numbered 0 to {last}")


def _spectrum_json(product: SpectrumProduct) -> bytes:
    document = _shown_document(product) if product.candidate is None else _candidate_document(product)
    return document.model_dump_json().encode()


def _shown_document(product: SpectrumProduct) -> SpectrumDocument:
    prediction = product.prediction
    spectrum = prediction.spectrum
    if product.frame == "rest":
        listed = {name: _values(array) for name, array in product.columns.items() if name != "mask"}
        quantiles = tuple(listed[name] for name in ("flux_p16", "flux_p50", "flux_p84"))
        spectrum = spectrum.model_copy(
            update={
                "frame": "rest",
                "redshift": product.redshift,
                "wavelength": _wavelength(product),
                "flux": spectrum.flux.model_copy(update={"values": listed["flux"]}),
                "uncertainty": spectrum.uncertainty.model_copy(update={"values": listed["uncertainty"]}),
                "quantiles": spectrum.quantiles.model_copy(update={"values": quantiles}),
            }
        )
    return SpectrumDocument(prediction_id=prediction.id, object=prediction.object, spectrum=spectrum)


def _candidate_document(product: SpectrumProduct) -> CandidateSpectrum:
    prediction, index = product.prediction, product.candidate or 0
    candidate = prediction.candidates[index]
    return CandidateSpectrum(
        prediction_id=prediction.id,
        object=prediction.object,
        candidate=index,
        redshift=candidate.redshift,
        contrastive_score=candidate.contrastive_score,
        frame=product.frame,
        wavelength=_wavelength(product),
        flux=Quantity(unit=prediction.spectrum.flux.unit, values=_values(product.columns["flux"])),
    )


def _samples(store: Store, prediction_id: str) -> SampleSpectra:
    arrays, prediction = store.predictions.arrays(prediction_id), store.predictions.get(prediction_id)
    return SampleSpectra(
        unit=prediction.spectrum.flux.unit,
        redshift=[candidate.redshift for candidate in prediction.candidates],
        values=[_values(row) for row in arrays.candidate_flux],
    )


def _cutout_pixels(store: Store, prediction_id: str) -> CutoutPixels:
    cutout = store.predictions.cutout(prediction_id)
    planes = [[_values(row) for row in plane] for plane in cutout_pixels(cutout)]
    bands, height, width = cutout.flux_nmgy.shape
    return CutoutPixels(
        unit="nanomaggy",
        source=cutout.source,
        bands=BANDS,
        shape=(bands, height, width),
        pixel_scale_arcsec=cutout.pixel_scale_arcsec,
        ra=cutout.ra,
        dec=cutout.dec,
        ebv=cutout.ebv,
        notes=cutout.notes,
        values=planes,
    )


def _wavelength(product: SpectrumProduct) -> Quantity:
    wave_aa = np.round(product.columns["wavelength"], 4).tolist()
    return Quantity(unit=product.prediction.spectrum.wavelength.unit, values=wave_aa)


def _values(array: FloatArray) -> list[float | None]:
    """Six significant digits; null for NaN."""
    rounded = significant(array)
    values = rounded.astype(object)
    values[np.isnan(rounded)] = None
    listed: list[float | None] = values.tolist()
    return listed


_WRITERS: Final[Mapping[str, Callable[[SpectrumProduct], bytes]]] = MappingProxyType(
    {
        "json": _spectrum_json,
        "votable": spectrum_votable,
        "ecsv": spectrum_ecsv,
        "csv": spectrum_csv,
        "parquet": spectrum_parquet,
    }
)
