"""Walk through a protobuf message field by field, so that ONNX files can be read without the onnx package.

Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator
from typing import NamedTuple

from fsd.data.errors import ModelError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


Buffer = bytes | memoryview


class Field(NamedTuple):
    """One field of a message: its number, and where its tag, its value and the next field begin."""

    number: int
    start: int
    value: int
    end: int


def fields(content: Buffer, origin: str) -> Iterator[Field]:
    """Every top-level field of a message.

    Raises:
        ModelError: the bytes are not a protobuf message; `origin` names the file in errors.
    """
    position = 0
    while position < len(content):
        start = position
        tag, position = varint(content, position, origin)
        value, kind = position, tag & 7
        if kind == _VARINT:
            _, position = varint(content, position, origin)
        elif kind == _BYTES:
            size, value = varint(content, position, origin)
            position = value + size
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise _damaged(origin)
        if position > len(content):
            raise _damaged(origin)
        yield Field(tag >> 3, start, value, position)


def varint(content: Buffer, position: int, origin: str) -> tuple[int, int]:
    """The number at a position, and where it ends.

    Raises:
        ModelError: there is none.
    """
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= len(content):
            break
        byte = content[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise _damaged(origin)


def _damaged(origin: str) -> ModelError:
    return ModelError(f"{origin} is not an ONNX file, or is damaged. Export or copy it again.")
