"""Pictures in single files: every kind shows its own number, and what is damaged is counted and skipped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsd.data.errors import ClipError
from fsd.data.image_stream import ImageStream, image_stream, images_in
from fsd.data.picture_times import timed_pictures
from fsd.data.planes import frame_of
from fsd.data.sync_report import CameraCounters

STEP_NS = 50_000_000


def shown(tools: Any, stream: ImageStream) -> tuple[list[tuple[int, int, int]], CameraCounters]:
    """(index, time, number) of every picture of a stream, and its counters."""
    counters = CameraCounters()
    size_px = (stream.width_px, stream.height_px)
    rows = []
    for picture in timed_pictures(stream, counters):
        frame = frame_of(picture.picture, picture.index, picture.timestamp_ns, size_px)
        assert frame.y_plane.shape == size_px[::-1]
        assert frame.u_plane.shape == ((size_px[1] + 1) // 2, (size_px[0] + 1) // 2)
        rows.append((frame.index, frame.timestamp_ns, tools.number_in(frame.y_plane)))
    return rows, counters


def write(tools: Any, folder: Path, count: int, suffix: str = ".jpg", **settings: Any) -> ImageStream:
    files = [tools.write_image(folder / f"{k}{suffix}", 100 + k, **settings) for k in range(count)]
    return image_stream("rear", files, STEP_NS * np.arange(count))


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".jpg", "RGB"), (".jpg", "L"), (".png", "RGB"), (".png", "L"), (".png", "I;16"), (".png", "P"), (".png", "RGBA")],
)
@pytest.mark.parametrize("size_px", [(64, 48), (65, 49)])
def test_every_kind_of_image_shows_its_picture(
    tools: Any, tmp_path: Path, suffix: str, mode: str, size_px: tuple[int, int]
) -> None:
    stream = write(tools, tmp_path, 3, suffix, mode=mode, size_px=size_px)
    rows, counters = shown(tools, stream)
    assert rows == [(k, STEP_NS * k, 100 + k) for k in range(3)]
    assert (counters.frames_decoded, counters.corrupt_packets, counters.lost_frames) == (3, 0, 0)
    assert (stream.codec, float(stream.rate_hz)) == ("mjpeg" if suffix == ".jpg" else "png", 20.0)
    assert stream.period_ns == STEP_NS


def test_white_and_black_come_out_in_limited_range(tools: Any, tmp_path: Path) -> None:
    from PIL import Image

    for suffix in (".jpg", ".png"):
        pixels = np.repeat(np.where(np.arange(64) < 32, 0, 255)[None, :], 48, axis=0).astype(np.uint8)
        path = tmp_path / f"half{suffix}"
        Image.fromarray(pixels).convert("RGB").save(path)
        stream = image_stream("rear", [path], np.zeros(1, np.int64))
        picture = next(stream.pictures(CameraCounters()))
        luma = frame_of(picture.picture, 0, 0, (64, 48)).y_plane
        assert abs(int(luma[24, 8]) - 16) <= 1
        assert abs(int(luma[24, 56]) - 235) <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_damaged_and_missing_images_are_counted_and_keep_their_place(tools: Any, tmp_path: Path, suffix: str) -> None:
    stream = write(tools, tmp_path, 8, suffix)
    images = stream.images
    images[1].write_bytes(images[1].read_bytes()[: images[1].stat().st_size // 2])  # cut off
    images[2].write_bytes(b"")
    images[3].write_text("no image, just words")
    images[5].unlink()
    rows, counters = shown(tools, stream)
    assert rows == [(k, STEP_NS * k, 100 + k) for k in (0, 4, 6, 7)]
    assert (counters.corrupt_packets, counters.lost_frames, counters.frames_decoded) == (3, 4, 4)
    assert counters.gaps == 2


def test_a_jpeg_cut_off_near_its_end_is_not_shown_half_gray(tools: Any, tmp_path: Path) -> None:
    stream = write(tools, tmp_path, 3, size_px=(320, 240))
    images = stream.images
    images[1].write_bytes(images[1].read_bytes()[:-20])
    assert [index for index, _, _ in shown(tools, stream)[0]] == [0, 2]


def test_a_damaged_first_image_does_not_hide_the_camera(tools: Any, tmp_path: Path) -> None:
    files = [tools.write_image(tmp_path / f"{k}.png", k) for k in range(3)]
    files[0].write_bytes(b"")
    stream = image_stream("rear", files, STEP_NS * np.arange(3))
    assert (stream.width_px, stream.height_px) == (64, 48)
    assert [number for _, _, number in shown(tools, stream)[0]] == [1, 2]


def test_images_of_which_none_can_be_decoded_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.png" for k in range(3)]
    for file in files:
        file.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ClipError, match=r"0\.png") as caught:
        image_stream("rear", files, STEP_NS * np.arange(3))
    assert caught.value.camera == "rear"


def test_a_file_is_read_when_it_is_due(tools: Any, tmp_path: Path) -> None:
    stream = write(tools, tmp_path, 3)
    pictures = stream.pictures(CameraCounters())
    assert next(pictures).index == 0
    tools.write_image(stream.images[1], 7)  # replaced after the first was shown
    picture = next(pictures)
    assert tools.number_in(frame_of(picture.picture, 1, 0, (64, 48)).y_plane) == 7


def test_an_image_of_another_size_is_scaled_and_counted(tools: Any, tmp_path: Path) -> None:
    stream = write(tools, tmp_path, 3)
    tools.write_image(stream.images[1], 101, size_px=(128, 96))
    rows, counters = shown(tools, stream)
    assert [number for _, _, number in rows] == [100, 101, 102]
    assert counters.resized_frames == 1


def test_numbers_in_names_sort_by_value(tools: Any, tmp_path: Path) -> None:
    for k in (0, 2, 10, 9):
        tools.write_image(tmp_path / f"frame{k}.png", k)
    (tmp_path / "notes.txt").touch()
    assert [path.stem for path in images_in(tmp_path)] == ["frame0", "frame2", "frame9", "frame10"]


def test_cadence_and_stretches_are_those_of_the_times(tools: Any, tmp_path: Path) -> None:
    files = [tools.write_image(tmp_path / f"{k}.png", k) for k in range(40)]
    times_ns = STEP_NS * np.arange(40) + 2_000_000 * (np.arange(40) % 2)
    times_ns[30:] += 5_000_000_000
    stream = image_stream("rear", files, times_ns)
    assert stream.cadence is not None
    assert 1_000_000 <= stream.cadence.jitter_ns < 3_000_000
    assert stream.spans_ns == ((times_ns[0], times_ns[29]), (times_ns[30], times_ns[39]))


def test_an_image_larger_than_any_camera_makes_takes_no_memory(tools: Any, tmp_path: Path) -> None:
    """A PNG of 400 kB would become 400 MB."""
    for k in range(3):
        tools.write_image(tmp_path / f"{k}.png", k)
    Image.new("L", (20_000, 20_000)).save(tmp_path / "1.png")
    counters = CameraCounters()
    stream = image_stream("rear", [tmp_path / f"{k}.png" for k in range(3)], np.arange(3) * 50_000_000)
    assert [picture.index for picture in stream.pictures(counters)] == [0, 2]
    assert counters.corrupt_packets == 1
