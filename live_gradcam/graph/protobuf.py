"""The outermost fields of a protocol buffer, read without the library that defines it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Wire types.
_VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5
_LENGTHS = {_FIXED64: 8, _FIXED32: 4}


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: What it is, see the message's definition.
        wire: `BYTES` for texts and messages.
        begin: Position of the field in the stream.
        start: Position of its content.
        stop: Position behind it.
    """

    number: int
    wire: int
    begin: int
    start: int
    stop: int


def fields(stream: BinaryIO) -> Iterator[Field]:
    """Walk over the fields of a message that fills a stream, without reading what is in them.

    The stream may be read from anywhere in between.

    Raises:
        ValueError: It is no protocol buffer.
    """
    end = stream.seek(0, 2)
    begin = 0
    while begin < end:
        stream.seek(begin)
        number, wire = divmod(_read_varint(stream), 8)
        if wire == _VARINT:
            start = stream.tell()
            _read_varint(stream)
            stop = stream.tell()
        else:
            length = _read_varint(stream) if wire == BYTES else _LENGTHS.get(wire)
            start = stream.tell()
            if length is None or start + length > end:
                raise ValueError("no protocol buffer")
            stop = start + length
        yield Field(number, wire, begin, start, stop)
        begin = stop


def _read_varint(stream: BinaryIO) -> int:
    value = shift = 0
    while True:
        read = stream.read(1)
        if not read or shift > 63:
            raise ValueError("no protocol buffer")
        value |= (read[0] & 0x7F) << shift
        if read[0] < 0x80:
            return value
        shift += 7
