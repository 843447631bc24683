"""Rows of a file: bound to the picture as the decoder binds them, damage dropped and counted."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from fsd.data.clock import floor_ns
from fsd.data.errors import ClipError
from fsd.data.formats.teslacam.telemetry import TelemetryRows, read_telemetry
from fsd.data.formats.teslacam.telemetry_message import DRIVE, MARKER, TelemetryMessage, sei_nal

TIME_BASE = Fraction(1, 10_000)
BASELINE = {"profile": "baseline", "preset": "ultrafast", "g": "9", "tune": "zerolatency"}
WITH_B_FRAMES = {"preset": "ultrafast", "bf": "3", "b-adapt": "0", "g": "12"}
HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1:bframes=3:b-adapt=0"}


def message(number: int) -> TelemetryMessage:
    return TelemetryMessage(
        gear=DRIVE,
        frame_sequence_number=1000 + number,
        speed_mps=10 + 0.25 * number,
        steering_wheel_angle_deg=-0.5 * number,
        latitude_deg=30 + 1e-6 * number,
        longitude_deg=-40.0,
        heading_deg=(350 + number) % 360.0,
    )


def write(
    path: Path,
    message_of: Callable[[int], TelemetryMessage | bytes | None],
    pictures: int = 24,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> None:
    """Pictures 27.8 ms apart, with jitter; `message_of` gives the message, or the bytes before the picture."""
    step = [0, 3, -2, 1, -3]
    numbers = {278 * number + 3 + step[number % 5]: number for number in range(pictures)}
    scale = {"video_track_timescale": "10000", "movie_timescale": "10000"} | (container_options or {})
    with av.open(str(path), "w", container_options=scale) as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=36, options=options or BASELINE))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = stream.time_base = TIME_BASE
        stream.codec_context.thread_count = 1
        for pts in [*numbers, None]:
            frame = None
            if pts is not None:
                luma = np.full((72, 64), 40 + 3 * numbers[pts], np.uint8)
                frame = av.VideoFrame.from_ndarray(luma, format="yuv420p")
                frame.pts, frame.time_base = pts, TIME_BASE
            for packet in stream.encode(frame):
                before = message_of(numbers[packet.pts])
                if isinstance(before, TelemetryMessage):
                    before = b"\0\0\0\1" + sei_nal(before, "hevc" if codec == "libx265" else "h264")
                carrier = av.Packet((before or b"") + bytes(packet))
                carrier.pts, carrier.dts, carrier.duration = packet.pts, packet.dts, packet.duration
                carrier.time_base, carrier.stream = packet.time_base, packet.stream
                carrier.is_keyframe = packet.is_keyframe
                container.mux(carrier)


def bound_by_the_decoder(path: Path) -> dict[int, TelemetryMessage | None]:
    """Time of the picture -> message in the side data of the decoded picture."""
    bound = {}
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            for side_data in frame.side_data:
                if bytes(side_data).startswith(MARKER):
                    payload = bytes(side_data)[len(MARKER) :]
                    bound[floor_ns(frame.pts * frame.time_base)] = TelemetryMessage.decode(payload)
    return bound


def bound_by_the_scan(rows: TelemetryRows) -> dict[int, TelemetryMessage]:
    names = [field.name for field in dataclasses.fields(TelemetryMessage) if field.name != "version"]
    return {
        int(rows.timestamp_ns[row]): TelemetryMessage(**{name: getattr(rows, name)[row].item() for name in names})
        for row in range(len(rows))
    }


@pytest.mark.parametrize(
    ("codec", "options", "suffix"),
    [
        ("libx264", BASELINE, ".mp4"),
        ("libx264", WITH_B_FRAMES, ".mp4"),
        ("libx265", HEVC, ".mp4"),
        ("libx264", WITH_B_FRAMES, ".ts"),
    ],
    ids=["baseline", "B-frames", "HEVC with B-frames", "start codes"],
)
@pytest.mark.parametrize("first", [0, 13], ids=["whole", "from mid-clip"])
def test_the_scan_binds_what_the_decoder_binds(
    tmp_path: Path, codec: str, options: dict[str, str], suffix: str, first: int
) -> None:
    path = tmp_path / f"clip{suffix}"
    write(path, lambda number: message(number) if number >= first else None, codec=codec, options=options)
    rows, decoded = read_telemetry(path), bound_by_the_decoder(path)
    assert len(decoded) == 24 - first
    ours = bound_by_the_scan(rows)
    assert ours.keys() == decoded.keys()
    for time_ns, bound in decoded.items():
        assert repr(ours[time_ns]) == repr(bound)  # NaN is equal as text
    assert (rows.pictures, rows.damaged_messages, rows.dropped_values) == (24, 0, 0)
    assert rows.frame_sequence_number.tolist() == list(range(1000 + first, 1024))
    assert np.all(np.diff(rows.timestamp_ns) > 0)


def test_rows_have_the_times_of_the_pictures_and_nan_where_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write(path, lambda number: [message(number), None, TelemetryMessage()][number % 3], pictures=6)
    rows = read_telemetry(path)
    assert rows.timestamp_ns.tolist() == [300_000, 55_700_000, 83_800_000, 139_300_000]
    assert rows.speed_mps.tolist() == [10, 0, 10.75, 0]
    assert np.isnan(rows.heading_deg).tolist() == [False, True, False, True]
    assert (rows.first_ns, rows.last_ns) == (300_000, 139_300_000)
    assert (rows.pictures, rows.coverage) == (6, 4 / 6)


def test_values_that_no_car_has_are_dropped_and_counted(tmp_path: Path) -> None:
    wrong = {
        2: {"speed_mps": 1000.0},
        3: {"speed_mps": float("inf")},
        4: {"latitude_deg": 123.0},
        5: {"heading_deg": 1e300},
        6: {"acceleration_x_mps2": float("-inf")},
    }
    write(tmp_path / "clip.mp4", lambda number: dataclasses.replace(message(number), **wrong.get(number, {})))
    rows = read_telemetry(tmp_path / "clip.mp4")
    assert len(rows) == 24
    assert np.flatnonzero(np.isnan(rows.speed_mps)).tolist() == [2, 3]
    assert np.flatnonzero(np.isnan(rows.longitude_deg)).tolist() == [4]
    assert np.flatnonzero(np.isnan(rows.heading_deg)).tolist() == [5]
    assert rows.dropped_values == 6  # the longitude of a lost latitude as well


def test_a_speed_that_is_no_number_is_dropped_and_counted(tmp_path: Path) -> None:
    nan = b"\0\0\0\1\x06\x05\x09BBBi\x25\0\0\3\xc0\x7f\x80"
    write(tmp_path / "clip.mp4", lambda number: nan if number == 1 else message(number), pictures=3)
    rows = read_telemetry(tmp_path / "clip.mp4")
    assert np.isnan(rows.speed_mps).tolist() == [False, True, False]
    assert rows.dropped_values == 1


def test_damaged_messages_leave_their_picture_without_a_row(tmp_path: Path) -> None:
    damaged = {3: b"\0\0\0\1\x06\x05\x06BBBi\x25\x01\x80", 4: b"\0\0\0\1\x06\x05\x60BBBi\x10\x01\x80"}
    write(tmp_path / "clip.mp4", lambda number: damaged.get(number, message(number)))
    rows = read_telemetry(tmp_path / "clip.mp4")
    assert rows.frame_sequence_number.tolist() == [1000, 1001, 1002, *range(1005, 1024)]
    assert (rows.damaged_messages, rows.pictures) == (2, 24)


def test_a_video_without_telemetry_has_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "clip.mp4", lambda number: None)
    rows = read_telemetry(tmp_path / "clip.mp4")
    assert (len(rows), rows.pictures, rows.coverage) == (0, 24, 0.0)


def test_a_file_that_is_cut_off_gives_the_rows_until_there(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write(path, message, container_options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    rows = read_telemetry(path)
    assert 6 < len(rows) < 24
    assert rows.is_truncated
    assert rows.frame_sequence_number.tolist() == list(range(1000, 1000 + len(rows)))
    assert rows.speed_mps.tolist() == [message(number).speed_mps for number in range(len(rows))]


def test_a_file_without_its_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "front.mp4"
    write(path, message)
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b"moov") - 4])
    with pytest.raises(ClipError, match=r"front\.mp4"):
        read_telemetry(path)
