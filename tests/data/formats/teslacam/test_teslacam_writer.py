"""A drive that was written has the form of a TeslaCam event, and its telemetry and times come back."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fsd.data.clock import tick_time_ns
from fsd.data.errors import ClipError, OutputError
from fsd.data.formats.teslacam.telemetry import read_telemetry
from fsd.data.formats.teslacam.telemetry_message import DRIVE, TelemetryMessage
from fsd.data.formats.teslacam.teslacam_writer import HW3_CAMERAS, HW4_CAMERAS, TeslaCamWriter

START = datetime(2026, 1, 2, 2, 59, 10, tzinfo=UTC)
FIRST_NS = 5_000_000_000


def message(number: int) -> TelemetryMessage:
    return TelemetryMessage(
        gear=DRIVE,
        frame_sequence_number=number,
        speed_mps=0.5 * number,
        steering_wheel_angle_deg=-number,
        blinker_right=number % 2 == 0,
        latitude_deg=30.0,
        longitude_deg=-40.0,
        heading_deg=number % 360.0,
    )


def picture(number: int, camera: int, width_px: int = 64, height_px: int = 48) -> np.ndarray:
    image = np.full((height_px, width_px, 3), 40 + 10 * camera, np.uint8)
    image[:, : 8 * (number % 8) + 8] = 200
    return image


def write_event(
    path: Path, times_ns: list[int], cameras: tuple[str, ...] = HW3_CAMERAS, late: frozenset[int] = frozenset()
) -> Path:
    """An event that starts at 23:59:10 local time; `late` are the moments without a picture of the second camera."""
    with TeslaCamWriter(path, START, cameras, utc_offset=timedelta(hours=-3)) as writer:
        for number, time_ns in enumerate(times_ns):
            images: list[np.ndarray | None] = [picture(number, camera) for camera in range(len(cameras))]
            images[1] = None if number in late else images[1]
            writer.write(images, FIRST_NS + time_ns, message(number))
    return next(folder for folder in (path / "SavedClips").iterdir())


TICKS = [tick_time_ns(tick) for tick in range(20)]


@pytest.mark.parametrize("cameras", [HW3_CAMERAS, HW4_CAMERAS])
def test_every_camera_has_the_telemetry_of_its_pictures(tmp_path: Path, cameras: tuple[str, ...]) -> None:
    event = write_event(tmp_path, TICKS, cameras)
    assert sorted(path.name for path in event.iterdir()) == sorted(
        [*(f"2026-01-01_23-59-10-{camera}.mp4" for camera in cameras), "event.json", "thumb.png"]
    )
    for camera in cameras:
        rows = read_telemetry(event / f"2026-01-01_23-59-10-{camera}.mp4")
        assert (rows.pictures, rows.coverage, rows.damaged_messages) == (20, 1.0, 0)
        assert rows.timestamp_ns.tolist() == [round(time_ns / 100_000) * 100_000 for time_ns in TICKS]
        assert rows.speed_mps.tolist() == [0.5 * number for number in range(20)]
        assert rows.heading_deg.tolist() == [float(number) for number in range(20)]
        assert rows.steering_wheel_angle_deg.tolist() == [-float(number) for number in range(20)]
        assert rows.blinker_right.tolist() == [number % 2 == 0 for number in range(20)]
        assert (rows.autopilot_state == 0).all()


def test_the_video_is_coded_as_in_the_car(tmp_path: Path) -> None:
    event = write_event(tmp_path, TICKS)
    with av.open(str(event / "2026-01-01_23-59-10-front.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.profile) == ("h264", "Constrained Baseline")
        assert (str(stream.time_base), stream.codec_context.pix_fmt) == ("1/10000", "yuv420p")
        assert container.metadata["creation_time"] == "2026-01-02T02:59:10.000000Z"
        assert len(container.streams) == 1
        packets = [packet for packet in container.demux() if packet.size]
        assert [packet.pts == packet.dts for packet in packets] == [True] * 20
        assert [index for index, packet in enumerate(packets) if packet.is_keyframe] == [0, 9, 18]


def test_pictures_are_those_that_were_given(tmp_path: Path) -> None:
    event = write_event(tmp_path, TICKS)
    for camera, name in enumerate(HW3_CAMERAS):
        with av.open(str(event / f"2026-01-01_23-59-10-{name}.mp4")) as container:
            shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        off = [np.abs(image.astype(int) - picture(number, camera)).mean() for number, image in enumerate(shown)]
        assert (len(off), max(off) < 10) == (20, True)


def test_a_new_minute_is_a_new_segment_and_a_late_camera_stays_late(tmp_path: Path) -> None:
    times_ns = [*TICKS, *(60_000_000_000 + time_ns for time_ns in TICKS), 125_000_000_000]
    event = write_event(tmp_path, times_ns, late=frozenset({20, 21, 22}))
    assert event.name == "2026-01-02_00-01-15"
    stamps = ["2026-01-01_23-59-10", "2026-01-02_00-00-10", "2026-01-02_00-01-10"]
    assert sorted(path.name for path in event.glob("*-back.mp4")) == [f"{stamp}-back.mp4" for stamp in stamps]
    second = [read_telemetry(event / f"{stamps[1]}-{camera}.mp4") for camera in ("front", "back")]
    assert [int(rows.timestamp_ns[0]) for rows in second] == [0, 83_300_000]
    assert [int(rows.frame_sequence_number[0]) for rows in second] == [20, 23]
    assert read_telemetry(event / f"{stamps[2]}-front.mp4").timestamp_ns.tolist() == [5_000_000_000]
    with av.open(str(event / f"{stamps[2]}-front.mp4")) as container:
        assert container.metadata["creation_time"] == "2026-01-02T03:01:10.000000Z"


def test_the_event_file_holds_texts_and_the_thumbnail_is_a_picture(tmp_path: Path) -> None:
    event = write_event(tmp_path, TICKS)
    values = json.loads((event / "event.json").read_text(encoding="utf-8"))
    assert list(values) == ["timestamp", "city", "est_lat", "est_lon", "reason", "camera"]
    assert all(isinstance(value, str) for value in values.values())
    assert (values["timestamp"], values["city"], values["camera"]) == ("2026-01-01T23:59:10", "", "0")
    assert (values["est_lat"], values["est_lon"]) == ("30.0000", "-40.0000")
    with Image.open(event / "thumb.png") as thumb:
        assert (thumb.size, thumb.convert("L").getextrema()[1] > 150) == ((320, 240), True)


def test_a_moment_without_telemetry_has_no_message(tmp_path: Path) -> None:
    with TeslaCamWriter(tmp_path, START, ("front",)) as writer:
        for number in range(4):
            writer.write([picture(number, 0)], TICKS[number], message(number) if number % 2 else None)
    rows = read_telemetry(next(tmp_path.glob("SavedClips/*/*-front.mp4")))
    assert (rows.frame_sequence_number.tolist(), rows.pictures) == ([1, 3], 4)


def test_a_drive_that_fails_leaves_what_was_recorded(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), TeslaCamWriter(tmp_path, START, ("front",)) as writer:
        writer.write([picture(0, 0)], 0, message(0))
        raise ZeroDivisionError
    assert len(read_telemetry(next(tmp_path.glob("SavedClips/*/*-front.mp4")))) == 1


def test_nothing_written_leaves_no_event(tmp_path: Path) -> None:
    TeslaCamWriter(tmp_path, START).close()
    assert list((tmp_path / "SavedClips").iterdir()) == []


def test_misuse_is_refused(tmp_path: Path) -> None:
    with TeslaCamWriter(tmp_path, START, ("front", "back")) as writer:
        with pytest.raises(ClipError, match="2 cameras"):
            writer.write([picture(0, 0)], 0, None)
        writer.write([picture(0, 0), picture(0, 1)], 100, None)
        with pytest.raises(ClipError, match="does not rise"):
            writer.write([picture(1, 0), picture(1, 1)], 100, None)
        with pytest.raises(ClipError, match=r"32x32.*64x48"):
            writer.write([picture(1, 0, 32, 32), picture(1, 1)], 200, None)
        with pytest.raises(ClipError, match="float64"):
            writer.write([picture(1, 0) / 2, picture(1, 1)], 300, None)
    with pytest.raises(ValueError, match="whole seconds"):
        TeslaCamWriter(tmp_path, START.replace(microsecond=1))


def test_a_recording_is_not_written_over(tmp_path: Path) -> None:
    write_event(tmp_path, TICKS[:2])
    with pytest.raises(OutputError, match="already holds"):
        TeslaCamWriter(tmp_path, START, utc_offset=timedelta(hours=-3))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ClipError, match="file"):
        TeslaCamWriter(tmp_path / "file", START)
