"""`Parameters`: parameters of a DALI request, whose names have no case."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from fiberless.errors import UsageError

__all__ = ["DEFAULT_MAXREC", "MOST_RECORDS", "Parameters"]

DEFAULT_MAXREC: Final = 1000
MOST_RECORDS: Final = 10_000
_VOTABLE_FORMATS: Final = frozenset(
    {
        "votable",
        "application/x-votable+xml",
        "application/x-votable+xml;serialization=tabledata",
        "text/xml",
    }
)


class Parameters:
    """What a request asks for (DALI 1.1, section 3); parameters that a protocol does not know are ignored.

    Parameters
    ----------
    pairs : names in any case, and values

    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.upper(), []).append(value.strip())
        self._values: Mapping[str, list[str]] = values

    def text(self, name: str) -> str | None:
        """Value of a parameter that is given once; None without one.

        Raises
        ------
        UsageError
            `invalid-parameter` for one that is given twice.

        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise UsageError("invalid-parameter", f"{name} is given {len(values)} times; give it once")
        return values[0] if values and values[0] else None

    def number(self, name: str, *, least: float, most: float, unit: str = "degrees") -> float:
        """Number that must be given, in a closed range.

        Raises
        ------
        UsageError
            `invalid-parameter` if it is missing, no number or out of range.

        """
        text = self.text(name)
        if text is None:
            raise UsageError("invalid-parameter", f"{name} is missing: give it in {unit}")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise UsageError(
                "invalid-parameter", f"{name} must be a number of {unit} from {least:g} to {most:g}"
            )
        return value

    def maxrec(self) -> int:
        """Most records of an answer, up to the service's own limit.

        Raises
        ------
        UsageError
            `invalid-parameter` if it is no whole number, or negative.

        """
        text = self.text("MAXREC")
        if text is None:
            return DEFAULT_MAXREC
        if not (text.isascii() and text.isdigit()):
            raise UsageError("invalid-parameter", "MAXREC must be a whole number, 0 or more")
        digits = text.lstrip("0")
        return MOST_RECORDS if len(digits) > 9 else min(int(digits or "0"), MOST_RECORDS)

    def check_votable(self) -> None:
        """Let only the formats pass that mean a VOTable.

        Raises
        ------
        UsageError
            `invalid-parameter` for another RESPONSEFORMAT.

        """
        wanted = self.text("RESPONSEFORMAT")
        if wanted is not None and wanted.lower().replace(" ", "") not in _VOTABLE_FORMATS:
            raise UsageError("invalid-parameter", "RESPONSEFORMAT: only votable is spoken here")
