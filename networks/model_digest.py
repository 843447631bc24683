"""The SHA-256 of a model file without its metadata, where the digest itself is stored.

Parses only the top-level protobuf fields of `ModelProto`, so that the engine can check a file without the onnx package.
"""

import hashlib
from collections.abc import Iterator

from fsd.data.errors import ModelError

METADATA_FIELD = 14
"""`metadata_props` in `ModelProto`. Source: onnx.proto3."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def model_sha256(content: bytes, origin: str) -> str:
    """Digest of a serialised model without its metadata.

    Raises:
        ModelError: the bytes are not a protobuf message; `origin` names the file in errors.
    """
    digest = hashlib.sha256()
    for field, start, end in _fields(content, origin):
        if field != METADATA_FIELD:
            digest.update(content[start:end])
    return digest.hexdigest()


def check_digest(content: bytes, recorded: str, origin: str) -> None:
    """Refuse a model file that changed after its export; a file without a recorded digest passes.

    Raises:
        ModelError: the content does not match the digest.
    """
    if recorded and model_sha256(content, origin) != recorded:
        raise ModelError(
            f"{origin} was changed or damaged after its export: its content does not match the SHA-256 in its "
            "metadata. Copy or export it again."
        )


def _fields(content: bytes, origin: str) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of every top-level field, tag included."""
    position = 0
    while position < len(content):
        start = position
        tag, position = _varint(content, position, origin)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _varint(content, position, origin)
        elif kind == _BYTES:
            size, position = _varint(content, position, origin)
            position += size
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise _damaged(origin)
        if position > len(content):
            raise _damaged(origin)
        yield tag >> 3, start, position


def _varint(content: bytes, position: int, origin: str) -> tuple[int, int]:
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
