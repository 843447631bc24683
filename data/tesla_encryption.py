"""Recognise clips that a Tesla has encrypted (firmware 2026.20 and later), by their header; nothing in them is read.

Source: the layout as users of such clips describe it: no `ftyp` box; big-endian u64 size of the plain file, two u32
whose XOR is a constant, a version. The second page holds a key and the VIN, which is never read here.
"""

import struct
from pathlib import Path

_HEADER = struct.Struct(">QIIII")
_XOR = 0x3C81B7F5
_VERSION = 0x03000002

ADVICE = (
    "Tesla has encrypted it, and only the car's owner can decrypt it, on Tesla's website. To record clips that open "
    "everywhere, switch the encryption of Dashcam clips off in the car, under Controls > Safety"
)


def is_encrypted(path: Path) -> bool:
    """Whether a file is an encrypted TeslaCam clip; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError:
        return False
    if len(head) < _HEADER.size:
        return False
    _, first, second, version, _ = _HEADER.unpack(head)
    return bool(first ^ second == _XOR and version == _VERSION)
