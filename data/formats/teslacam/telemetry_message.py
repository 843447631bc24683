"""The telemetry message of a TeslaCam picture: its protobuf fields, and the SEI message of the video that carries it.

Sources: the message is `SeiMetadata` of the schema that the maker publishes (github.com/teslamotors/dashcam,
`dashcam.proto`, proto3); the SEI syntax is ITU-T H.264 7.3.2.3 and H.265 7.3.2.4, emulation prevention H.264 7.4.1.
The payload has type 5 (user data unregistered) without a UUID: the bytes `BBBi`, then the message. FFmpeg hands out
only payloads of 16 bytes and more, so a short message (a parked car without a GPS fix) is found here alone.
"""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

MARKER = b"BBBi"
"""First bytes of the SEI payload."""

PARK, DRIVE, REVERSE, NEUTRAL = range(4)
"""Values of `TelemetryMessage.gear`."""

_USER_DATA_UNREGISTERED = 5
_SEI_TYPES = {"h264": (1, lambda first: first & 0x1F == 6), "hevc": (2, lambda first: first >> 1 & 0x3F == 39)}
"""Codec -> (bytes of the NAL unit header, whether its first byte says that this is a (prefix) SEI)."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_FIELD = 2**29 - 1  # protobuf's largest number of a field
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class TelemetryMessage:
    """What the car says about one picture. proto3 leaves zeros out, so a value that is absent is 0.

    Attributes:
        gear: 0 park, 1 drive, 2 reverse, 3 neutral.
        frame_sequence_number: counts pictures; not used to order them.
        speed_mps: not negative in reverse gear.
        accelerator_pedal_position: the schema states no unit; public viewers read percent.
        steering_wheel_angle_deg: the schema states neither unit nor sign; degrees, positive to the right, is inferred.
        autopilot_state: 0 none, 1 self-driving, 2 autosteer, 3 traffic-aware cruise control.
        latitude_deg, longitude_deg: NaN without a fix, which is where both are absent.
        heading_deg: clockwise from north; NaN where it is absent and there is no fix, 0 where it is absent with one.
        acceleration_x_mps2, acceleration_y_mps2, acceleration_z_mps2: NaN where all three are absent; the schema does
            not say which axis points where.
    """

    version: int = 1
    gear: int = PARK
    frame_sequence_number: int = 0
    speed_mps: float = 0.0
    accelerator_pedal_position: float = 0.0
    steering_wheel_angle_deg: float = 0.0
    blinker_left: bool = False
    blinker_right: bool = False
    brake_applied: bool = False
    autopilot_state: int = 0
    latitude_deg: float = _NAN
    longitude_deg: float = _NAN
    heading_deg: float = _NAN
    acceleration_x_mps2: float = _NAN
    acceleration_y_mps2: float = _NAN
    acceleration_z_mps2: float = _NAN

    @classmethod
    def decode(cls, payload: bytes) -> Self | None:
        """The message in these bytes; None where they are damaged, or say nothing. Unknown fields are skipped."""
        values = _ZEROS.copy()
        is_empty = True
        try:
            for number, wire_type, value in _fields(payload):
                name, kind = _FIELDS.get(number, ("", ""))
                is_empty &= not name
                if kind == "f" and wire_type == _FIXED32:
                    values[name] = _FLOAT.unpack(value)[0]
                elif kind == "d" and wire_type == _FIXED64:
                    values[name] = _DOUBLE.unpack(value)[0]
                elif kind in ("i", "b") and wire_type == _VARINT:
                    values[name] = bool(value) if kind == "b" else value
        except _DamagedError:
            return None
        if is_empty:  # not a car that stands: every message states its version
            return None
        if values["latitude_deg"] == 0 and values["longitude_deg"] == 0:
            values["latitude_deg"] = values["longitude_deg"] = _NAN
            values["heading_deg"] = values["heading_deg"] or _NAN
        if not any(values[name] for name in _ACCELERATIONS):
            values.update(dict.fromkeys(_ACCELERATIONS, _NAN))
        return cls(**values)

    def encode(self) -> bytes:
        """The message as proto3 bytes: zeros and NaN are left out."""
        encoded = bytearray()
        for number, (name, kind) in _FIELDS.items():
            value = getattr(self, name)
            if not value or math.isnan(value):
                continue
            if kind == "f":
                encoded += _varint(number << 3 | _FIXED32) + struct.pack("<f", value)
            elif kind == "d":
                encoded += _varint(number << 3 | _FIXED64) + struct.pack("<d", value)
            else:
                encoded += _varint(number << 3 | _VARINT) + _varint(int(value))
        return bytes(encoded)


_NAMES = tuple(field.name for field in fields(TelemetryMessage))
_FIELDS = dict(enumerate(zip(_NAMES, "iiifffbbbidddddd", strict=True), 1))
"""Number of the field in the schema -> (attribute, kind): i whole number or enum, b bool, f float, d double."""


_ZEROS: dict[str, Any] = {name: {"i": 0, "b": False, "f": 0.0, "d": 0.0}[kind] for name, kind in _FIELDS.values()}
_ACCELERATIONS = tuple(f"acceleration_{axis}_mps2" for axis in "xyz")
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class _DamagedError(ValueError):
    """The bytes are no protobuf message."""


def _fields(payload: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and raw value of every field."""
    at = 0
    while at < len(payload):
        key, at = _read_varint(payload, at)
        number, wire_type = key >> 3, key & 7
        value: Any
        if wire_type == _VARINT:
            value, at = _read_varint(payload, at)
        else:
            if wire_type == _BYTES:
                length, at = _read_varint(payload, at)
            elif wire_type in (_FIXED32, _FIXED64):
                length = 4 if wire_type == _FIXED32 else 8
            else:  # groups are not part of proto3
                raise _DamagedError
            value, at = payload[at : at + length], at + length
        if not 0 < number <= _MAX_FIELD or at > len(payload):
            raise _DamagedError
        yield number, wire_type, value


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    if at < len(payload) and payload[at] < 0x80:  # most are of one byte
        return payload[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(payload):
            break
        byte, at = payload[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise _DamagedError


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def sei_nal(message: TelemetryMessage, codec: str = "h264") -> bytes:
    """The SEI NAL unit that carries a message, with emulation prevention, without start code or length."""
    header = b"\x06" if codec == "h264" else bytes([39 << 1, 1])
    payload = MARKER + message.encode()
    size = b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255])
    raw = bytes([_USER_DATA_UNREGISTERED]) + size + payload + b"\x80"
    return header + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", raw)


