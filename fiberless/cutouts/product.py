"""A prediction as one FITS file: spectrum, candidates, properties, samples, image, provenance.

The first table opens as a spectrum in specutils, TOPCAT and DS9. Imports numpy, astropy and the contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.table import Table
from pydantic import BaseModel

from fiberless.arrays import FloatArray
from fiberless.contract import Prediction, PredictionArrays
from fiberless.cutout import Cutout
from fiberless.cutouts.fits import cutout_header, cutout_pixels
from fiberless.errors import UsageError
from fiberless.properties import Classification, Measurement

__all__ = ["prediction_fits"]

_FLUX_UNIT: Final = "10**-17 Angstrom-1 cm-2 erg s-1"
_IVAR_UNIT: Final = "10**34 Angstrom2 cm4 erg-2 s2"


def prediction_fits(
    prediction: Prediction, arrays: PredictionArrays, cutout: Cutout, *, candidate: int | None = None
) -> bytes:
    """FITS file of a prediction; the same prediction always gives the same bytes.

    PRIMARY, then SPECTRUM (columns wavelength, flux, uncertainty, mask, ivar, flux_p16, flux_p50, flux_p84
    in this order: readers take the first other column in flux units as the standard deviation), CANDIDATES,
    PROPERTIES, SAMPLES, CUTOUT and PROVENANCE, each with checksums.

    Parameters
    ----------
    prediction : the document
    arrays : the candidates' spectra, in the order of `prediction.candidates`
    cutout : the image that it was made from
    candidate : place in `prediction.candidates`, from 0, of the spectrum to put into `flux`; as one draw
        it has no uncertainty (NaN, ivar 0); the quantiles stay the prediction's. None: the one shown.

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no such candidate.

    """
    count = len(prediction.candidates)
    if candidate is not None and not 0 <= candidate < count:
        raise UsageError("invalid-parameter", f"candidate = {candidate}; there are 0…{count - 1}")
    flux = None if candidate is None else arrays.candidate_flux[candidate]
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(header=_primary_header(prediction, cutout, candidate)),
            _spectrum(prediction, flux),
            _candidates(prediction),
            _properties(prediction),
            _samples(prediction, arrays),
            fits.ImageHDU(cutout_pixels(cutout), header=cutout_header(cutout), name="CUTOUT"),
            _provenance(prediction),
        ]
    )
    return _with_checksums(hdus)


def _primary_header(prediction: Prediction, cutout: Cutout, candidate: int | None) -> fits.Header:
    provenance = prediction.provenance
    ra, dec = prediction.object.ra, prediction.object.dec
    cards: list[tuple[str, Any, str]] = [
        ("OBJECT", prediction.object.object_id or prediction.id, "caller's name, else our id"),
        *([("RA", ra, "[deg] ICRS")] if ra is not None else []),
        *([("DEC", dec, "[deg] ICRS")] if dec is not None else []),
        ("RADESYS", "ICRS", ""),
        ("ORIGIN", f"{provenance.service.name} {provenance.service.version}", ""),
        ("DATE", prediction.created.strftime("%Y-%m-%dT%H:%M:%S"), "when it was predicted"),
        ("PREDICT", True, "predicted from an image, never observed"),
        ("PREDID", prediction.id, ""),
        ("MODELVER", provenance.model.version, "model version"),
        ("WGTSHA", provenance.model.weights_sha256, ""),
        ("CUTSRC", cutout.source, "where the image comes from"),
        ("EBV", provenance.cutout.ebv, "[mag] Galactic E(B-V) that all is corrected for"),
        ("SEED", provenance.sampler.seed, "seed of the sampler"),
        ("NSAMP", provenance.sampler.n_candidates, "candidates drawn"),
        ("SPECSYS", "BARYCENT", "observed frame of the Solar System"),
        ("AIRORVAC", "vac", "vacuum wavelengths"),
    ]
    if candidate is not None:
        cards.append(("CANDIDAT", candidate, "HDU SPECTRUM shows this candidate"))
    header = fits.Header(_ascii(cards))
    for warning in prediction.warnings:
        header.add_history(f"warning {warning.code}: {warning.detail}".encode("ascii", "replace").decode())
    return header


def _ascii(cards: Sequence[tuple[str, Any, str]]) -> list[tuple[str, Any, str]]:
    return [
        (key, value.encode("ascii", "replace").decode() if isinstance(value, str) else value, comment)
        for key, value, comment in cards
    ]


def _spectrum(prediction: Prediction, flux: FloatArray | None) -> fits.BinTableHDU:
    spectrum = prediction.spectrum
    shown = _numbers(spectrum.flux.values) if flux is None else np.asarray(flux, dtype=np.float64)
    uncertainty = _numbers(spectrum.uncertainty.values) if flux is None else np.full(shown.shape, np.nan)
    with np.errstate(divide="ignore"):
        ivar = np.where(np.isfinite(uncertainty) & (uncertainty > 0), uncertainty**-2.0, 0.0)
    mask = np.array(spectrum.mask) if flux is None else ~np.isfinite(shown)
    low, middle, high = (_numbers(values).astype("f4") for values in spectrum.quantiles.values)
    columns = [
        ("wavelength", "D", "Angstrom", _numbers(spectrum.wavelength.values)),
        ("flux", "E", _FLUX_UNIT, shown.astype("f4")),
        ("uncertainty", "E", _FLUX_UNIT, uncertainty.astype("f4")),
        ("mask", "L", None, mask),
        ("ivar", "E", _IVAR_UNIT, ivar.astype("f4")),
        ("flux_p16", "E", _FLUX_UNIT, low),
        ("flux_p50", "E", _FLUX_UNIT, middle),
        ("flux_p84", "E", _FLUX_UNIT, high),
    ]
    built = [fits.Column(name, form, unit, array=array) for name, form, unit, array in columns]
    return fits.BinTableHDU.from_columns(built, name="SPECTRUM")


def _candidates(prediction: Prediction) -> fits.BinTableHDU:
    rows = prediction.candidates
    columns = [
        fits.Column("candidate", "J", array=np.arange(len(rows))),
        fits.Column("rank", "J", array=[row.rank for row in rows]),
        fits.Column("contrastive_score", "D", array=[row.contrastive_score for row in rows]),
        fits.Column("redshift", "D", array=[row.redshift for row in rows]),
    ]
    return fits.BinTableHDU.from_columns(columns, name="CANDIDATES")


def _properties(prediction: Prediction) -> fits.BinTableHDU:
    rows = [_property_row(name, found) for name, found in _measured(prediction.properties, "")]
    columns = ["name", "value", "lower", "upper", "level", "unit", "class", "flag", "method"]
    return _table_hdu(columns, rows, name="PROPERTIES")


def _measured(node: object, name: str) -> Iterator[tuple[str, Measurement | Classification]]:
    """All measurements of a tree of models and dictionaries, with their dotted names."""
    match node:
        case Measurement() | Classification():
            yield name, node
        case BaseModel():
            for field in type(node).model_fields:
                yield from _measured(getattr(node, field), f"{name}.{field}".lstrip("."))
        case Mapping():
            for key, child in node.items():
                yield from _measured(child, f"{name}.{key}".lstrip("."))
        case _:
            return


def _property_row(name: str, found: Measurement | Classification) -> tuple[object, ...]:
    match found:
        case Measurement():
            value, lower, upper = (
                np.nan if v is None else v for v in (found.value, found.lower, found.upper)
            )
            return (name, value, lower, upper, found.level, found.unit, "", found.flag.value, found.method)
        case Classification():
            share = found.probabilities.get(found.value or "", np.nan)
            chosen = found.value or ""
            return (name, share, np.nan, np.nan, np.nan, "", chosen, found.flag.value, found.method)


def _samples(prediction: Prediction, arrays: PredictionArrays) -> fits.BinTableHDU:
    flux = np.asarray(arrays.candidate_flux, dtype=np.float32)
    columns = [
        fits.Column("rank", "J", array=[row.rank for row in prediction.candidates]),
        fits.Column("redshift", "E", array=np.asarray(arrays.candidate_redshift, dtype=np.float32)),
        fits.Column("flux", f"{flux.shape[1]}E", _FLUX_UNIT, array=flux),
    ]
    return fits.BinTableHDU.from_columns(columns, name="SAMPLES")


def _provenance(prediction: Prediction) -> fits.BinTableHDU:
    rows = list(_leaves(prediction.provenance.model_dump(mode="json"), ""))
    rows += [(f"warning.{warning.code}", warning.detail) for warning in prediction.warnings]
    return _table_hdu(["key", "value"], rows, name="PROVENANCE")


def _leaves(node: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _leaves(child, f"{name}.{key}".lstrip("."))
    else:
        text = ",".join(map(str, node)) if isinstance(node, list | tuple) else str(node)
        yield name, text


def _table_hdu(columns: list[str], rows: Sequence[tuple[object, ...]], *, name: str) -> fits.BinTableHDU:
    clean = [
        tuple(cell.encode("ascii", "replace").decode() if isinstance(cell, str) else cell for cell in row)
        for row in rows
    ]
    return fits.table_to_hdu(Table(rows=clean, names=columns), name=name)


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _with_checksums(hdus: fits.HDUList) -> bytes:
    """Bytes with checksums whose comments carry no time."""
    for hdu in hdus:
        hdu.add_checksum(when="of this HDU")
    stream = BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()
