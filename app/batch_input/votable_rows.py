"""Rows of the first table of a VOTable, read as a stream, whichever serialization it has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import BinaryIO, Final
from xml.parsers import expat

from app.batch_input.rows import table_rows
from app.batch_input.votable_binary import BinaryField, binary_cells
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.columns import CellType, TableField, TargetColumns, find_columns
from fiberless.targets.frames import SkyFrame, read_frame
from fiberless.targets.position_names import axis_of_name, axis_of_ucd

__all__ = ["votable_rows"]

_CHUNK_BYTES: Final = 2**16
_MOST_FIELDS: Final = 5000


def votable_rows(stream: BinaryIO, *, max_rows: int) -> Iterator[BatchRow]:
    """Rows of a VOTable's first table with data, in TABLEDATA, BINARY or BINARY2.

    Document type declarations are refused, and with them every entity of the file's own.

    Raises
    ------
    UsageError
        `bad-table` where it is not such a file.

    """
    reader = _Reader(max_rows)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)  # noqa: FBT003  not a keyword there
            yield from reader.take()
        parser.Parse(b"", True)  # noqa: FBT003
        yield from reader.take()  # expat may keep a token back until it is told that no more comes
    except expat.ExpatError as error:
        raise UsageError("bad-table", f"the VOTable is not well-formed: {error}") from error
    if not reader.is_over:
        raise UsageError("bad-table", "the VOTable holds no table with data")


class _Reader:
    """What has been seen of a document: fields, then rows, until the first table ends."""

    def __init__(self, max_rows: int) -> None:
        self.is_over = False
        self._max_rows = max_rows
        self._fields: list[TableField] = []
        self._binary: list[BinaryField] = []
        self._columns: TargetColumns | None = None
        self._rows: list[Sequence[object]] = []
        self._frames: dict[str, SkyFrame | UsageError] = {}
        self._references: list[str] = []
        self._cells: list[str | None] = []
        self._text: list[str] = []
        self._inside = ""
        self._serialization = ""

    def take(self) -> Iterator[BatchRow]:
        """Rows that are complete."""
        taken, self._rows = self._rows, []
        return iter(()) if self._columns is None else table_rows(self._columns, taken)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if self.is_over:
            return
        match tag.rpartition(":")[2]:
            case "TABLE":
                self._fields, self._binary, self._references = [], [], []
            case "COOSYS":
                self._add_frame(attributes)
            case "FIELD":
                self._add_field(attributes)
            case "TABLEDATA" | "BINARY" | "BINARY2" as serialization:
                self._serialization = serialization
                self._columns = find_columns(self._framed_fields())
            case "FITS":
                raise UsageError("bad-table", "a VOTable with its data in FITS is not read; use TABLEDATA")
            case "TR":
                self._cells = []
            case "TD" | "STREAM" as tag_with_text:
                self._begin_text(tag_with_text, attributes)
            case _:
                pass

    def end(self, tag: str) -> None:
        """End an element."""
        if self.is_over:
            return
        match tag.rpartition(":")[2]:
            case "TD":
                self._cells.append("".join(self._text).strip() or None)
                self._inside = ""
            case "TR" if self._columns is not None:
                self._rows.append(self._cells)
            case "STREAM" if self._columns is not None:
                self._rows += self._binary_cells(self._columns)
                self._inside = ""
            case "DATA":
                self.is_over = True
            case _:
                pass

    def text(self, text: str) -> None:
        """Text of a cell or a stream; all other is of no interest."""
        if self._inside:
            self._text.append(text)

    def refuse_doctype(self, *_declared: object) -> None:
        """No VOTable has a document type declaration; an attack has."""
        raise UsageError("bad-table", "a VOTable must not have a document type declaration")

    def _begin_text(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "STREAM" and "href" in attributes:
            raise UsageError("bad-table", "data at another address is not fetched; put it into the VOTable")
        if tag == "STREAM" and attributes.get("encoding", "base64") != "base64":
            raise UsageError("bad-table", "the binary data of a VOTable must be encoded in base64")
        self._inside, self._text = tag, []

    def _add_field(self, attributes: Mapping[str, str]) -> None:
        if len(self._fields) >= _MOST_FIELDS:
            raise UsageError("bad-table", "the VOTable has too many fields")
        name = attributes.get("name") or attributes.get("ID", "")
        datatype = attributes.get("datatype", "")
        kind: CellType = "text" if datatype in {"char", "unicodeChar"} else "number" if datatype else ""
        self._fields.append(TableField(name, attributes.get("unit", ""), attributes.get("ucd", ""), kind))
        self._binary.append(BinaryField(datatype, attributes.get("arraysize", "")))
        self._references.append(attributes.get("ref", ""))

    def _add_frame(self, attributes: Mapping[str, str]) -> None:
        """Frame of a COOSYS; an unknown one is refused only where the position refers to it."""
        try:
            frame: SkyFrame | UsageError = read_frame(
                attributes.get("system", "eq_FK5"), attributes.get("equinox", "")
            )
        except UsageError as error:
            frame = error
        self._frames[attributes.get("ID", "")] = frame

    def _framed_fields(self) -> list[TableField]:
        """Fields with the frames that they refer to; a single frame that none refers to is that of all."""
        frames = [self._frames.get(reference) for reference in self._references]
        if len(self._frames) == 1 and not any(frames):
            (alone,) = self._frames.values()
            frames = [
                alone if axis_of_ucd(field.ucd) or axis_of_name(field.name) else None
                for field in self._fields
            ]
        return [replace(field, frame=frame) for field, frame in zip(self._fields, frames, strict=True)]

    def _binary_cells(self, columns: TargetColumns) -> Iterator[Sequence[object]]:
        has_nulls = self._serialization == "BINARY2"
        cells = binary_cells("".join(self._text), self._binary, columns.places, has_nulls=has_nulls)
        return islice(cells, self._max_rows + 1)  # one more is refused later
