"""comma2k19: routes of one-minute segments, each a raw video with its frame times, CAN values and global poses.

Layout, units and frames: README and `utils/` of github.com/commaai/comma2k19. Not stated there, but measured
on one of its segments: the angle of the steering wheel is left positive.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError

import numpy as np

from fsd.data.cadence import measure_cadence
from fsd.data.clip import Clip
from fsd.data.clock import MAX_TIME_NS, SECOND_NS, Timestamps, check_rising
from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError, ClockError
from fsd.data.formats.derived_motion import backward_rate, enu_from_ecef, newest_values
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match, refusing_wrong_values
from fsd.data.formats.segments import RATE_HZ, SEGMENT_NS, known_hfov_deg, segment_stream
from fsd.data.physical_limits import MAX_POSITION_M, MAX_SPEED_MPS
from fsd.data.recording_options import CameraOptions
from fsd.data.standard_rigs import assumed_rig
from fsd.data.steering import SteeringTrack
from fsd.data.video_stream import VideoStream
from fsd.data.wall_clock import WallClock

VIDEO = "video.hevc"

_ROUTE = re.compile(r"^[0-9a-f]{16}[|_]\d{4}-\d\d-\d\d--\d\d-\d\d-\d\d$")
_NUMBER = re.compile(r"^[0-9]{1,6}$")
_CHUNK = re.compile(r"^chunk_\d+$", re.IGNORECASE)

_GPS_EPOCH_S = 315_964_800  # 1980-01-06 as Unix time
_LEAP_SECONDS = 18  # GPS time minus UTC since 2017; the data set is of 2018
_WEEK_S = 604_800
_YAW_RATE_OVER_NS = 90_000_000  # two pictures


class Comma2k19:
    """Routes of the comma2k19 data set, each joined to one drive; also single segments."""

    name = "comma2k19"
    description = (
        "comma2k19: a route of numbered segments with video.hevc, processed_log and global_pose, or a chunk of them"
    )

    def detect(self, path: Path) -> Match | None:
        if not path.is_dir():
            return None
        segments = _segments(path)
        if segments:
            return Match(f"{len(segments)} segment{'s' * (len(segments) > 1)} of comma2k19", (path,))
        chunks = [path, *(entry for entry in _folders(path) if _CHUNK.match(entry.name))]
        routes = [entry for chunk in chunks for entry in _folders(chunk) if _ROUTE.match(entry.name)]
        routes = [route for route in routes if _segments(route)]
        return Match(f"{len(routes)} routes of comma2k19", tuple(routes)) if routes else None

    @refusing_wrong_values
    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open one route, or one segment.

        Raises:
            ClipError: there is no video, or a file is broken or does not match the others.
            ClockError: the frame times do not rise.
        """
        notes: list[str] = []
        stream = segment_stream(
            "front_main", {number: folder / VIDEO for number, folder in _segments(path).items()}, options, notes
        )
        folders = (
            {int(part.parent.resolve().name): part.parent for part in stream.parts} if _is_numbered(stream) else {}
        )
        folders = folders or {0: path}
        stream = _timed(path, folders, stream, options, notes)
        streams = {"front_main": stream}
        numbers = list(folders)
        if missing := [number for number in range(numbers[0], numbers[-1]) if number not in folders]:
            notes.append(f"Missing segments stay gaps: {', '.join(map(str, missing))}.")
        has_clock = stream.timestamps is not None
        ego = _ego(path, folders, stream, notes) if has_clock else None
        return make_clip(
            path,
            self.name,
            streams,
            notes,
            hfov_deg=known_hfov_deg(streams),
            ego=ego,
            steering=_steering(path, folders) if has_clock else None,
            wall_clock=_wall_clock(folders) if has_clock else None,
        )


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


def _segments(path: Path) -> dict[int, Path]:
    """Number -> segment folder of a route, by number; a segment folder alone is a route of one."""
    if (path / VIDEO).is_file():
        is_segment = (path / "processed_log").is_dir() or (path / "global_pose").is_dir()
        name = path.resolve().name
        return {int(name) if _NUMBER.match(name) else 0: path} if is_segment else {}
    found = {int(entry.name): entry for entry in _folders(path) if _NUMBER.match(entry.name)}
    found = {number: entry for number, entry in found.items() if (entry / VIDEO).is_file()}
    return dict(sorted(found.items()))


def _is_numbered(stream: VideoStream) -> bool:
    return all(_NUMBER.match(part.parent.resolve().name) for part in stream.parts)


