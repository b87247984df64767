"""What headers call a band, and which images beside the bands' are not fluxes."""

import re
from collections.abc import Mapping
from typing import Final

from fiberless.astro.bands import BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue

__all__ = ["KNOWN_SPELLINGS", "band_in_words", "band_of", "is_auxiliary", "named_band"]

KNOWN_SPELLINGS: Final = "g, g', SDSS_g, g_SDSS, SLOAN g"

_FILTER_CARDS: Final = ("FILTER", "BAND")
_KIND_CARDS: Final = ("EXTNAME", "IMTYPE", "HDUCLAS2")
_NOT_NAMED: Final = frozenset({"", "none", "n/a", "na", "null", "undefined"})
_PRIMES = re.compile("['\u2032\u2019`\"]")
_LETTER = re.compile(r"(?:sdss|sloan)?([ugriz])(?:sdss|sloan|prime|band|p)?")
_OF_A_FILTER = re.compile(r"sdss|sloan|filters?|filt|band|prime|dr[0-9]{1,2}")
_OF_AN_IMAGE = re.compile(r"image|img|sci|science|flux|data|cutout|stamp|frame|coadd|stack")
_AUXILIARY = re.compile(
    r"i?var|inv?var|variance|ivariance|weights?|wht|wt|wgt|err|errors?|sigma|std|stddev|uncert(ainty)?|rms|noise|"
    r"masks?|maskbits|allmask|anymask|msk|flags?|dq|quality|bpm|psf|n?exp|nexp|expmap|exposure|depth|galdepth|"
    r"sky|bkg|background|models?|resid(ual)?|chi2?|segm?(entation)?|nobs|coverage"
)


def band_of(name: CardValue | None) -> str | None:
    """Band of a name such as `r`, `r'`, `R`, `SDSS_r`, `r_SDSS` or `SLOAN r`; None for any other."""
    if not isinstance(name, str):
        return None
    words = _words(name)
    letters = {match[1] for word in words if (match := _LETTER.fullmatch(word))}
    others = [word for word in words if not (_LETTER.fullmatch(word) or _OF_A_FILTER.fullmatch(word))]
    return letters.pop() if len(letters) == 1 and not others else None


def named_band(header: Mapping[str, CardValue]) -> str | None:
    """Band that a header names in FILTER or BAND, else in EXTNAME; None if it names none.

    Raises
    ------
    UsageError
        `wrong-band-order` if FILTER or BAND names something that is not known, or two cards contradict.

    """
    found: dict[str, str] = {}
    for card in _FILTER_CARDS:
        value = header.get(card, "")
        if str(value).strip().lower() in _NOT_NAMED:
            continue
        band = band_of(value)
        if band is None:
            raise UsageError(
                "wrong-band-order",
                f"{card} = {str(value)[:40]!r} is not known; known are spellings such as {KNOWN_SPELLINGS}",
            )
        found[card] = band
    if extension := _extension_band(header):
        found["EXTNAME"] = extension
    if len(set(found.values())) > 1:
        raise UsageError("wrong-band-order", f"the cards {' and '.join(found)} name different bands")
    return next(iter(found.values()), None)


def is_auxiliary(header: Mapping[str, CardValue]) -> bool:
    """Whether an image says that it is a variance, a weight, a mask or the like, not a flux."""
    return any(
        _AUXILIARY.fullmatch(word) for card in _KIND_CARDS for word in _words(str(header.get(card, "")))
    )


def band_in_words(text: str) -> str | None:
    """Band that stands as a word of its own in a file's name; None if none or several do."""
    letters = [word for word in _words(text) if word in BANDS]
    return letters[0] if len(letters) == 1 else None


def _extension_band(header: Mapping[str, CardValue]) -> str | None:
    words = [word for word in _words(str(header.get("EXTNAME", ""))) if not _OF_AN_IMAGE.fullmatch(word)]
    return band_of(" ".join(words))


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _PRIMES.sub("", text.lower())) if word]
