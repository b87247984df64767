from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from fiberless.errors import UsageError
from fiberless.images.fits.binary_table import read_rows
from fiberless.images.fits.gate import walk_fits


def table_bytes(*columns):
    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(stream)
    return stream.getvalue()


def test_all_types_read_as_astropy_reads_them():
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
    data = table_bytes(*columns)
    rows = read_rows(walk_fits(data)[1])
    expected = fits.open(BytesIO(data))[1].data
    for name in ("byte", "short", "long", "huge", "single", "double", "last"):
        np.testing.assert_array_equal(rows[name.upper()], expected[name])
    assert [text.decode() for text in rows["NAME"]] == ["ab", "cdefg"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TFORM1  = 'J       '", b"TFORM1  = 'K       '"),
        (b"TFORM1  = 'J       '", b"TFORM1  = '?       '"),
        (b"TTYPE2  = 'b       '", b"TTYPE2  = 'a       '"),
        (b"TFIELDS =                    2", b"TFIELDS =                    3"),
        (b"TFIELDS =                    2", b"TFIELDS =                   -2"),
        (b"XTENSION= 'BINTABLE'", b"XTENSION= 'TABLE   '"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(old, new):
    data = table_bytes(fits.Column("a", "J", array=[1]), fits.Column("b", "J", array=[2]))
    assert data.count(old) == 1
    with pytest.raises(UsageError):
        read_rows(walk_fits(data.replace(old, new))[1])
