"""A GPS track beside a video, as ego motion: finds the file, puts it on the video's clock, makes a local metric path.

Coordinates stay in this module: neither notes nor results hold them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsd.data.camera_stream import CameraStream
from fsd.data.clock import SECOND_NS
from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError, few
from fsd.data.formats.gps_files import TRACK_SUFFIXES, GpsFixes, read_fixes
from fsd.data.formats.local_frame import LocalFrame
from fsd.data.physical_limits import MAX_SPEED_MPS
from fsd.data.video_probe import probe

ROW_NS = 100_000_000
"""Rows of the ego track: fixes of 1 Hz are held causally, since an older row than 0.5 s counts as unknown."""

HOLD_NS = 3 * SECOND_NS
"""The last fix is held this long; then speed and yaw rate are unknown."""

LONG_GAP_NS = 60 * SECOND_NS
"""After a longer gap between fixes the track begins anew, without rows over all of the gap."""

STANDING_MPS = 1.0
"""Below this, GPS courses are noise: the heading is kept."""

_MAX_YAW_RATE_RPS = 1.5
_QUARTER_HOUR_NS = 900 * SECOND_NS
_MAX_ZONE_NS = 14 * 3600 * SECOND_NS


@dataclass(frozen=True)
class VideoTime:
    """When a video was recorded: the clip's time at its start and end, and Unix time or local time at its start.

    `is_local` says that the zone is not known.
    """

    start_ns: int
    end_ns: int
    wall_ns: int | None
    is_local: bool


def find_gps_track(
    folder: Path, stream: CameraStream, origin_ns: int | None, notes: list[str], only_named: bool = False
) -> EgoTrack | None:
    """The ego motion in the track files of a recording; None where there are none, or none is usable.

    Args:
        folder: of the recording.
        stream: whose files' names the tracks may have.
        origin_ns: local time (as if UTC) at the clip's time 0, where file names state it; None takes the first video's
            creation time.
        notes: sentences that state what was found and assumed are appended.
        only_named: whether a track must have the name of a video, instead of being the only one in the folder.
    """
    paths = _track_files(None if only_named else folder, stream.files, notes)
    if not paths:
        return None
    names = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    read: list[GpsFixes] = []
    for path in paths:
        try:
            read.append(read_fixes(path))
        except ClipError as error:
            notes.append(f"The GPS track {path.name} is not used: {error}")
    if not read:
        return None
    fixes = GpsFixes.joined(read)
    if fixes.skipped:
        notes.append(f"{names}: {fixes.skipped} entries without a fix, a time or a right checksum are left out.")
    fixes, dropped = without_outliers(fixes)
    if dropped:
        notes.append(f"{names}: {dropped} positions that ask for over {MAX_SPEED_MPS:g} m/s are dropped.")
    if len(fixes) < 2:
        notes.append(f"The GPS track {names} is not used: it has {len(fixes)} usable positions.")
        return None
    start_ns = stream.start_ns or 0
    end_ns = start_ns + SECOND_NS if stream.end_ns is None else stream.end_ns
    wall_ns, is_local = _wall_time(stream, start_ns, origin_ns)
    placed = clip_minus_unix_ns(fixes, VideoTime(start_ns, end_ns, wall_ns, is_local))
    if placed is None:
        notes.append(
            f"The GPS track {names} is NOT USED: it is of another time than the video, in every time zone. Give the "
            "track of this video; or, if a clock was wrong, correct the times of the track."
        )
        return None
    shift_ns, text = placed
    notes.append(f"Speed, yaw rate and path come from the GPS track {names}, {text}.")
    return ego_track(fixes, shift_ns)


def without_outliers(fixes: GpsFixes) -> tuple[GpsFixes, int]:
    """Only positions that can be reached from the one before; and the number of those dropped.

    A first position that is wrong itself is given up as soon as the others agree against it.
    """
    x_m, y_m = _metric(fixes)
    times_s = (fixes.unix_ns - fixes.unix_ns[0]) * 1e-9
    kept: list[int] = []
    apart: list[int] = []  # a run of positions that agree with one another, but not with the last one kept
    for row in range(len(fixes)):
        if not kept or _reachable(x_m, y_m, times_s, kept[-1], row):
            kept.append(row)
            apart = []
        elif apart and _reachable(x_m, y_m, times_s, apart[-1], row):
            apart.append(row)
            if len(apart) > len(kept):
                kept, apart = apart, []
        else:
            apart = [row]
    return fixes.rows(np.array(kept, np.int64)), len(fixes) - len(kept)


def clip_minus_unix_ns(fixes: GpsFixes, video: VideoTime) -> tuple[int, str] | None:
    """What to add to Unix times to get the clip's; and how it was found, as a phrase. None: they do not overlap.

    Where only local time is known, and where a camera wrote local time as UTC, the zone is that multiple of a quarter
    hour with which track and video overlap most.
    """
    first_ns, last_ns = int(fixes.unix_ns[0]), int(fixes.unix_ns[-1])
    if video.wall_ns is not None:
        clip_ns = video.start_ns - video.wall_ns
        zones = range(-_MAX_ZONE_NS, _MAX_ZONE_NS + 1, _QUARTER_HOUR_NS)
        candidates = sorted(zones, key=abs) if video.is_local else [0, *sorted(zones, key=abs)]

        def misfit(zone_ns: int) -> tuple[int, int]:
            start_ns, end_ns = first_ns + zone_ns + clip_ns, last_ns + zone_ns + clip_ns
            overlap_ns = min(end_ns, video.end_ns) - max(start_ns, video.start_ns)
            return -overlap_ns, abs(start_ns - video.start_ns)

        best_ns = 0 if not video.is_local and misfit(0)[0] < 0 else min(candidates, key=misfit)
        if misfit(best_ns)[0] < 0:
            equal = sum(misfit(zone_ns)[0] == misfit(best_ns)[0] for zone_ns in zones)
            guess = " (a guess: other time zones fit as well)" if video.is_local and equal > 1 else ""
            zone = (
                f", whose clock is taken as UTC{best_ns / (3600 * SECOND_NS):+g} h{guess}" if best_ns or guess else ""
            )
            return best_ns + clip_ns, f"aligned by the date and time of the video{zone}"
        return None
    return video.start_ns - first_ns, "taken to start with the video, since the video has no date"


def ego_track(fixes: GpsFixes, clip_minus_unix: int) -> EgoTrack:
    """Rows of 10 Hz at least: speed and yaw rate are the last fix's, so causal; position and heading interpolate."""
    x_m, y_m = _metric(fixes)
    fix_ns = fixes.unix_ns + clip_minus_unix
    dt_s = np.diff(fix_ns) * 1e-9
    moved_mps = np.concatenate([[np.nan], np.hypot(np.diff(x_m), np.diff(y_m)) / dt_s])
    moved_mps[0] = moved_mps[1]
    speed_mps = np.where(np.isnan(fixes.speed_mps), moved_mps, fixes.speed_mps)
    yaw_rad = _headings(fixes, x_m, y_m, speed_mps)
    yaw_rate_rps = np.concatenate([[0.0], np.diff(yaw_rad) / dt_s])
    yaw_rate_rps[np.abs(yaw_rate_rps) > _MAX_YAW_RATE_RPS] = 0.0  # the course jumps when the car starts to move

    rows_ns = np.union1d(_grid_ns(fix_ns), fix_ns)
    last = np.searchsorted(fix_ns, rows_ns, side="right") - 1
    is_known = rows_ns - fix_ns[last] <= HOLD_NS
    at_s, fix_s = (rows_ns - fix_ns[0]) * 1e-9, (fix_ns - fix_ns[0]) * 1e-9
    return EgoTrack(
        timestamp_ns=rows_ns.astype(np.int64),
        speed_mps=np.where(is_known, speed_mps[last], np.nan),
        yaw_rate_rps=np.where(is_known, yaw_rate_rps[last], np.nan),
        x_m=np.interp(at_s, fix_s, x_m),
        y_m=np.interp(at_s, fix_s, y_m),
        yaw_rad=np.mod(np.interp(at_s, fix_s, yaw_rad) + np.pi, 2 * np.pi) - np.pi,
    )


