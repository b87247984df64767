"""The VOTable: valid by astropy's strict reading, with the units, UCDs and utypes that it promises."""

import re
from io import BytesIO

import numpy as np
import pytest
from astropy import units
from astropy.io import votable
from astropy.io.votable.ucd import check_ucd

from fiberless.contract.properties import FLUX_UNIT
from fiberless.products.columns import IVAR_UNIT, SPECTRUM_COLUMNS, property_table, row_columns
from fiberless.products.spectrum import spectrum_product
from fiberless.products.units import vo_unit
from fiberless.products.votable import spectrum_votable


@pytest.fixture
def read(prediction):
    """Strictly read, and with warnings as errors."""
    return votable.parse(BytesIO(spectrum_votable(spectrum_product(prediction))), verify="exception")


def test_the_columns_have_their_numbers_units_and_words(read, prediction):
    product = spectrum_product(prediction)
    table = read.get_first_table()
    assert read.version == "1.4"
    for field, column in zip(table.fields, SPECTRUM_COLUMNS, strict=True):
        assert (field.name, field.ucd, field.utype or "") == (column.name, column.ucd, column.utype)
        values = np.ma.getdata(table.array[column.name])
        np.testing.assert_array_equal(values, product.columns[column.name])
        if column.unit:
            assert field.unit == units.Unit(column.unit)


def test_the_facts_are_params_and_say_predicted(read):
    params = {param.name: param for param in read.get_first_table().params}
    assert params["kind"].value == "predicted-spectrum"
    assert params["data_source"].value == "artificial"
    assert params["redshift"].value == 0.1
    assert (params["ra"].unit, params["ra"].ref) == (units.deg, "icrs")
    assert "PREDICTED" in read.description
    assert "PREDICTED" in read.get_first_table().description


def test_ids_are_unique_and_references_lead_somewhere(prediction):
    text = spectrum_votable(spectrum_product(prediction)).decode()
    ids = re.findall(r'\bID="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\bref="([^"]+)"', text)) <= set(ids)


def test_the_same_product_gives_the_same_bytes(prediction):
    product = spectrum_product(prediction)
    assert spectrum_votable(product) == spectrum_votable(product)


def test_every_ucd_is_in_the_vocabulary():
    ucds = {column.ucd for column in (*SPECTRUM_COLUMNS, *row_columns())}
    assert not [ucd for ucd in ucds if not check_ucd(ucd, check_controlled_vocabulary=True)]


def test_vo_units_are_the_same_units_without_deprecated_words():
    used = {FLUX_UNIT, IVAR_UNIT, *(column.unit for column in (*SPECTRUM_COLUMNS, *row_columns()))}
    linear = {unit for unit in used if not unit.startswith("dex")}
    assert {row.unit for row in property_table()} <= used
    for unit in linear:
        # warnings are errors: a deprecated word would not pass
        assert units.Unit(vo_unit(unit), format="vounit") == units.Unit(unit)
    assert {vo_unit(unit) for unit in used - linear} == {""}