def _timed(
    path: Path, folders: Mapping[int, Path], stream: VideoStream, options: CameraOptions, notes: list[str]
) -> VideoStream:
    """The stream with the recorded frame times, where there are any."""
    times_ns = {number: _frame_times_ns(folder) for number, folder in folders.items()}
    known = {number: times for number, times in times_ns.items() if times is not None}
    if not known:
        rate_source = "as openpilot records" if options.rate_hz is None else "as `--rate-hz` says"
        notes.append(
            f"No frame times: {float(stream.rate_hz):g} frames/s, {rate_source}; each segment starts at its minute."
        )
        return stream
    first = next(iter(known))
    without = [number for number in times_ns if number not in known]
    if without:
        notes.append(f"No frame times in the segments {', '.join(map(str, without))}: 20 frames/s from the minute on.")
    rows = [
        _minute_ns(int(known[first][0]) + (number - first) * SEGMENT_NS) if times is None else times
        for number, times in times_ns.items()
    ]
    timestamp_ns = np.concatenate(rows)
    source = next(iter(folders.values())) / "global_pose" / "frame_times" if len(folders) == 1 else path
    check_rising(source, "frame_times", timestamp_ns)
    first_index = np.cumsum([0, *(len(each) for each in rows[:-1])])
    return replace(
        stream,
        timestamps=Timestamps(source, np.arange(len(timestamp_ns), dtype=np.int64), timestamp_ns),
        part_start_ns=(),
        part_spans_ns=tuple((int(each[0]), int(each[-1])) for each in rows),
        part_first_index=tuple(int(index) for index in first_index),
        start_ns=int(timestamp_ns[0]),
        end_ns=int(timestamp_ns[-1]),
        cadence=measure_cadence(timestamp_ns),
    )


def _minute_ns(start_ns: int) -> np.ndarray:
    count = int(RATE_HZ * SEGMENT_NS / SECOND_NS)
    return start_ns + np.arange(count, dtype=np.int64) * int(SECOND_NS / RATE_HZ)


def _array(path: Path, columns: int) -> np.ndarray | None:
    """(n, columns) float64 of a NumPy file without suffix, (n,) for one column; None where there is no such file."""
    if not path.is_file():
        return None
    try:
        # Mapped, so that a damaged header cannot ask for more memory than the file has.
        values = np.array(np.load(path, mmap_mode="r", allow_pickle=False), np.float64)
    except (OSError, ValueError, TypeError, OverflowError, EOFError, SyntaxError, TokenError) as error:
        raise ClipError(f"{path} cannot be read as a NumPy array ({error}). Copy it again, or remove it.") from error
    if values.size != len(values) * columns if values.ndim else True:
        raise ClipError(
            f"{path} has shape {values.shape}, expected (n, {columns}). Copy it again, or remove it.", field=path.name
        )
    return values.reshape(len(values), columns) if columns > 1 else values.reshape(-1)


def _times_ns(path: Path) -> np.ndarray | None:
    """(n,) int64 of a file of seconds since the device was started."""
    times_s = _array(path, 1)
    if times_s is None or not len(times_s):
        return None
    is_time = np.abs(times_s) < MAX_TIME_NS / SECOND_NS  # False for NaN
    if not is_time.all():
        row = int(np.argmin(is_time))
        raise ClockError(f"{path} row {row}: {times_s[row]} is no time. Remove the file, or copy it again.")
    times_ns = np.round(times_s * SECOND_NS).astype(np.int64)
    check_rising(path, path.name, times_ns)
    return times_ns


def _frame_times_ns(folder: Path) -> np.ndarray | None:
    return _times_ns(folder / "global_pose" / "frame_times")


