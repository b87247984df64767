"""FITS header cards: 80 bytes to a keyword and a value, with nothing trusted."""

import re
from typing import Final, TypeAlias

from fiberless.errors import UsageError

__all__ = ["CARD_BYTES", "CardValue", "parse_cards"]

CardValue: TypeAlias = str | int | float | bool

CARD_BYTES: Final = 80
_STRING = re.compile(r"'((?:[^']|'')*)'")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EDed][+-]?[0-9]{1,4})?")
_STRUCTURAL = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|TFIELDS|GROUPS|ZIMAGE")
_SCALING = frozenset({"BSCALE", "BZERO", "BLANK", "BUNIT"})


def parse_cards(cards: list[bytes]) -> dict[str, CardValue]:
    """Keyword to value, in the order of the header; of repeated informative cards the first counts.

    Parameters
    ----------
    cards : 80 bytes each without control characters, without END; bytes beyond ASCII are read as UTF-8, else
        as Latin-1: no keyword and no number holds them

    Raises
    ------
    UsageError
        `fits-header-duplicate` if a card that decides how the data are read appears twice.

    """
    header: dict[str, CardValue] = {}
    for card in cards:
        if card[8:10] != b"= ":
            continue
        keyword = card[:8].decode("latin-1").rstrip()
        if keyword not in header:
            header[keyword] = _value(_decoded(card[10:]))
        elif _STRUCTURAL.fullmatch(keyword) or keyword in _SCALING:
            raise UsageError("fits-header-duplicate", f"the card {keyword} appears twice in one header")
    return header


def _decoded(field: bytes) -> str:
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        return field.decode("latin-1")


def _value(field: str) -> CardValue:
    """Value of a card's last 70 characters; what is no FITS value stays text."""
    text = field.strip()
    if quoted := _STRING.match(text):
        return quoted[1].replace("''", "'").rstrip()
    word = text.split("/", 1)[0].strip()
    if word in {"T", "F"}:
        return word == "T"
    if _INTEGER.fullmatch(word):
        return int(word)
    if _REAL.fullmatch(word):
        return float(word.upper().replace("D", "E"))
    return word
