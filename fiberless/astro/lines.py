"""Emission lines of the visible: names and vacuum wavelengths, read from `tables/lines.ecsv`.

Names carry the vacuum wavelength in Å; the conventional names in air are those of the API:
[O III] 5007 is `OIII_5008`, [N II] 6583 is `NII_6585`.
"""

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

from astropy.table import Table

__all__ = [
    "BALMER_DECREMENT",
    "HELIUM_SHARES",
    "MARKED_LINES",
    "NEIII_BLEND_SHARE",
    "NII_DOUBLET_RATIO",
    "OIII_DOUBLET_RATIO",
    "OII_AURORAL_RATIO",
    "Line",
    "all_lines",
    "line",
    "lines",
    "minor_lines",
]

OIII_DOUBLET_RATIO: Final = 2.98
"""[O III] 5008 / 4960 (Storey & Zeippen 2000)."""
NII_DOUBLET_RATIO: Final = 2.96
"""[N II] 6585 / 6550."""
NEIII_BLEND_SHARE: Final = 0.30
"""[Ne III] 3969 / 3870 (Osterbrock & Ferland 2006)."""
OII_AURORAL_RATIO: Final = 1.2
"""[O II] 7322 / 7332 at 100 electrons per cm3 (Osterbrock & Ferland 2006)."""
BALMER_DECREMENT: Final = MappingProxyType(
    {
        "Halpha": 2.86,
        "Hbeta": 1.0,
        "Hgamma": 0.468,
        "Hdelta": 0.259,
        "Hepsilon": 0.159,
        "H8": 0.105,
        "H9": 0.073,
        "H10": 0.053,
    }
)
"""Balmer lines over Hβ, case B at 10,000 K and 100 electrons per cm3 (Osterbrock & Ferland 2006)."""
HELIUM_SHARES: Final = MappingProxyType({"HeI_4473": 0.36, "HeI_6680": 0.29, "HeI_7067": 0.20})
"""He I lines over He I 5877, case B at 10,000 K (Osterbrock & Ferland 2006)."""
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
    reported: bool


@cache
def all_lines() -> MappingProxyType[str, Line]:
    """All lines by name: the reported ones, then weak ones that only starbursts show, each by wavelength."""
    table = Table.read(str(files("fiberless.astro") / "tables" / "lines.ecsv"), format="ascii.ecsv")
    rows = [
        Line(str(row["name"]), str(row["label"]), float(row["wavelength"]), bool(row["reported"]))
        for row in table
    ]
    return MappingProxyType({row.name: row for row in rows})


@cache
def lines() -> MappingProxyType[str, Line]:
    """Lines that results name, in order of wavelength."""
    return MappingProxyType({name: known for name, known in all_lines().items() if known.reported})


@cache
def minor_lines() -> MappingProxyType[str, Line]:
    """Lines that are simulated, modelled or masked, and not reported: seen in starbursts and near nuclei."""
    return MappingProxyType({name: known for name, known in all_lines().items() if not known.reported})


def line(name: str) -> Line:
    """Look up a line; KeyError if it is not in the table."""
    return all_lines()[name]
