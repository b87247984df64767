"""Units of the products as VOTable writes them."""

from types import MappingProxyType
from typing import Final

from fiberless.contract.properties import FLUX_UNIT

__all__ = ["vo_unit"]

_VO_UNITS: Final = MappingProxyType(
    {
        "": "",
        "Angstrom": "0.1nm",
        "Angstrom2": "0.01nm**2",
        FLUX_UNIT: "1e-19W.m**-2.nm**-1",
        "1e34 Angstrom2 cm4 s2 / erg2": "1e+38W**-2.m**4.nm**2",
        "1e-17 erg / (s cm2)": "1e-20W.m**-2",
        "km / s": "km.s**-1",
        "Gyr": "Gyr",
        "mag": "mag",
        "deg": "deg",
        "arcsec": "arcsec",
        "dex": "",
        "dex(solMass)": "",
        "dex(solMass / yr)": "",
        "dex(1 / yr)": "",
        "dex(solMass / solLum)": "",
    }
)
"""VOUnits 1.1 deprecates Å and erg: the same numbers go by an equal unit. It has no logarithmic ones."""


def vo_unit(unit: str) -> str:
    """Unit in the syntax of VOUnits 1.1, under which the numbers stay the same.

    Logarithmic units become empty: the column's description names them. KeyError if the unit is not known.
    """
    return _VO_UNITS[unit]
