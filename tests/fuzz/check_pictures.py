"""Independent readings of pictures: PyAV and Pillow used directly, and a comparison with what a replay showed."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from tests.fuzz.check import expect, plain_table, rises

if TYPE_CHECKING:
    from tests.fuzz.targets import Shown


@dataclass(frozen=True)
class PlainPicture:
    """A decoded picture: container time in ns, size as stored, checksum of the luma where it needs no conversion."""

    time_ns: int | None
    size_px: tuple[int, int]
    luma: int | None


def plain_pictures(path: Path) -> list[PlainPicture]:
    """All pictures of a video file, in the order in which the decoder returns them."""
    pictures = []
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.VideoStream)
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        packets = []
        try:
            for packet in container.demux(stream):
                packets.append(packet)
                pictures += _decoded(stream, packet) if packet.size else []
        except av.FFmpegError:
            pass
        pictures += _decoded(stream, None)
    return pictures


def _decoded(stream: av.VideoStream, packet: av.Packet | None) -> list[PlainPicture]:
    try:
        frames = stream.codec_context.decode(packet)
    except av.FFmpegError:
        return []
    found = []
    for frame in frames:
        time_ns = None
        if frame.pts is not None:
            time_ns = int(Fraction(frame.pts) * (stream.time_base or 1) * 10**9 // 1)
        luma = None
        is_even = frame.width % 2 == 0 and frame.height % 2 == 0  # or PyAV makes no array of it
        if frame.format.name == "yuv420p" and frame.color_range != 2 and not frame.rotation and is_even:
            luma = zlib.crc32(np.ascontiguousarray(frame.to_ndarray()[: frame.height, : frame.width]))
        found.append(PlainPicture(time_ns, (frame.width, frame.height), luma))
    return found


def recordings(folder: Path, found: "list[Shown]") -> None:
    for shown in found:
        recording(shown)


def clip(folder: Path, found: Any) -> None:
    """Also compares what `fsd inspect` prints."""
    printed, shown = found
    recordings(folder, shown)
    if len(shown) == 1:
        _check_table(folder, shown[0])
        streams = [stream for stream in shown[0].clip.streams if stream is not None]
        expect([each["name"] for each in printed["cameras"]] == [each.name for each in streams], "other cameras")


def teslacam(folder: Path, found: Any) -> None:
    """Also compares telemetry with the packets' times."""
    _, telemetry, shown = found
    recordings(folder, shown)
    for path, rows in telemetry.items():
        rises(rows.timestamp_ns.tolist(), "telemetry times")
        expect(len(rows) <= rows.pictures, "more telemetry than pictures")
        with av.open(str(path), metadata_errors="replace") as container:
            times = set()
            try:
                for packet in container.demux(video=0):
                    if packet.size and packet.pts is not None:
                        times.add(int(packet.pts * packet.time_base * 10**9 // 1))
            except av.FFmpegError:
                pass
        expect(set(rows.timestamp_ns.tolist()) <= times, f"{path.name}: telemetry at times without a packet")
        speeds = rows.speed_mps[np.isfinite(rows.speed_mps)]
        expect(not len(speeds) or np.abs(speeds).max() <= 100, "a speed that no car has")


def recording(shown: "Shown") -> None:
    """Everything that is true of any recording, and of each of its cameras."""
    check_times(shown)
    for place, stream in enumerate(shown.clip.streams):
        if stream is None:
            continue
        rows = [row[place] for _, _, row in shown.ticks if row[place] is not None]
        expect(all(row[2] == (stream.width_px, stream.height_px) for row in rows), f"{stream.name}: another size")
        parts = getattr(stream, "parts", None)
        if parts is not None and stream.timestamps is None and getattr(stream, "window_ns", None) is None:
            _check_video(shown, stream, rows)
        images = getattr(stream, "images", None)
        if images is not None:
            _check_images(stream, rows, shown.clip.format)
    if shown.clip.ego is not None:
        ego = shown.clip.ego
        rises(ego.timestamp_ns.tolist(), "ego times")
        for name in ("speed_mps", "yaw_rate_rps", "x_m", "y_m", "yaw_rad"):
            expect(not np.isinf(getattr(ego, name)).any(), f"ego {name} is infinite")


def check_times(shown: "Shown") -> None:
    """Ticks rise by 1/36 s within a run; no frame is from the future or goes back; every run begins after a hole."""
    before_ns = before_run = None
    newest: list[tuple[int, int] | None] = [None] * 8
    for time_ns, run, row in shown.ticks:
        if before_run == run:
            expect(time_ns - before_ns in (27_777_777, 27_777_778), f"a tick of {time_ns - before_ns} ns")
        elif before_ns is not None:
            expect(time_ns > before_ns, "a run begins before the end of the one before")
            newest = [None] * 8
        before_ns, before_run = time_ns, run
        for place, frame in enumerate(row):
            if frame is None:
                continue
            expect(frame[1] <= time_ns, f"a frame {frame[1] - time_ns} ns in the future is shown")
            if newest[place] is not None:
                expect((frame[1], frame[0]) >= newest[place], "a camera goes back in time")
            newest[place] = (frame[1], frame[0])


def _check_video(shown: "Shown", stream: Any, rows: list[Any]) -> None:
    """Number, times, order and content of the pictures of a camera whose times are its containers'."""
    counters = shown.report.cameras[stream.name]
    plain = [plain_pictures(part) for part in stream.parts]
    count = sum(map(len, plain))
    if shown.ended:
        expect(counters.frames_decoded == count, f"{counters.frames_decoded} pictures decoded, plainly {count}")
    else:
        expect(counters.frames_decoded <= count, f"{counters.frames_decoded} pictures decoded, plainly {count}")
    if len(stream.parts) > 1:
        return
    pictures = plain[0]
    if stream.has_times and not counters.untimed_frames:
        shift_ns = stream.shift_ns + (stream.part_start_ns[0] if stream.part_start_ns else 0)
        times = {picture.time_ns + shift_ns for picture in pictures if picture.time_ns is not None}
        expect({row[1] for row in rows} <= times, f"{stream.name}: a frame has a time that no picture has")
    usable = counters.frames_timed + counters.backwards_times + counters.stray_times
    if shown.ended:
        expect(usable == count, f"{usable} pictures with a time or without, of {count}")
        distinct = len({row[1] for row in rows})
        expect(distinct <= counters.frames_shown <= counters.frames_timed, "more frames shown than timed")
    if not counters.lost_frames and not counters.resized_frames and stream.has_times and len(pictures) == count:
        for index, _, size_px, luma in rows:
            expect(index < len(pictures), f"{stream.name}: frame {index} of {len(pictures)}")
            if pictures[index].luma is not None and pictures[index].size_px == size_px:
                expect(pictures[index].luma == luma, f"{stream.name}: frame {index} shows another picture")


def _check_images(stream: Any, rows: list[Any], form: str) -> None:
    """Each image has the time that its row or name states; other formats than `images` may have times that fall."""
    if form == "images":
        rises(stream.image_ns.tolist(), f"{stream.name}: image times")
    expect(len(stream.images) == len(stream.image_ns), "images and times differ in number")
    for index, time_ns, _, _ in rows:
        expect(int(stream.image_ns[index]) == time_ns, f"{stream.name}: image {index} at another time")
        path = stream.images[index]
        expect(path.is_file(), f"{path.name} is shown, but missing")
        if path.stem.isdecimal() and len(path.stem) == 19 and not (path.parent / "timestamps.csv").exists():
            expect(int(path.stem) == time_ns, f"{path.name} at {time_ns}")
    table = stream.images[0].parent / "timestamps.csv"
    if table.is_file():
        named: dict[str, set[int]] = {}
        for line in table.read_text("utf-8-sig").splitlines()[1:]:
            cells = line.split(",")
            if len(cells) == 2 and cells[0].strip().isdecimal():
                named.setdefault(cells[1].strip().strip('"'), set()).add(int(cells[0]))
        for path, time_ns in zip(stream.images, stream.image_ns.tolist(), strict=True):
            if path.name in named:
                expect(time_ns in named[path.name], f"{path.name} at {time_ns}, the table says {named[path.name]}")


def nuscenes(folder: Path, found: "list[Shown]") -> None:
    """Images have the times of their rows in `sample_data`."""
    recordings(folder, found)
    tables = next(iter(folder.rglob("sample_data.json")), None)
    if tables is not None and found:
        stated: dict[str, set[int]] = {}
        data = tables.read_bytes()
        try:
            rows = json.loads(data)
        except ValueError:  # only rows of the scene are parsed; what is damaged may be others
            expect(data.rstrip().endswith(b"]"), "a table that is cut off was accepted")
            return
        for row in rows:
            if type(row.get("timestamp")) is int:
                stated.setdefault(Path(str(row.get("filename"))).name, set()).add(row["timestamp"] * 1000)
        _check_stated(found, lambda path: stated.get(path.name, set()))


def kitti(folder: Path, found: "list[Shown]") -> None:
    """Image k has the time in line k."""
    recordings(folder, found)

    def stated(path: Path) -> set[int]:
        lines = (path.parent.parent / "timestamps.txt").read_text().splitlines()
        date, _, rest = lines[int(path.stem)].strip().partition(".")
        seconds = datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        return {int(seconds) * 10**9 + int(rest[:9].ljust(9, "0") or "0")}

    _check_stated(found, stated)


def _check_stated(found: "list[Shown]", stated: Callable[[Path], set[int]]) -> None:
    for shown in found:
        for stream in shown.clip.streams:
            images = getattr(stream, "images", ())
            for path, time_ns in zip(images, getattr(stream, "image_ns", ()), strict=True):
                expect(int(time_ns) in stated(path), f"{path.name} at {time_ns}, stated are {stated(path)}")


def _check_table(folder: Path, shown: "Shown") -> None:
    """Where a table states times, the picture of each row has the row's time."""
    path = folder / "front_main.timestamps.parquet"
    stream = shown.clip.streams[0]
    if stream is None or stream.timestamps is None or not path.is_file():
        return
    table = plain_table(path)
    stated = dict(zip(table["frame_index"].to_pylist(), table["t_ns"].to_pylist(), strict=True))
    plain = [picture for part in getattr(stream, "parts", ()) for picture in plain_pictures(part)]
    counters = shown.report.cameras["front_main"]
    for _, _, row in shown.ticks:
        if row[0] is not None:
            index, time_ns, size_px, luma = row[0]
            expect(stated.get(index) == time_ns, f"frame {index} at {time_ns}, the table says {stated.get(index)}")
            if not counters.lost_frames and plain[index].luma is not None and plain[index].size_px == size_px:
                expect(plain[index].luma == luma, f"frame {index} shows another picture")