def messages_in(data: bytes | memoryview, nal_length_size: int | None, codec: str) -> list[bytes | None]:
    """Every telemetry message in the bytes of a packet, still encoded; None for one that is cut off.

    Args:
        data: one access unit.
        nal_length_size: bytes of the length before each NAL unit (`nal_length_size_of`); None for start codes.
        codec: as FFmpeg names it; anything but `h264` and `hevc` has no messages.
    """
    if codec not in _SEI_TYPES:
        return []
    header_bytes, is_sei = _SEI_TYPES[codec]
    found: list[bytes | None] = []
    units = _start_code_units(bytes(data)) if nal_length_size is None else _length_units(data, nal_length_size)
    for unit in units:
        if len(unit) > header_bytes and is_sei(unit[0]):
            found += _messages_in_sei(bytes(unit[header_bytes:]).replace(b"\0\0\3", b"\0\0"))
    return found


def nal_length_size_of(extradata: bytes | None, codec: str) -> int | None:
    """Bytes of the length before each NAL unit, from `avcC` or `hvcC`; None where the stream has start codes.

    Source: ISO/IEC 14496-15, `lengthSizeMinusOne`.
    """
    at = 4 if codec == "h264" else 21
    if extradata is None or len(extradata) <= at or extradata[:3] in (b"\0\0\1", b"\0\0\0"):
        return None
    return (extradata[at] & 3) + 1


def _length_units(data: bytes | memoryview, nal_length_size: int) -> Iterator[bytes | memoryview]:
    at = 0
    while at + nal_length_size < len(data):
        length = int.from_bytes(data[at : at + nal_length_size], "big")
        at += nal_length_size
        yield data[at : at + length]
        at += length


def _start_code_units(data: bytes) -> Iterator[bytes]:
    at = data.find(b"\0\0\1")
    while at >= 0:
        end = data.find(b"\0\0\1", at + 3)
        yield (data[at + 3 :] if end < 0 else data[at + 3 : end]).rstrip(b"\0")
        at = end


def _messages_in_sei(body: bytes) -> Iterator[bytes | None]:
    """The telemetry messages among the messages of one SEI, whose bytes have no emulation prevention any more."""
    at = 0
    while at + 2 < len(body):  # one byte is left after the last message: the trailing bits
        kind, at = _read_ff_coded(body, at)
        size, at = _read_ff_coded(body, at)
        payload = body[at : at + size]
        at += size
        if kind == _USER_DATA_UNREGISTERED and payload.startswith(MARKER):
            yield payload[len(MARKER) :] if at <= len(body) else None


def _read_ff_coded(body: bytes, at: int) -> tuple[int, int]:
    """A number that is coded as bytes 0xFF and a last byte below it."""
    value = 0
    while at < len(body):
        byte, at = body[at], at + 1
        value += byte
        if byte != 0xFF:
            break
    return value, at
