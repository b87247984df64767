"""The byte-level gate: FITS bytes to checked headers and raw data, before any other code reads them.

Every limit is checked before memory is asked for.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fiberless.errors import UsageError
from fiberless.images.fits.cards import CARD_BYTES, CardValue, parse_cards

__all__ = ["UPLOAD_LIMITS", "Limits", "RawHdu", "first_header", "header_at", "walk_fits"]

_BLOCK_BYTES: Final = 2880
_CONTROL: Final = bytes([*range(0x20), 0x7F])
_AFTER_END: Final = b" \0"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ARCHIVE_MAGICS: Final = (
    _GZIP_MAGIC,
    b"BZh",
    b"\xfd7zXZ",
    b"PK\x03\x04",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x9d",
    b"7z\xbc\xaf",
)
_BITPIX: Final = frozenset({8, 16, 32, 64, -32, -64})
_MAX_AXES: Final = 999


@dataclass(frozen=True)
class Limits:
    """How much a FITS file may ask for."""

    file_bytes: int = 16 * 2**20
    inflated_bytes: int = 32 * 2**20
    inflation_ratio: int = 20
    header_blocks: int = 36
    hdus: int = 64


UPLOAD_LIMITS: Final = Limits()


@dataclass(frozen=True, eq=False)
class RawHdu:
    """One header-data unit whose declared size is the size that is there.

    Parameters
    ----------
    index : int
        0 for the primary HDU.
    kind : str
        `IMAGE`, or the value of XTENSION.
    header : mapping
        Keyword to value.
    bitpix : int
        A value of the FITS standard.
    shape : tuple of int
        Slowest axis first, as numpy has it; empty if there are no data.
    data : memoryview
        The data unit without its padding, a view of the file's bytes.

    """

    index: int
    kind: str
    header: Mapping[str, CardValue] = field(repr=False)
    bitpix: int
    shape: tuple[int, ...]
    data: memoryview = field(repr=False)

    @property
    def is_image(self) -> bool:
        """Whether there is an image, empty or not, with at least one axis."""
        return self.kind == "IMAGE" and len(self.shape) > 0


def walk_fits(data: bytes, *, limits: Limits = UPLOAD_LIMITS) -> tuple[RawHdu, ...]:
    """All HDUs of a FITS file, plain or gzipped.

    Parameters
    ----------
    data : the file
    limits : what it may ask for

    Raises
    ------
    UsageError
        `not-fits`, `compressed-upload`, `fits-empty`, `fits-too-large`, `fits-header-too-large`,
        `fits-too-many-hdus`, `fits-truncated`, `fits-trailing-data`, `fits-header-invalid`,
        `fits-header-duplicate`, `fits-not-standard`, `fits-bitpix` or `fits-unsupported`.

    """
    plain = _inflate(data, limits=limits)
    hdus: list[RawHdu] = []
    offset = 0
    while offset < len(plain):
        if hdus and not plain.startswith(b"XTENSION", offset):
            raise UsageError("fits-trailing-data", f"{len(plain) - offset} bytes follow the last HDU")
        if len(hdus) == limits.hdus:
            raise UsageError("fits-too-many-hdus", f"at most {limits.hdus} HDUs are read")
        hdu, offset = _read_hdu(plain, offset, index=len(hdus), limits=limits)
        hdus.append(hdu)
    return tuple(hdus)


def first_header(data: bytes, *, limits: Limits = UPLOAD_LIMITS) -> Mapping[str, CardValue]:
    """Primary header of a plain FITS file of which perhaps only the beginning is at hand.

    Raises
    ------
    UsageError
        As `walk_fits`, for what concerns the header.

    """
    return header_at(_inflate(data, limits=limits), 0, limits=limits)[0]


def header_at(data: bytes, start: int, *, limits: Limits) -> tuple[Mapping[str, CardValue], int]:
    """Header that starts at a byte of a plain FITS file, and the offset of what follows it.

    Raises
    ------
    UsageError
        As `walk_fits`, for what concerns the header.

    """
    cards, end = _header_cards(data, start, limits)
    return parse_cards(cards), end


def _inflate(data: bytes, *, limits: Limits = UPLOAD_LIMITS) -> bytes:
    """Plain bytes of a FITS file that may be gzipped, inflated no further than the limits.

    Raises
    ------
    UsageError
        `fits-empty`, `fits-too-large`, `not-fits`, `compressed-upload` or `fits-truncated`.

    """
    if not data:
        raise UsageError("fits-empty", "the file has no bytes")
    if len(data) > limits.file_bytes:
        raise UsageError("fits-too-large", f"{len(data)} bytes; at most {limits.file_bytes} are read")
    plain = _gunzip(data, limits) if data.startswith(_GZIP_MAGIC) else data
    if plain.startswith(_ARCHIVE_MAGICS):
        raise UsageError("compressed-upload", "of all compressions only one layer of gzip is read")
    if not plain.startswith(b"SIMPLE  ="):
        raise UsageError("not-fits", "a FITS file starts with 'SIMPLE  ='; this one does not")
    return plain


def _gunzip(data: bytes, limits: Limits) -> bytes:
    bound = min(limits.inflated_bytes, limits.inflation_ratio * len(data))
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, bound + 1)
    except zlib.error as error:
        raise UsageError("compressed-upload", f"the gzip stream is damaged: {error}") from error
    if len(plain) > bound:
        raise UsageError("fits-too-large", f"the gzip stream inflates to more than {bound} bytes")
    if not stream.eof:
        raise UsageError("fits-truncated", "the gzip stream ends early")
    if stream.unused_data:
        raise UsageError("fits-trailing-data", "bytes follow the gzip stream")
    return plain


def _read_hdu(plain: bytes, start: int, *, index: int, limits: Limits) -> tuple[RawHdu, int]:
    """One HDU and the offset of the next."""
    header, data_start = header_at(plain, start, limits=limits)
    kind = _kind(header, index)
    bitpix, shape = _bitpix(header), _shape(header)
    _refuse_conventions(header, kind, shape)
    size = abs(bitpix) // 8 * _elements(header, shape)
    end = data_start + -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
    if size > limits.inflated_bytes:
        raise UsageError("fits-too-large", f"HDU {index} declares more than {limits.inflated_bytes} bytes")
    if len(plain) == data_start + size:
        end = len(plain)  # the padding of the last HDU is left out, as some programs do
    if end > len(plain):
        missing = end - len(plain)
        raise UsageError("fits-truncated", f"HDU {index} declares {missing} bytes more than there are")
    view = memoryview(plain)[data_start : data_start + size]
    return RawHdu(index=index, kind=kind, header=header, bitpix=bitpix, shape=shape, data=view), end


def _header_cards(plain: bytes, start: int, limits: Limits) -> tuple[list[bytes], int]:
    """Cards before END, and the offset of what follows the header."""
    cards: list[bytes] = []
    for offset in range(start, start + limits.header_blocks * _BLOCK_BYTES, _BLOCK_BYTES):
        block = plain[offset : offset + _BLOCK_BYTES]
        if len(block) < _BLOCK_BYTES:
            raise UsageError("fits-truncated", "the file ends inside a header; there is no END card")
        block_cards = [block[at : at + CARD_BYTES] for at in range(0, _BLOCK_BYTES, CARD_BYTES)]
        end = next((i for i, card in enumerate(block_cards) if card.rstrip(_AFTER_END) == b"END"), None)
        _refuse_control(block_cards, end)
        cards += block_cards[:end]
        if end is not None:
            return cards, offset + _BLOCK_BYTES
    raise UsageError("fits-header-too-large", f"a header has more than {limits.header_blocks} blocks")


def _refuse_control(cards: list[bytes], end: int | None) -> None:
    """Refuse control characters, but for NUL behind END, where some programs put it for blanks."""
    before, after = (cards, []) if end is None else (cards[:end], cards[end:])
    for text in (b"".join(before), b"".join(after).replace(b"\0", b"")):
        if len(text.translate(None, _CONTROL)) < len(text):
            raise UsageError("fits-header-invalid", "a header holds control characters")


def _kind(header: Mapping[str, CardValue], index: int) -> str:
    """Kind of an HDU that starts with the cards that the standard demands, in their order."""
    first = "XTENSION" if index else "SIMPLE"
    axes = header.get("NAXIS")
    count = axes if isinstance(axes, int) and 0 <= axes <= _MAX_AXES else 0
    demanded = [first, "BITPIX", "NAXIS", *(f"NAXIS{axis}" for axis in range(1, count + 1))]
    if list(header)[: len(demanded)] != demanded:
        raise UsageError("fits-header-invalid", f"HDU {index} does not start with {', '.join(demanded[:6])}")
    match header[first]:
        case True if not index:
            return "IMAGE"
        case False if not index:
            raise UsageError(
                "fits-not-standard", "SIMPLE = F: the file declares that it is not standard FITS"
            )
        case str(kind) if index:
            return kind
        case value:
            raise UsageError("fits-header-invalid", f"{first} = {value!r}")


def _bitpix(header: Mapping[str, CardValue]) -> int:
    bitpix = _integer(header, "BITPIX")
    if bitpix not in _BITPIX:
        raise UsageError("fits-bitpix", f"BITPIX = {bitpix} does not exist; images have -64, -32, 16 or 32")
    return bitpix


def _shape(header: Mapping[str, CardValue]) -> tuple[int, ...]:
    axes = _integer(header, "NAXIS")
    if not 0 <= axes <= _MAX_AXES:
        raise UsageError("fits-header-invalid", f"NAXIS = {axes}")
    lengths = [_integer(header, f"NAXIS{axis}") for axis in range(axes, 0, -1)]
    if any(length < 0 for length in lengths):
        raise UsageError("fits-header-invalid", f"an axis has a negative length: {lengths[:7]}")
    return tuple(lengths)


def _refuse_conventions(header: Mapping[str, CardValue], kind: str, shape: tuple[int, ...]) -> None:
    if header.get("GROUPS") is True and shape[-1:] == (0,):
        raise UsageError("fits-unsupported", "random groups are not read")
    if header.get("ZIMAGE") is True:
        raise UsageError("fits-unsupported", "tile-compressed images are not read; funpack them")
    plain_image = _integer(header, "PCOUNT", 0) == 0 and _integer(header, "GCOUNT", 1) == 1
    if kind == "IMAGE" and not plain_image:
        raise UsageError("fits-header-invalid", "an image has PCOUNT = 0 and GCOUNT = 1")


def _elements(header: Mapping[str, CardValue], shape: tuple[int, ...]) -> int:
    """Count the elements of the data unit (FITS standard 4.0, eq. 2)."""
    parameters, groups = _integer(header, "PCOUNT", 0), _integer(header, "GCOUNT", 1)
    if parameters < 0 or groups < 0:
        raise UsageError("fits-header-invalid", f"PCOUNT = {parameters}, GCOUNT = {groups}")
    return groups * (parameters + math.prod(shape)) if shape else 0


def _integer(header: Mapping[str, CardValue], keyword: str, default: int | None = None) -> int:
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError("fits-header-invalid", f"{keyword} must be an integer, not {value!r}")
    return value
