"""Test clips whose every picture carries its own number, and an oracle that says which number each tick must show."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.data.sync_report import SyncReport

BIT_ROWS, BIT_COLUMNS = 3, 4
DARK, BRIGHT = 60, 190
MILLISECOND = Fraction(1, 1000)
OPTIONS = {
    "libx264": {"preset": "ultrafast", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "mjpeg": {"qscale": "3"},
}
FORMATS = {"libx264": "yuv420p", "libx265": "yuv420p", "libsvtav1": "yuv420p", "mjpeg": "yuvj420p"}


def numbered_luma(number: int, width_px: int, height_px: int) -> np.ndarray:
    """(H, W) uint8 picture that shows `number` as 12 large dark and bright tiles."""
    rows = np.arange(height_px) * BIT_ROWS // height_px
    columns = np.arange(width_px) * BIT_COLUMNS // width_px
    bit = rows[:, None] * BIT_COLUMNS + columns[None, :]
    return np.where(number >> bit & 1, BRIGHT, DARK).astype(np.uint8)


def number_in(luma: np.ndarray) -> int:
    """The number in a picture, from the middle of each tile."""
    height, width = luma.shape
    number = 0
    for bit in range(BIT_ROWS * BIT_COLUMNS):
        row, column = divmod(bit, BIT_COLUMNS)
        tile = luma[
            (4 * row + 1) * height // (4 * BIT_ROWS) : (4 * row + 3) * height // (4 * BIT_ROWS),
            (4 * column + 1) * width // (4 * BIT_COLUMNS) : (4 * column + 3) * width // (4 * BIT_COLUMNS),
        ]
        number |= int(tile.mean() > (DARK + BRIGHT) / 2) << bit
    return number


def write_video(
    path: Path,
    times: Sequence[int],
    time_base: Fraction = MILLISECOND,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    size_px: tuple[int, int] = (128, 96),
    first_number: int = 0,
    pixel_format: str | None = None,
    container: str | None = None,
    numbers: Sequence[int] | None = None,
    luma: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Encode one picture per entry of `times`, in units of `time_base`; picture k shows number `first_number` + k.

    Times that do not rise strictly are written too, by giving the packets their times after encoding; they must then
    be at least their place, since FFmpeg refuses to show a packet before it is read.
    """
    width_px, height_px = size_px
    shown = list(numbers) if numbers is not None else [first_number + k for k in range(len(times))]
    rises = all(a < b for a, b in pairwise(times))
    # MP4 states when a track starts in units of the movie's time scale, by default whole milliseconds.
    precise = {"movie_timescale": "90000"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=container, container_options=precise) as output:
        stream = output.add_stream(codec, options={**OPTIONS[codec], **(options or {})})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width_px, height_px
        stream.pix_fmt = pixel_format or FORMATS[codec]
        stream.codec_context.time_base = stream.time_base = time_base
        packets: list[av.Packet] = []
        for k, number in enumerate(shown):
            picture = luma(number) if luma else numbered_luma(number, width_px, height_px)
            gray = av.VideoFrame.from_ndarray(picture, format="gray")
            frame = gray.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = times[k] if rises else k, time_base
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for k, packet in enumerate(packets):
            if not rises:  # intra-only or low-delay codecs: packet k is picture k
                assert times[k] >= k
                packet.pts, packet.dts = times[k], k
                packet.time_base = time_base
            packet.stream = stream
            output.mux(packet)
    return path