def _grid_ns(fix_ns: np.ndarray) -> np.ndarray:
    """Times every `ROW_NS` from the first fix on; none in a long gap, once the speed is unknown there.

    A single fix with a wrong date would otherwise ask for rows over months.
    """
    ends = np.flatnonzero(np.diff(fix_ns) > LONG_GAP_NS)
    pieces = []
    for first, last in zip([0, *(ends + 1)], [*ends, len(fix_ns) - 1], strict=True):
        end_ns = fix_ns[last] if last == len(fix_ns) - 1 else fix_ns[last] + HOLD_NS + ROW_NS
        start, stop = -((fix_ns[0] - fix_ns[first]) // ROW_NS), (end_ns - fix_ns[0]) // ROW_NS
        pieces.append(fix_ns[0] + np.arange(start, stop + 1) * ROW_NS)
    return np.concatenate(pieces)


def _headings(fixes: GpsFixes, x_m: np.ndarray, y_m: np.ndarray, speed_mps: np.ndarray) -> np.ndarray:
    """(n,) headings in rad, unwrapped, left positive from east: the course where it is stated, else the last step's."""
    step_rad = np.arctan2(np.diff(y_m, prepend=y_m[0]), np.diff(x_m, prepend=x_m[0]))
    step_rad[0] = step_rad[1]
    course_rad = np.where(np.isnan(fixes.course_deg), step_rad, np.pi / 2 - np.radians(fixes.course_deg))
    moving = np.flatnonzero(speed_mps >= STANDING_MPS)
    if len(moving) == 0:
        return np.zeros(len(fixes))
    newest = np.maximum.accumulate(np.where(speed_mps >= STANDING_MPS, np.arange(len(fixes)), -1))
    return np.unwrap(course_rad[np.where(newest < 0, moving[0], newest)])


def _metric(fixes: GpsFixes) -> tuple[np.ndarray, np.ndarray]:
    """East and north of the first fix, in m."""
    frame = LocalFrame(float(fixes.latitude_deg[0]), float(fixes.longitude_deg[0]))
    x_m, y_m = frame.metres(fixes.latitude_deg, fixes.longitude_deg).T
    return x_m, y_m


def _reachable(x_m: np.ndarray, y_m: np.ndarray, times_s: np.ndarray, a: int, b: int) -> bool:
    return bool(np.hypot(x_m[b] - x_m[a], y_m[b] - y_m[a]) <= MAX_SPEED_MPS * (times_s[b] - times_s[a]))


def _wall_time(stream: CameraStream, start_ns: int, origin_ns: int | None) -> tuple[int | None, bool]:
    if origin_ns is not None:
        return origin_ns + start_ns, True
    try:
        return probe(stream.files[0], decodes=False).created_unix_ns, False
    except ClipError:
        return None, False


def _track_files(folder: Path | None, videos: Sequence[Path], notes: list[str]) -> list[Path]:
    """Tracks with the stem of a video (BlackVue's lack the camera's letter); else the only one in the folder."""
    found: dict[Path, None] = {}
    for video in videos:
        for stem in (video.stem, video.stem[:-1]):
            beside = [video.with_name(stem + suffix) for suffix in TRACK_SUFFIXES]
            beside += [video.with_name(stem + suffix.upper()) for suffix in TRACK_SUFFIXES]
            own = next((path for path in beside if path.is_file() and _is_track(path)), None)
            if own:
                found[own] = None
                break
    if found or folder is None:
        return list(found)
    only = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in TRACK_SUFFIXES and _is_track(path)]
    if len(only) > 1:
        notes.append(f"No GPS track is used: none of {few([path.name for path in only])} has the name of a video.")
    return only if len(only) == 1 else []


def _is_track(path: Path) -> bool:
    """Text files may be anything: those count that have NMEA sentences near their start."""
    if path.suffix.lower() not in (".txt", ".log"):
        return path.is_file()
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return any(mark in head for mark in (b"RMC,", b"GGA,")) and b"$G" in head