def _can(folders: Mapping[int, Path], name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Times (n,) ns, rising, and values (n,) of a CAN signal over all segments."""
    times: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for folder in folders.values():
        signal = folder / "processed_log" / "CAN" / name
        times_ns, value = _times_ns(signal / "t"), _array(signal / "value", 1)
        if times_ns is None or value is None:
            continue
        if len(times_ns) != len(value):
            raise ClipError(
                f"{signal} has {len(times_ns)} times for {len(value)} values. Copy it again, or remove it.", field=name
            )
        is_later = times_ns > (times[-1][-1] if times else times_ns[0] - 1)  # a row at the joint may be in both
        if is_later.any():
            times.append(times_ns[is_later])
            values.append(value[is_later])
    return (np.concatenate(times), np.concatenate(values)) if times else None


def _steering(path: Path, folders: Mapping[int, Path]) -> SteeringTrack | None:
    angle_deg = _can(folders, "steering_angle")
    return None if angle_deg is None else SteeringTrack(angle_deg[0], np.radians(angle_deg[1]))


def _ego(path: Path, folders: Mapping[int, Path], stream: VideoStream, notes: list[str]) -> EgoTrack | None:
    """Speed from CAN, pose from `global_pose`, in a local frame x east, y north, z up."""
    speed = _can(folders, "speed")
    if speed is not None:
        speed = _possible_speed(*speed, notes)
    poses = [pose for folder in folders.values() if (pose := _poses(folder, notes)) is not None]
    if not poses:
        if speed is None:
            return None
        notes.append("No global poses: the speed from CAN is the only ego motion.")
        unknown = np.full(len(speed[0]), np.nan)
        return EgoTrack(speed[0], speed[1], unknown, unknown, unknown, unknown)
    timestamp_ns, position_m, velocity_mps, forward = (np.concatenate(each) for each in zip(*poses, strict=True))
    enu = enu_from_ecef(position_m[0])
    local_m, forward = (position_m - position_m[0]) @ enu.T, forward @ enu.T
    yaw_rad = np.arctan2(forward[:, 1], forward[:, 0])
    speed_mps = np.einsum("ij,ij->i", velocity_mps @ enu.T, forward)
    if speed is not None:
        from_can = newest_values(*speed, timestamp_ns)
        speed_mps = np.where(np.isfinite(from_can), from_can, speed_mps)
    mounted = assumed_rig({stream.name: (stream.width_px, stream.height_px)}).cameras[0].ego_from_camera
    lever_m = mounted.translation_m[0]
    notes.append(
        f"Ego poses are those of the camera, moved {lever_m:g} m back along its view to the rear axle; the yaw rate is "
        "the change of its heading."
    )
    return EgoTrack(
        timestamp_ns=timestamp_ns,
        speed_mps=speed_mps,
        yaw_rate_rps=backward_rate(timestamp_ns, np.unwrap(yaw_rad), _YAW_RATE_OVER_NS),
        x_m=local_m[:, 0] - lever_m * np.cos(yaw_rad),
        y_m=local_m[:, 1] - lever_m * np.sin(yaw_rad),
        yaw_rad=yaw_rad,
    )


def _possible_speed(timestamp_ns: np.ndarray, speed_mps: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    is_possible = np.abs(speed_mps) <= MAX_SPEED_MPS  # False for NaN
    if wrong := int((~is_possible).sum()):
        notes.append(
            f"{wrong} of {len(speed_mps)} speeds from CAN are left out: no number, or one that no car reaches."
        )
    return timestamp_ns, np.where(is_possible, speed_mps, np.nan)


def _poses(folder: Path, notes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Times (n,), position (n, 3), velocity (n, 3) and view direction (n, 3) of the camera, ECEF.

    Rows that are not finite, or that no car reaches, are left out and counted in a note.
    """
    pose = folder / "global_pose"
    times_ns = _frame_times_ns(folder)
    position_m, velocity_mps = _array(pose / "frame_positions", 3), _array(pose / "frame_velocities", 3)
    quaternion = _array(pose / "frame_orientations", 4)
    if times_ns is None or position_m is None or velocity_mps is None or quaternion is None:
        return None
    if {len(position_m), len(velocity_mps), len(quaternion)} != {len(times_ns)}:
        raise ClipError(f"{pose}: the arrays differ in length. Copy them again, or remove the folder.")
    is_known = np.isfinite(np.hstack([position_m, velocity_mps, quaternion])).all(axis=1)
    is_known &= (np.abs(position_m) <= MAX_POSITION_M).all(axis=1) & (np.abs(velocity_mps) <= MAX_SPEED_MPS).all(axis=1)
    is_known &= (np.abs(quaternion) <= 1.1).all(axis=1)
    if wrong := int((~is_known).sum()):
        notes.append(f"{wrong} of {len(is_known)} poses in {pose} are left out: not finite, or out of any car's reach.")
    if not is_known.any():
        return None
    w, x, y, z = quaternion[is_known].T  # ecef_from_device; the device looks along its x axis
    forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1)
    return times_ns[is_known], position_m[is_known], velocity_mps[is_known], forward


def _wall_clock(folders: Mapping[int, Path]) -> WallClock | None:
    for folder in folders.values():
        times_ns = _frame_times_ns(folder)
        gps = _array(folder / "global_pose" / "frame_gps_times", 2)
        if times_ns is not None and gps is not None and len(gps) and np.isfinite(gps[0]).all():
            unix_s = _GPS_EPOCH_S + int(gps[0, 0]) * _WEEK_S - _LEAP_SECONDS
            return WallClock(unix_s * SECOND_NS + round(gps[0, 1] * SECOND_NS) - int(times_ns[0]))
    return None
