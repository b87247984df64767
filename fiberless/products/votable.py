"""A spectrum as a VOTable 1.4 with the UCDs and utypes of the IVOA Spectrum data model 1.1."""

from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from astropy.io.votable.tree import CooSys, Field, Param, Resource, TableElement, VOTableFile

from fiberless.products.columns import SPECTRUM_COLUMNS, Column
from fiberless.products.spectrum import SpectrumProduct
from fiberless.products.units import vo_unit

__all__ = ["VOTABLE_VERSION", "spectrum_votable", "votable_field"]

VOTABLE_VERSION: Final = "1.4"
_DATATYPES: Final = {
    "float64": ("double", None),
    "float32": ("float", None),
    "int64": ("long", None),
    "bool": ("boolean", None),
    "string": ("unicodeChar", "*"),
}
_PARAM_WORDS: Final = {
    "title": ("meta.title", "spec:Spectrum.DataID.Title"),
    "kind": ("meta.code.class", ""),
    "prediction_id": ("meta.id", "spec:Spectrum.DataID.DatasetID"),
    "object_id": ("meta.id;src", "spec:Spectrum.Target.Name"),
    "ra": ("pos.eq.ra", ""),
    "dec": ("pos.eq.dec", ""),
    "frame": ("meta.note", ""),
    "redshift": ("src.redshift", "spec:Spectrum.Target.Redshift"),
    "created": ("time.creation", "spec:Spectrum.DataID.Date"),
    "service": ("meta.curation", "spec:Spectrum.DataID.Creator"),
    "model_version": ("meta.version", "spec:Spectrum.DataID.Version"),
}
"""UCD and utype of the facts that have one; the others are notes."""
_MODEL: Final = {
    "data_model": ("Spectrum-1.1", "spec:Spectrum.DataModel"),
    "data_source": ("artificial", "spec:Spectrum.DataID.DataSource"),
    "creation_type": ("derived", "spec:Spectrum.DataID.CreationType"),
    "space_frame": ("ICRS", "spec:Spectrum.CoordSys.SpaceFrame.Name"),
}
_UNITS: Final = {"ra": "deg", "dec": "deg", "ebv": "mag"}


def spectrum_votable(product: SpectrumProduct) -> bytes:
    """VOTable of a spectrum: one table `spectrum`, its facts as PARAMs; the same product, the same bytes."""
    tree = VOTableFile(version=VOTABLE_VERSION)
    tree.description = product.title
    resource = Resource(type="results", utype="spec:Spectrum")
    resource.description = product.title
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    tree.resources.append(resource)
    table = TableElement(tree, name="spectrum", utype="spec:Spectrum")
    table.description = product.title
    resource.tables.append(table)
    table.params.extend(_params(tree, product))
    table.fields.extend(votable_field(tree, column) for column in SPECTRUM_COLUMNS)
    table.create_arrays(len(product.columns["wavelength"]))
    for name, values in product.columns.items():
        table.array[name] = _shortened(values)
    stream = BytesIO()
    tree.to_xml(stream, tabledata_format="tabledata")
    return stream.getvalue()


def votable_field(tree: VOTableFile, column: Column) -> Field:
    """FIELD of a column: type, unit, UCD, utype and description."""
    datatype, arraysize = _DATATYPES[column.kind]
    field = Field(
        tree, name=column.name, ID=column.name, datatype=datatype, arraysize=arraysize, ucd=column.ucd
    )
    if column.utype:
        field.utype = column.utype
    field.unit = vo_unit(column.unit) or None
    field.description = column.description
    return field


def _params(tree: VOTableFile, product: SpectrumProduct) -> list[Param]:
    model = {name: (value, "meta.note", utype) for name, (value, utype) in _MODEL.items()}
    position = "BARYCENTER" if product.frame == "observed" else "CUSTOM"
    model["spectral_frame"] = (position, "meta.note", "spec:Spectrum.CoordSys.SpectralFrame.RefPos")
    facts = {
        name: (value, *_PARAM_WORDS.get(name, ("meta.note", ""))) for name, value in product.facts.items()
    }
    return [_param(tree, name, *words) for name, words in (model | facts).items()]


def _param(tree: VOTableFile, name: str, value: object, ucd: str, utype: str) -> Param:
    match value:
        case float():
            kind: dict[str, Any] = {"datatype": "double", "value": value}
        case int():
            kind = {"datatype": "long", "value": value}
        case _:
            kind = {"datatype": "unicodeChar", "arraysize": "*", "value": str(value)}
    param = Param(tree, name=name, ID=f"param_{name}", ucd=ucd, **kind)
    if utype:
        param.utype = utype
    if name in {"ra", "dec"}:
        param.ref = "icrs"
    param.unit = _UNITS.get(name)
    return param


def _shortened(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Wavelengths to a ten-thousandth of an Å, so that no digit of division is written."""
    return np.round(values, 4) if values.dtype == np.float64 else values
