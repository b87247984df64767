"""Emission lines of the visible: names and vacuum wavelengths, read from `tables/lines.ecsv`.

Names carry the vacuum wavelength in Å; the conventional names in air are those of the API:
[O III] 5007 is `OIII_5008`, [N II] 6583 is `NII_6585`. Imports numpy and astropy only.
"""

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

from astropy.table import Table

__all__ = ["MARKED_LINES", "NII_DOUBLET_RATIO", "OIII_DOUBLET_RATIO", "Line", "line", "lines"]

OIII_DOUBLET_RATIO: Final = 2.98
"""[O III] 5008 / 4960 (Storey & Zeippen 2000)."""
NII_DOUBLET_RATIO: Final = 2.96
"""[N II] 6585 / 6550."""
MARKED_LINES: Final = MappingProxyType(
    {
        "OII_3730": "[O II]",
        "Hdelta": "Hδ",
        "Hgamma": "Hγ",
        "Hbeta": "Hβ",
        "OIII_4960": "",
        "OIII_5008": "[O III]",
        "HeI_5877": "He I",
        "OI_6302": "[O I]",
        "NII_6550": "",
        "Halpha": "Hα + [N II]",
        "NII_6585": "",
        "SII_6718": "[S II]",
        "SII_6733": "",
    }
)
"""Lines that plots mark, with the label that stands there; none beside a labelled neighbour."""


class Line(NamedTuple):
    """One emission line."""

    name: str
    label: str
    wave_aa: float


@cache
def lines() -> MappingProxyType[str, Line]:
    """All lines by name, in order of wavelength."""
    table = Table.read(str(files("fiberless") / "tables" / "lines.ecsv"), format="ascii.ecsv")
    rows = [Line(str(row["name"]), str(row["label"]), float(row["wavelength"])) for row in table]
    return MappingProxyType({row.name: row for row in rows})


def line(name: str) -> Line:
    """Look up a line; KeyError if it is not in the table."""
    return lines()[name]
