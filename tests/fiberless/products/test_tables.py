"""ECSV, CSV and Parquet: what astropy and pandas read back from them."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import Table

from fiberless.products.columns import SPECTRUM_COLUMNS
from fiberless.products.spectrum import spectrum_product
from fiberless.products.tables import spectrum_csv, spectrum_ecsv, spectrum_parquet, spectrum_table

FLUX = units.Unit("1e-17 erg / (Angstrom s cm2)")
NAMES = [column.name for column in SPECTRUM_COLUMNS]


@pytest.fixture
def product(prediction):
    return spectrum_product(prediction)


def _check(table, product):
    assert table.colnames == NAMES
    assert table["wavelength"].unit == units.AA
    assert table["flux"].unit == table["flux_p84"].unit == FLUX
    assert table["ivar"].unit == FLUX**-2
    for name in NAMES:
        np.testing.assert_array_equal(np.asarray(table[name]), product.columns[name])
        assert np.asarray(table[name]).dtype == product.columns[name].dtype
        assert table[name].description
    assert table["flux"].meta["ucd"] == "phot.flux.density;em.wl"
    assert dict(table.meta) == product.facts


def test_ecsv_comes_back_with_its_units_and_facts(product):
    _check(Table.read(BytesIO(spectrum_ecsv(product)), format="ascii.ecsv"), product)


def test_ecsv_opens_in_pandas_as_plain_columns(product):
    frame = pd.read_csv(BytesIO(spectrum_ecsv(product)), sep=" ", comment="#")
    assert list(frame.columns) == NAMES
    assert frame["wavelength"].iloc[-1] == 8499
    assert frame["flux"].isna().sum() == 2


def test_parquet_comes_back_with_its_units_and_facts(product, tmp_path):
    path = tmp_path / "spectrum.parquet"
    path.write_bytes(spectrum_parquet(product))
    _check(Table.read(path), product)


def test_parquet_opens_in_pandas(product):
    frame = pd.read_parquet(BytesIO(spectrum_parquet(product)))
    assert list(frame.columns) == NAMES
    assert frame["mask"].sum() == 2
    np.testing.assert_array_equal(frame["flux"].to_numpy(), product.columns["flux"])


def test_csv_has_one_header_line_that_names_units_and_says_predicted(product):
    lines = spectrum_csv(product).decode().splitlines()
    assert len(lines) == 1 + 4500
    assert lines[0].startswith(
        "observed_wavelength [Angstrom],predicted_flux [1e-17 erg / (Angstrom s cm2)],predicted_uncertainty"
    )
    assert lines[1] == "4000.0,,,True,0.0,,,"
    frame = pd.read_csv(BytesIO(spectrum_csv(product)))
    np.testing.assert_allclose(frame.iloc[:, 1], product.columns["flux"])
    assert frame["mask"].dtype == bool


def test_csv_of_the_rest_frame_says_so(prediction):
    assert spectrum_csv(spectrum_product(prediction, frame="rest")).startswith(b"rest_wavelength [Angstrom],")


@pytest.mark.parametrize("write", [spectrum_csv, spectrum_ecsv, spectrum_parquet])
def test_the_same_product_gives_the_same_bytes(product, write):
    assert write(product) == write(product)


def test_a_table_in_memory_is_the_same_one(product):
    _check(spectrum_table(product), product)
