"""Emission lines of the visible: names and vacuum wavelengths, read from `tables/lines.ecsv`.

The table is the one place of all names of a line: [O III] 5007 is `OIII_5008` inside the code, by its
wavelength in vacuum, and `OIII_5007` in results.
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
    """One emission line.

    Parameters
    ----------
    name : inside the code, with the vacuum wavelength
    conventional : as the literature writes it, in air: "[O III] 5007"
    result_name : in results, empty if they do not have the line
    wave_aa : in vacuum
    is_minor : seen in starbursts and near nuclei only

    """

    name: str
    conventional: str
    result_name: str
    wave_aa: float
    is_minor: bool


@cache
def all_lines() -> MappingProxyType[str, Line]:
    """All lines by name: those of most galaxies, then the minor ones, each by wavelength."""
    table = Table.read(str(files("fiberless.astro") / "tables" / "lines.ecsv"), format="ascii.ecsv")
    rows = [
        Line(
            name=str(row["name"]),
            conventional=str(row["conventional"]),
            result_name=str(row["result_name"]),
            wave_aa=float(row["wavelength"]),
            is_minor=bool(row["minor"]),
        )
        for row in table.filled("")
    ]
    return MappingProxyType({row.name: row for row in rows})


@cache
def lines() -> MappingProxyType[str, Line]:
    """Lines of most galaxies, in order of wavelength."""
    return MappingProxyType({name: known for name, known in all_lines().items() if not known.is_minor})


@cache
def minor_lines() -> MappingProxyType[str, Line]:
    """Lines that are simulated, modelled or masked, and in no result: seen in starbursts and near nuclei."""
    return MappingProxyType({name: known for name, known in all_lines().items() if known.is_minor})


def line(name: str) -> Line:
    """Look up a line; KeyError if it is not in the table."""
    return all_lines()[name]
