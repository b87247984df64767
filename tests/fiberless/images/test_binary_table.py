"""Columns of FITS tables: what astropy reads, of files whose headers keep what they promise."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from fiberless.errors import UsageError
from fiberless.images.fits.binary_table import read_columns


def table_bytes(*columns):
    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(stream)
    return stream.getvalue()


@pytest.fixture
def written(tmp_path):
    def write(data):
        path = tmp_path / "table.fits"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def small():
    return table_bytes(fits.Column("a", "J", array=[1]), fits.Column("b", "J", array=[2]))


def test_columns_of_all_types_come_as_they_were_written(written):
    columns = [
        fits.Column("flag", "L", array=[True, False]),
        fits.Column("bits", "11X", array=np.arange(22).reshape(2, 11) % 2 == 0),
        fits.Column("byte", "B", array=[1, 255]),
        fits.Column("short", "I", array=[-1, 300]),
        fits.Column("long", "3J", array=[[1, 2, 3], [-4, 5, 6]]),
        fits.Column("huge", "K", array=[-(2**60), 1237661382772195474]),
        fits.Column("name", "5A", array=["ab", "cdefg"]),
        fits.Column("single", "E", array=[0.5, np.nan]),
        fits.Column("double", "2D", array=[[1e300, 2.0], [3.0, 4.0]]),
        fits.Column("complex", "C", array=[1 + 2j, 3 - 4j]),
        fits.Column("any", "PJ()", array=np.array([np.array([1]), np.array([2, 3])], dtype=object)),
        fits.Column("last", "J", array=[7, 8]),
    ]
    names = ["byte", "SHORT", "long", "Huge", "name", "single", "double", "last"]
    found = read_columns(written(table_bytes(*columns)), names)
    given = {column.name: column.array for column in columns}
    for name in names:
        np.testing.assert_array_equal(found[name], given[name.lower()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TFORM1  = 'J       '", b"TFORM1  = 'K       '"),
        (b"TFORM1  = 'J       '", b"TFORM1  = '?       '"),
        (b"TFORM1  = 'J       '", b"TFORM1  = '9999999J'"),
        (b"TFORM1  = 'J       '", b"COMMENT = 'J       '"),
        (b"TTYPE2  = 'b       '", b"TTYPE2  = 'a       '"),
        (b"TTYPE2  = 'b       '", b"TTYPE2  = 'A       '"),
        (b"TTYPE1  = 'a       '", b"TTYPE1  = 'c       '"),
        (b"TFIELDS =                    2", b"TFIELDS =                    3"),
        (b"TFIELDS =                    2", b"TFIELDS =                   -2"),
        (b"TFIELDS =                    2", b"TFIELDS =                 1000"),
        (b"XTENSION= 'BINTABLE'", b"XTENSION= 'TABLE   '"),
        (b"NAXIS2  =                    1", b"NAXIS2  =                   -1"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(written, small, old, new):
    assert small.count(old) == 1
    with pytest.raises(UsageError):
        read_columns(written(small.replace(old, new)), ["a"])


@pytest.mark.parametrize(
    ("card", "promise"),
    [(b"NAXIS2  =", 10**14), (b"NAXIS1  =", 10**14), (b"PCOUNT  =", 10**14)],
)
def test_a_promise_of_more_than_there_is_costs_no_memory(written, small, card, promise):
    at = small.rindex(card) + len(card)
    data = small[:at] + str(promise).encode().rjust(21) + small[at + 21 :]
    with pytest.raises(UsageError, match="fits-truncated"):
        read_columns(written(data), ["a"])


@pytest.mark.parametrize("size", [0, 100, 2880, 2 * 2880, 3 * 2880 - 1])
def test_a_file_that_is_cut_short_is_refused(written, small, size):
    with pytest.raises(UsageError, match=r"fits-truncated|not-fits"):
        read_columns(written(small[:size]), ["a"])


def test_a_table_behind_an_image_is_not_the_one_meant(written, small):
    stream = BytesIO()
    fits.PrimaryHDU(np.zeros(10)).writeto(stream)
    with pytest.raises(UsageError, match="fits-unsupported"):
        read_columns(written(stream.getvalue() + small[2880:]), ["a"])
