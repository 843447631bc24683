"""NAL units of H.264 and H.265 in Annex B form: what passed-through packets are searched for.

Source: ITU-T H.264 (08/2021) and H.265 (08/2021): byte stream in Annex B, NAL unit types in table 7-1, SEI messages in
7.3.2.3, slice header in 7.3.3. The telemetry of TeslaCam: an SEI message of payload type 5 whose payload begins with
the bytes 42 42 42 69, without a UUID (github.com/teslamotors/dashcam).
"""

import re
from collections.abc import Iterator

TELEMETRY_MARK = b"BBBi"
_USER_DATA_UNREGISTERED = 5
_START_CODE = re.compile(rb"\x00?\x00\x00\x01")
_SEI_TYPES = {"h264": (6,), "hevc": (39, 40)}
_SPS_TYPE = {"h264": 7, "hevc": 33}
_HEADER_BYTES = {"h264": 1, "hevc": 2}


def without_telemetry(data: bytes, codec: str) -> bytes:
    """One packet without the SEI NAL units that hold TeslaCam telemetry (position, speed); all others as they are.

    Args:
        data: in Annex B form; codec: `h264` or `hevc`.
    """
    if TELEMETRY_MARK not in data:  # no zeros in it, so no emulation prevention byte can lie inside
        return data
    kept = b"".join(
        data[start:end]
        for start, begin, end in _nal_units(data)
        if not (_nal_type(data[begin], codec) in _SEI_TYPES[codec] and _holds_telemetry(data[begin:end], codec))
    )
    # The first NAL unit of an access unit needs the long start code.
    is_short = data.startswith(b"\x00\x00\x00\x01") and kept.startswith(b"\x00\x00\x01")
    return b"\x00" + kept if is_short else kept


def has_b_slice(data: bytes) -> bool:
    """Whether a packet of H.264 in Annex B form has a B slice."""
    for _, begin, end in _nal_units(data):
        if _nal_type(data[begin], "h264") in (1, 2, 5):
            bits = _bits(_unescaped(data[begin + 1 : min(end, begin + 24)]))
            _exp_golomb(bits)  # first_mb_in_slice
            if _exp_golomb(bits) % 5 == 1:
                return True
    return False


def sequence_parameter_sets(data: bytes, codec: str) -> list[bytes]:
    """The sequence parameter sets of a packet in Annex B form."""
    units = (data[begin:end] for _, begin, end in _nal_units(data))
    return [unit.rstrip(b"\x00") for unit in units if _nal_type(unit[0], codec) == _SPS_TYPE[codec]]


def _nal_units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start with the start code, start without it, and end of every NAL unit that is not empty."""
    codes = list(_START_CODE.finditer(data))
    ends = [code.start() for code in codes[1:]] + [len(data)]
    for code, end in zip(codes, ends, strict=True):
        if code.end() < end:
            yield code.start(), code.end(), end


def _nal_type(first_byte: int, codec: str) -> int:
    return first_byte & 31 if codec == "h264" else first_byte >> 1 & 63


def _unescaped(payload: bytes) -> bytes:
    """Without emulation prevention bytes."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


def _holds_telemetry(unit: bytes, codec: str) -> bool:
    payload = _unescaped(unit[_HEADER_BYTES[codec] :])
    place = 0
    while place + 2 < len(payload):  # what is left at the end are the trailing bits
        kind, place = _sei_number(payload, place)
        size, place = _sei_number(payload, place)
        if kind == _USER_DATA_UNREGISTERED and payload.startswith(TELEMETRY_MARK, place):
            return True
        place += size
    return False


def _sei_number(payload: bytes, place: int) -> tuple[int, int]:
    """Type or size of an SEI message, written as bytes of 255 and a last one; and the place behind it."""
    number = 0
    while place < len(payload) and payload[place] == 255:
        number, place = number + 255, place + 1
    return number + (payload[place] if place < len(payload) else 0), place + 1


def _bits(data: bytes) -> Iterator[int]:
    return (byte >> shift & 1 for byte in data for shift in range(7, -1, -1))


def _exp_golomb(bits: Iterator[int]) -> int:
    """An unsigned Exp-Golomb number, ue(v)."""
    zeros = 0
    for bit in bits:
        if bit:
            break
        zeros += 1
    rest = 0
    for _ in range(zeros):
        rest = rest << 1 | next(bits, 0)
    return (1 << zeros) - 1 + rest
