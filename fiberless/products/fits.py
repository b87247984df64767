"""A prediction as one FITS file: spectrum, candidates, properties, samples, image, provenance.

The first table opens as a spectrum in specutils, TOPCAT and DS9.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.table import Table

from fiberless.contract import Prediction, PredictionArrays
from fiberless.contract.properties import FLUX_UNIT, Classification, Measurement
from fiberless.images.cutout import Cutout
from fiberless.images.fits.read import cutout_header, cutout_pixels
from fiberless.products.columns import IVAR_UNIT, SPECTRUM_COLUMNS, measured
from fiberless.products.spectrum import Frame, SpectrumProduct, spectrum_product

__all__ = ["prediction_fits"]

_UNITS: Final = {
    FLUX_UNIT: "10**-17 Angstrom-1 cm-2 erg s-1",
    IVAR_UNIT: "10**34 Angstrom2 cm4 erg-2 s2",
}
"""Units in FITS notation, where they are written otherwise."""
_FORMATS: Final = {"float64": "D", "float32": "E", "bool": "L"}


def prediction_fits(
    prediction: Prediction,
    arrays: PredictionArrays,
    cutout: Cutout,
    *,
    candidate: int | None = None,
    frame: Frame = "observed",
) -> bytes:
    """FITS file of a prediction; the same prediction always gives the same bytes.

    PRIMARY, then SPECTRUM (columns wavelength, flux, uncertainty, mask, ivar, flux_p16, flux_p50, flux_p84
    in this order: readers take the first other column in flux units as the standard deviation), CANDIDATES,
    PROPERTIES, SAMPLES, CUTOUT and PROVENANCE, each with checksums. Only SPECTRUM follows `frame`; the
    samples stay in the observed frame, as their own cards say.

    Parameters
    ----------
    prediction : the document
    arrays : the candidates' spectra, in the order of `prediction.candidates`
    cutout : the image that it was made from
    candidate, frame : as for `spectrum_product`

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no such candidate, or no redshift to go to the rest frame by.

    """
    product = spectrum_product(prediction, arrays, candidate=candidate, frame=frame)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(header=_primary_header(product, cutout)),
            _spectrum(product),
            _candidates(prediction),
            _properties(prediction),
            _samples(prediction, arrays),
            fits.ImageHDU(cutout_pixels(cutout), header=cutout_header(cutout), name="CUTOUT"),
            _provenance(prediction),
        ]
    )
    return _with_checksums(hdus)


def _primary_header(product: SpectrumProduct, cutout: Cutout) -> fits.Header:
    prediction, provenance = product.prediction, product.prediction.provenance
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
        *_redshift_cards(prediction),
        *_frame_cards(product),
        ("AIRORVAC", "vac", "vacuum wavelengths"),
    ]
    if product.candidate is not None:
        cards.append(("CANDIDAT", product.candidate, "HDU SPECTRUM shows this candidate"))
    header = fits.Header(_ascii(cards))
    for warning in prediction.warnings:
        header.add_history(f"warning {warning.code}: {warning.detail}".encode("ascii", "replace").decode())
    return header


def _redshift_cards(prediction: Prediction) -> list[tuple[str, Any, str]]:
    """The answer with its interval, and the redshift at which the shown candidate happens to lie."""
    found, shown = prediction.properties.redshift, prediction.spectrum.redshift
    cards = [
        ("Z_MED", found.value, "redshift: median of the candidates"),
        ("Z_LO", found.lower, f"lower end of its {found.level:.0%} interval"),
        ("Z_HI", found.upper, f"upper end of its {found.level:.0%} interval"),
        ("Z_SHOWN", shown, "redshift of the shown candidate"),
    ]
    return [card for card in cards if card[1] is not None]


def _frame_cards(product: SpectrumProduct) -> list[tuple[str, Any, str]]:
    """Frame of HDU SPECTRUM, in the words of FITS paper III (Greisen et al. 2006, A&A 446, 747)."""
    if product.frame == "rest":
        cards: list[tuple[str, Any, str]] = [
            ("SPECSYS", "SOURCE", "rest frame of the galaxy; flux times 1+z"),
            ("ZSOURCE", product.redshift, "redshift by which it was shifted"),
            ("SSYSSRC", "BARYCENT", "frame in which ZSOURCE holds"),
        ]
        return cards
    redshift = product.redshift
    known = [] if redshift is None else [("REDSHIFT", redshift, "of the spectrum shown, predicted")]
    return [("SPECSYS", "BARYCENT", "observed frame of the Solar System"), *known]


def _ascii(cards: Sequence[tuple[str, Any, str]]) -> list[tuple[str, Any, str]]:
    return [
        (key, value.encode("ascii", "replace").decode() if isinstance(value, str) else value, comment)
        for key, value, comment in cards
    ]


def _spectrum(product: SpectrumProduct) -> fits.BinTableHDU:
    built = [
        fits.Column(
            column.name,
            _FORMATS[column.kind],
            _UNITS.get(column.unit, column.unit) or None,
            array=product.columns[column.name],
        )
        for column in SPECTRUM_COLUMNS
    ]
    hdu = fits.BinTableHDU.from_columns(built, name="SPECTRUM")
    for number, column in enumerate(SPECTRUM_COLUMNS, start=1):
        hdu.header[f"TUCD{number}"] = (column.ucd, "IVOA UCD1+")
    return hdu


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
    rows = [_property_row(name, found) for name, found in measured(prediction.properties)]
    columns = ["name", "value", "lower", "upper", "level", "unit", "class", "flag", "method"]
    return _table_hdu(columns, rows, name="PROPERTIES")


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
        fits.Column("flux", f"{flux.shape[1]}E", _UNITS[FLUX_UNIT], array=flux),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="SAMPLES")
    hdu.header.update(_sample_axis(prediction))
    return hdu


def _sample_axis(prediction: Prediction) -> dict[str, tuple[str | float, str]]:
    """Wavelengths of the vectors in column 3, which are equidistant, as FITS paper III writes them."""
    wave_aa = [value for value in prediction.spectrum.wavelength.values[:2] if value is not None]
    return {
        "1CTYP3": ("WAVE", "vacuum wavelength along the vector"),
        "1CUNI3": ("Angstrom", ""),
        "1CRPX3": (1.0, ""),
        "1CRVL3": (wave_aa[0], ""),
        "1CDLT3": (wave_aa[1] - wave_aa[0], ""),
        "SPEC3": ("BARYCENT", "observed frame of the Solar System"),
    }


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


def _with_checksums(hdus: fits.HDUList) -> bytes:
    """Bytes with checksums whose comments carry no time."""
    for hdu in hdus:
        hdu.add_checksum(when="of this HDU")
    stream = BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()