def write_image(path: Path, number: int, size_px: tuple[int, int] = (64, 48), mode: str = "RGB") -> Path:
    """A JPEG or PNG file, by the ending of its name, that shows `number`; `mode` as Pillow names it, or `I;16`."""
    luma = numbered_luma(number, *size_px)
    image = Image.fromarray(luma.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(luma).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write_timestamps(path: Path, times_ns: Sequence[int], frame_index: Sequence[int] | None = None) -> Path:
    """A `<camera>.timestamps.parquet`."""
    index = np.arange(len(times_ns)) if frame_index is None else np.asarray(frame_index)
    pq.write_table(pa.table({"frame_index": index.astype(np.int32), "t_ns": pa.array(times_ns, pa.int64())}), path)
    return path


def rotate_metadata(path: Path, clockwise_deg: int) -> None:
    """Set the display matrix of an MP4 file's track, as phones and cameras do."""
    data = bytearray(path.read_bytes())
    header = data.find(b"tkhd")
    assert data[header + 4] == 0, "version 0 of the track header"
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[clockwise_deg]
    matrix = header + 4 + 4 + 20 + 8 + 8
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def floor_times_ns(times: Sequence[int], time_base: Fraction = MILLISECOND) -> list[int]:
    """Container times as nanoseconds, by the definition."""
    return [math.floor(time * time_base * 10**9) for time in times]


def expected_numbers(cameras: Mapping[str, Sequence[tuple[int, int]]]) -> np.ndarray:
    """The brute-force oracle.

    Args:
        cameras: name -> (time in ns, number) of every frame in recording order.

    Returns:
        (T, 8) the number each camera shows at each tick, -1 before its first frame. The newest frame not later than
        the tick is the one with the largest time, then the largest place; a frame whose time is earlier than one
        before it is never shown.
    """
    usable: dict[str, list[tuple[int, int, int]]] = {}
    for name, frames in cameras.items():
        usable[name] = [
            (time, place, number)
            for place, (time, number) in enumerate(frames)
            if all(time >= earlier for earlier, _ in frames[:place])
        ]
    start = min(frames[0][0] for frames in usable.values())
    end = max(frames[-1][0] for frames in usable.values())
    table = []
    tick = 0
    while start + math.floor(Fraction(tick, 36) * 10**9) <= end:
        now = start + math.ceil(Fraction(tick, 36) * 10**9)
        row = []
        for name in CAMERAS:
            due = [frame for frame in usable.get(name, []) if frame[0] <= now]
            row.append(max(due)[2] if due else -1)
        table.append(row)
        tick += 1
    return np.array(table)


@dataclass(frozen=True)
class Replay:
    """All of a clip as it was shown: numbers (T, 8) read from the pixels, and the report."""

    numbers: np.ndarray
    indices: np.ndarray
    ages_ns: np.ndarray
    is_valid: np.ndarray
    report: SyncReport


def replay(clip: Clip | Path, **settings: Any) -> Replay:
    """Run a clip through a `FrameSource` and read every number back from the pixels."""
    numbers, indices, ages, valid = [], [], [], []
    with FrameSource(clip if isinstance(clip, Clip) else open_clip(clip), **settings) as source:
        for frame_set in source:
            numbers.append([-1 if frame is None else number_in(frame.y_plane) for frame in frame_set.frames])
            indices.append(frame_set.frame_index)
            ages.append(frame_set.age_ns)
            valid.append(frame_set.is_valid)
    shape = (len(numbers), len(CAMERAS))
    return Replay(*(np.array(rows).reshape(shape) for rows in (numbers, indices, ages, valid)), report=source.report)


class ClipTools:
    """The functions of this file, for tests: they reach them as the fixture `tools`."""

    numbered_luma = staticmethod(numbered_luma)
    number_in = staticmethod(number_in)
    write_video = staticmethod(write_video)
    write_image = staticmethod(write_image)
    write_timestamps = staticmethod(write_timestamps)
    rotate_metadata = staticmethod(rotate_metadata)
    floor_times_ns = staticmethod(floor_times_ns)
    expected_numbers = staticmethod(expected_numbers)
    replay = staticmethod(replay)


@pytest.fixture(scope="session")
def tools() -> ClipTools:
    """Makers and readers of numbered clips, and the oracle."""
    return ClipTools()


@pytest.fixture
def recordings() -> Path:
    """The folder of real recordings; skips where it is absent."""
    import os

    default = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
    folder = Path(os.environ.get("FSD_RECORDINGS", default))
    if not folder.is_dir():
        pytest.skip("no real recordings here: set FSD_RECORDINGS to their folder")
    return folder
