"""The message and its SEI: what is encoded is decoded, and no damage raises."""

import math
import random
import struct

import pytest

from fsd.data.formats.teslacam.telemetry_message import (
    DRIVE,
    MARKER,
    REVERSE,
    TelemetryMessage,
    messages_in,
    nal_length_size_of,
    sei_nal,
)

MESSAGE = TelemetryMessage(
    gear=DRIVE,
    frame_sequence_number=70_000,
    speed_mps=12.5,
    accelerator_pedal_position=20.0,
    steering_wheel_angle_deg=-3.5,
    blinker_left=True,
    brake_applied=True,
    autopilot_state=2,
    latitude_deg=30.25,
    longitude_deg=-40.5,
    heading_deg=359.5,
    acceleration_x_mps2=0.25,
    acceleration_y_mps2=-0.5,
    acceleration_z_mps2=0.0,
)
START = b"\0\0\0\1"


def length_prefixed(unit: bytes, size: int = 4) -> bytes:
    return len(unit).to_bytes(size, "big") + unit


def test_fields_have_the_numbers_and_types_of_the_schema() -> None:
    payload = b"\x08\x02\x10\x02\x18\xac\x02" + b"\x25" + struct.pack("<f", 3.0) + b"\x35" + struct.pack("<f", -8.0)
    payload += b"\x40\x01\x50\x03" + b"\x59" + struct.pack("<d", 1.5) + b"\x69" + struct.pack("<d", 90.0)
    payload += b"\x82\x01\x01?"  # an unknown form of field 16: bytes instead of a double
    decoded = TelemetryMessage.decode(payload)
    assert decoded is not None
    assert (decoded.version, decoded.gear, decoded.frame_sequence_number) == (2, REVERSE, 300)
    assert (decoded.speed_mps, decoded.steering_wheel_angle_deg) == (3.0, -8.0)
    assert (decoded.blinker_left, decoded.blinker_right, decoded.autopilot_state) == (False, True, 3)
    assert (decoded.latitude_deg, decoded.longitude_deg, decoded.heading_deg) == (1.5, 0.0, 90.0)
    assert math.isnan(decoded.acceleration_z_mps2)


def test_a_message_comes_back() -> None:
    assert TelemetryMessage.decode(MESSAGE.encode()) == MESSAGE


def test_absent_speed_is_standing_and_an_absent_position_is_no_fix() -> None:
    decoded = TelemetryMessage.decode(TelemetryMessage().encode())
    assert decoded is not None
    assert (decoded.speed_mps, decoded.gear, decoded.brake_applied) == (0.0, 0, False)
    assert all(math.isnan(value) for value in (decoded.latitude_deg, decoded.longitude_deg, decoded.heading_deg))


@pytest.mark.parametrize("payload", [b"", b"\xf8\x01\x05"])
def test_a_message_that_says_nothing_is_not_a_car_that_stands(payload: bytes) -> None:
    assert TelemetryMessage.decode(payload) is None


def test_with_a_fix_an_absent_heading_is_north() -> None:
    decoded = TelemetryMessage.decode(TelemetryMessage(latitude_deg=1.0, longitude_deg=2.0, heading_deg=0.0).encode())
    assert decoded is not None
    assert decoded.heading_deg == 0.0


def test_unknown_fields_are_skipped() -> None:
    unknown = b"\xf8\x01\x05" + b"\xfa\x01\x03abc" + b"\xf9\x01" + bytes(8) + b"\xfd\x01" + bytes(4)
    assert TelemetryMessage.decode(unknown + MESSAGE.encode() + unknown) == MESSAGE


@pytest.mark.parametrize(
    "payload",
    [b"\x08", b"\x25\0\0\0", b"\x59" + bytes(7), b"\x0b\x0c", b"\xfa\x01\x09abc", b"\x00\x01", b"\x08" + b"\xff" * 11],
    ids=["varint", "float", "double", "group", "bytes", "field 0", "endless varint"],
)
def test_damaged_bytes_are_no_message(payload: bytes) -> None:
    assert TelemetryMessage.decode(payload) is None


def test_random_bytes_never_raise() -> None:
    random_bytes = random.Random(1)
    for _ in range(2000):
        data = MARKER + random_bytes.randbytes(random_bytes.randrange(60))
        TelemetryMessage.decode(data[4:])
        messages_in(b"\0\0\1\x06" + data, None, "h264")
        messages_in(data, random_bytes.choice((1, 2, 4)), "h264")
        messages_in(b"\0\0\0\x20\x06\x05\x30" + data, 4, "h264")


@pytest.mark.parametrize("size", [1, 2, 4])
def test_found_behind_lengths(size: int) -> None:
    data = b"".join(length_prefixed(unit, size) for unit in (b"\x09\xf0", sei_nal(MESSAGE), b"\x65slice"))
    assert messages_in(data, size, "h264") == [MESSAGE.encode()]


def test_found_between_start_codes() -> None:
    data = START + b"\x09\xf0" + b"\0\0\1" + sei_nal(MESSAGE) + START + b"\x65slice"
    assert messages_in(memoryview(data), None, "h264") == [MESSAGE.encode()]


def test_found_in_hevc_and_not_in_other_codecs() -> None:
    data = length_prefixed(sei_nal(MESSAGE, "hevc")) + length_prefixed(b"\x26\x01slice")
    assert messages_in(data, 4, "hevc") == [MESSAGE.encode()]
    assert messages_in(data, 4, "mpeg4") == messages_in(data, 4, "h264") == []


def test_zeros_in_the_message_survive_emulation_prevention() -> None:
    message = TelemetryMessage(speed_mps=1.0, latitude_deg=2.0, longitude_deg=2.0**-1022, heading_deg=3e-310)
    unit = sei_nal(message)
    assert b"\0\0\0" in message.encode()
    assert not any(code in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    found = messages_in(START + unit + START + b"\x65slice", None, "h264")
    assert found == [message.encode()]


def test_several_messages_in_one_sei_and_sizes_above_255() -> None:
    other = b"\x05\x14" + bytes(range(65, 81)) + b"uuid"  # another user of payload type 5, with a UUID
    padding = b"\xfa\x01\xc8\x02" + bytes(range(1, 165)) * 2  # an unknown field of 328 bytes
    long = MARKER + MESSAGE.encode() + padding
    body = other + b"\xff\x01\x02ab" + b"\x05" + b"\xff" * (len(long) // 255) + bytes([len(long) % 255]) + long
    body += b"\x05" + bytes([len(MARKER) + 2]) + MARKER + b"\x10\x01"
    found = messages_in(length_prefixed(b"\x06" + body + b"\x80"), 4, "h264")
    assert [payload and TelemetryMessage.decode(payload) for payload in found] == [
        MESSAGE,
        TelemetryMessage(version=0, gear=DRIVE),
    ]
    assert len(long) > 255


def test_a_message_that_is_cut_off_is_reported_as_such() -> None:
    data = length_prefixed(sei_nal(MESSAGE))
    cut = data[:40]  # ends between two fields or inside one: both would read as a message with zeros
    assert messages_in(cut, 4, "h264") == [None]


def test_the_length_size_comes_from_the_extradata() -> None:
    assert nal_length_size_of(b"\x01\x42\xc0\x1e\xff\xe1", "h264") == 4
    assert nal_length_size_of(b"\x01\x42\xc0\x1e\xfd\xe1", "h264") == 2
    assert nal_length_size_of(b"\x01" + bytes(20) + b"\xfc\0", "hevc") == 1
    assert nal_length_size_of(b"\0\0\0\1\x67\x42", "h264") is None
    assert nal_length_size_of(None, "h264") is None
