"""Simple Cone Search 1.03: what a query asks for, and the VOTable that answers it."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from astropy.io.votable.tree import CooSys, Field, Info, Resource, TableElement, VOTableFile

from app.found_objects import MAX_RADIUS_ARCSEC
from app.http.links import Links
from app.vo.parameters import Parameters
from fiberless.errors import UsageError
from fiberless.products.votable import VOTABLE_VERSION
from fiberless.service.storage import ConePage, Neighbour

__all__ = ["ConeQuery", "cone_error", "cone_votable", "read_cone"]

_TITLE: Final = "Predicted spectra of galaxies: predicted from images, not observed"
_MAX_SR: Final = MAX_RADIUS_ARCSEC / 3600
_OVERFLOW: Final = b'<INFO ID="overflow" name="QUERY_STATUS" value="OVERFLOW"/>'
_VERBOSITIES: Final = frozenset({"1", "2", "3"})


@dataclass(frozen=True)
class ConeQuery:
    """Centre in ICRS degrees, radius in degrees, and the most records to answer with."""

    ra: float
    dec: float
    radius: float
    maxrec: int


@dataclass(frozen=True)
class _Words:
    name: str
    datatype: str
    arraysize: str | None
    ucd: str
    unit: str | None
    description: str


# The standard asks for UCD1 of these three, and clients find them by nothing else.
_FIELDS: Final = (
    _Words("prediction_id", "char", "*", "ID_MAIN", None, "Identifier of the prediction"),
    _Words("ra", "double", None, "POS_EQ_RA_MAIN", "deg", "Right ascension of the image's centre, ICRS"),
    _Words("dec", "double", None, "POS_EQ_DEC_MAIN", "deg", "Declination of the image's centre, ICRS"),
    _Words("object_id", "char", "*", "meta.id;src", None, "Object's name, as its caller wrote it"),
    _Words("separation", "double", None, "pos.angDistance", "deg", "Distance from the cone's centre"),
    _Words("redshift", "double", None, "src.redshift", None, "Predicted redshift: the candidates' median"),
    _Words("model_version", "char", "*", "meta.version", None, "Model that predicted"),
    _Words("created", "char", "*", "time.creation", None, "When it was predicted, UTC (ISO 8601)"),
    _Words("spectrum_url", "char", "*", "meta.ref.url", None, "The predicted spectrum as FITS"),
)


def read_cone(parameters: Parameters) -> ConeQuery:
    """Query of a request.

    Raises
    ------
    UsageError
        `invalid-parameter`, with the limits, for what is missing or out of range.

    """
    parameters.check_votable()
    if parameters.text("VERB") not in _VERBOSITIES | {None}:
        raise UsageError("invalid-parameter", "VERB must be 1, 2 or 3")
    return ConeQuery(
        ra=parameters.number("RA", least=0, most=360) % 360,
        dec=parameters.number("DEC", least=-90, most=90),
        radius=parameters.number("SR", least=0, most=_MAX_SR),
        maxrec=parameters.maxrec(),
    )


def cone_votable(page: ConePage, links: Links, *, origin: str) -> bytes:
    """VOTable of the objects in a cone, nearest first; `origin` is scheme and host of absolute addresses."""
    tree, resource = _document()
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    resource.infos.append(Info(name="QUERY_STATUS", value="OK"))
    table = TableElement(tree, name="predictions")
    table.description = _TITLE
    resource.tables.append(table)
    table.fields.extend(_field(tree, words) for words in _FIELDS)
    table.create_arrays(len(page.neighbours))
    for index, one in enumerate(page.neighbours):
        values = _row(one, links, origin)
        table.array[index] = values
        table.array.mask[index] = tuple(value is None or value == "" for value in values)
    written = _written(tree)
    if len(page.neighbours) == page.total:
        return written
    # DALI 1.1 wants this INFO after the TABLE, where astropy writes none.
    return written.replace(b"</TABLE>\n", b"</TABLE>\n  " + _OVERFLOW + b"\n", 1)


def cone_error(detail: str) -> bytes:
    """VOTable that reports a mistake in a query, in the dialect of SCS 1.03 section 2.3."""
    tree, resource = _document()
    resource.infos.append(Info(ID="Error", name="Error", value=detail))
    return _written(tree)


def _document() -> tuple[VOTableFile, Resource]:
    tree = VOTableFile(version=VOTABLE_VERSION)
    resource = Resource(type="results")
    resource.description = _TITLE
    tree.resources.append(resource)
    return tree, resource


def _field(tree: VOTableFile, words: _Words) -> Field:
    field = Field(
        tree,
        ID=words.name,
        name=words.name,
        datatype=words.datatype,
        arraysize=words.arraysize,
        ucd=words.ucd,
    )
    field.unit = words.unit
    field.description = words.description
    if words.name in {"ra", "dec"}:
        field.ref = "icrs"
    return field


def _row(one: Neighbour, links: Links, origin: str) -> tuple[object, ...]:
    summary = one.summary
    return (
        summary.id,
        summary.ra,
        summary.dec,
        summary.object_id or "",
        one.separation_arcsec / 3600,
        np.nan if summary.redshift is None else summary.redshift,
        summary.model_version,
        summary.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        origin + links.prediction(summary.id).spectrum_fits,
    )


def _written(tree: VOTableFile) -> bytes:
    stream = BytesIO()
    tree.to_xml(stream, tabledata_format="tabledata")
    return stream.getvalue()
