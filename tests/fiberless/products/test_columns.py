"""The one table of columns: what it says is what predictions hold."""

from fiberless.contract.properties import Classification, Properties
from fiberless.products.columns import measured, property_columns, property_table, row_columns, row_of


def test_every_property_that_the_toy_model_gives_is_in_the_table_with_its_unit(real_prediction):
    found = dict(measured(real_prediction.properties))
    table = {row.name: row for row in property_table()}
    assert set(found) <= set(table)
    for name, value in found.items():
        assert table[name].is_class == isinstance(value, Classification)
        if not table[name].is_class:
            assert table[name].unit == value.unit


def test_every_field_of_the_contract_has_its_rows():
    roots = {row.name.partition(".")[0] for row in property_table()}
    assert roots == set(Properties.model_fields)


def test_a_row_has_a_cell_for_each_column(real_prediction):
    row = dict(zip([column.name for column in row_columns()], row_of(real_prediction), strict=True))
    properties = real_prediction.properties
    assert row["kind"] == "predicted-spectrum"
    assert row["redshift"] == properties.redshift.value
    assert row["Halpha_ew_upper"] == properties.lines["Halpha"].ew.upper
    assert row["bpt_class"] == properties.bpt_class.value
    assert row["lick_Hbeta_flag"] == properties.lick["Hbeta"].flag.value


def test_what_a_model_does_not_give_is_empty(prediction):
    row = dict(zip([column.name for column in row_columns()], row_of(prediction), strict=True))
    assert (row["stellar_age"], row["stellar_age_flag"], row["lick_Hbeta"]) == (None, None, None)
    assert (row["warnings"], row["Halpha_flux"]) == ("padded", 12.5)


def test_names_of_columns_are_unique():
    names = [column.name for column in row_columns()]
    assert len(names) == len(set(names))
    assert len(property_columns(property_table()[0])) == 4
