"""One clip of a data set: every tick through the compressors in one pass, then labels, filters and the split.

The folder gets its name when everything is in it, so a build that is killed leaves no half clip. Does not know where
clips come from or how many there are.
"""

import hashlib
import shutil
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.compression.compressor import Compressor
from fsd.compression.time_skew import TimeSkew, find_time_skew
from fsd.data.clip import Clip
from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.ego import CommandTrack, EgoTrack, unwrapped
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.data.place_track import PlaceTrack
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry, SteeringTrack
from fsd.networks.dataset import PendingCommits, patch_cells
from fsd.networks.drives.clip_record import LABELS_FILE, ClipRecord, Histogram, SkewRecord, TickRange, write_record
from fsd.networks.drives.label_table import label_table, write_labels
from fsd.networks.drives.quality import REASONS, STANDING_MPS, check_units, left_out
from fsd.networks.drives.shards import ShardWriter
from fsd.networks.drives.splits import PARTS, drive_of, parts_of_ticks
from fsd.networks.recorded_episodes import EVERY_TICKS
from fsd.networks.recorded_labels import FROM_STEERING, MAX_GAP_NS, RecordedLabels, label_track

UNFINISHED = ".part"

Track = TypeVar("Track", EgoTrack, CommandTrack, SteeringTrack, DrivingModeTrack, PlaceTrack)
_NOMINAL_MPS = 15.0
"""Turns a curvature into a yaw rate, where there is no speed: a correlation does not depend on the factor."""

_DEGREES_GAIN = 15.0
"""Degrees are 57 times radians; the error of an assumed focal length, by which turns in the images are off, is less."""

EDGES: dict[str, tuple[float, ...]] = {
    "speed_mps": (0, 1, 5, 10, 15, 20, 25, 30, 35, 45),
    "curvature_per_m": (-0.2, -0.05, -0.02, -0.01, -0.005, -0.002, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2),
    "acceleration_mps2": (-8, -3, -2, -1, -0.5, -0.2, 0.2, 0.5, 1, 2, 3, 8),
    "steering_wheel_rad": (-9, -3, -1, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 1, 3, 9),
}


@dataclass(frozen=True)
class BuildSettings:
    """What decides the content of a clip in the data set.

    Attributes:
        budgets: names; every_ticks: one in so many 36 Hz ticks is recorded.
        modes: of `quality.MODE_CHOICES`; max_standing_s: of each stop.
        mends_skew: shift the telemetry by a clear offset; geometry: for curvature from the steering wheel.
        reading: how recordings are opened, as text.
    """

    budgets: tuple[str, ...] = (DEFAULT_BUDGET,)
    every_ticks: int = EVERY_TICKS
    modes: str = "all"
    max_standing_s: float = 3.0
    mends_skew: bool = True
    geometry: SteeringGeometry = LINCOLN_MKZ
    reading: str = ""

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()


class _Ticks:
    """What is kept in memory of each tick: 40 bytes."""

    def __init__(self) -> None:
        self.tick: list[int] = []
        self.t_ns: list[int] = []
        self.run: list[int] = []
        self.image_ns: list[int] = []
        self.image_rps: list[float] = []

    def see(self, frame_set: FrameSet, compressor: Compressor) -> None:
        """Take note of the motion in the images of any tick."""
        ages_ns = frame_set.age_ns[frame_set.is_valid]
        delay_ns = compressor.image_motion_delay_s * 1e9 + (float(ages_ns.mean()) if len(ages_ns) else 0.0)
        self.image_ns.append(frame_set.timestamp_ns - round(delay_ns))
        self.image_rps.append(compressor.image_yaw_rate_rps)

    def record(self, frame_set: FrameSet) -> None:
        self.tick.append(frame_set.tick)
        self.t_ns.append(frame_set.timestamp_ns)
        self.run.append(frame_set.run)


def build_clip(
    clip: Clip, key: str, folder: Path, settings: BuildSettings, decode_workers: int = 1, mask_cameras: bool = True
) -> ClipRecord:
    """Write the clip to `folder`, which replaces what is there.

    Args:
        key: digest of the clip's content; mask_cameras: as of `FrameSource`.

    Raises:
        ClipError: it has no labels, its units are wrong, or nothing can be decoded.
    """
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    try:
        labels = RecordedLabels(clip, settings.geometry)  # before any decoding: whether there are labels at all
    except ClipError as error:
        unused = " ".join(note for note in clip.notes if "NOT USED" in note)  # such as those of another clock
        raise ClipError(f"{error} {unused}".strip()) from error
    if clip.ego is not None:
        check_units(clip.ego, str(clip.path))
    unfinished = folder.with_name(folder.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        ticks = _compress(clip, unfinished, settings, decode_workers, mask_cameras)
        if not ticks.tick:
            raise ClipError(f"{clip.path} has no tick with an image. Leave it out.")
        skew = _find_skew(clip, ticks, settings.geometry)
        # A car answers the steering wheel late, by a time that is not known: that is no fault of a clock.
        is_wheel = labels.curvature_from == FROM_STEERING
        is_mended = skew is not None and skew.is_off and settings.mends_skew and not is_wheel
        labelled = shifted(clip, -round(skew.offset_ms * 1e6)) if is_mended and skew is not None else clip
        _check_motion(labelled, ticks, skew)
    except ClipError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    record = _label(labelled, key, unfinished, settings, ticks, skew, is_mended)
    record = msgspec.structs.replace(
        record, wall_s=round(time.perf_counter() - started_s, 3), cpu_s=round(time.process_time() - started_cpu_s, 3)
    )
    write_record(unfinished, record)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)
    return record


def _compress(clip: Clip, folder: Path, settings: BuildSettings, decode_workers: int, mask_cameras: bool) -> _Ticks:
    """Every tick through one compressor per budget; shards are written, the rest is returned."""
    ticks, run = _Ticks(), -1
    compressors = [
        Compressor(clip.rig, ALL_BUDGETS[name], tracks_images=index == 0) for index, name in enumerate(settings.budgets)
    ]
    commits = [PendingCommits() for _ in compressors]
    since_run = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(closing(ShardWriter(folder, ALL_BUDGETS[name]))) for name in settings.budgets]
        source = stack.enter_context(FrameSource(clip, decode_workers, mask_cameras=mask_cameras))
        for frame_set in source:
            if frame_set.run != run:
                run, since_run = frame_set.run, 0
                for each in commits:
                    each.clear()
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            is_recorded = since_run % settings.every_ticks == 0
            since_run += 1
            for compressor, pending, writer in zip(compressors, commits, writers, strict=True):
                tick = compressor.step(frame_set, ego, None, reads_patches=is_recorded)
                pending.add(tick)
                if is_recorded:
                    arrays = {name: getattr(tick, name) for name in writer.tick_names}
                    writer.add({**arrays, "patch_cell": patch_cells(tick), "commit_slots": pending.take()})
            ticks.see(frame_set, compressors[0])
            if is_recorded:
                ticks.record(frame_set)
    return ticks


def _find_skew(clip: Clip, ticks: _Ticks, geometry: SteeringGeometry) -> TimeSkew | None:
    image_ns, order = np.unique(np.array(ticks.image_ns, np.int64), return_index=True)
    found = None if clip.ego is None else label_track(clip.ego)
    if found is not None:
        times_ns, yaw_rad = found[0].timestamp_ns, unwrapped(found[0].yaw_rad)
        known = np.isfinite(yaw_rad)
        times_ns, yaw_rad = times_ns[known], yaw_rad[known]
        if len(times_ns) < 2:
            return None
        rate_rps = np.gradient(yaw_rad, (times_ns - times_ns[0]) * 1e-9)
    elif clip.steering is not None:
        times_ns = clip.steering.timestamp_ns
        rate_rps = geometry.curvature_per_m(clip.steering.angle_rad) * _NOMINAL_MPS
    else:
        return None
    return find_time_skew(image_ns, np.array(ticks.image_rps)[order], times_ns, rate_rps, MAX_GAP_NS)


def _check_motion(clip: Clip, ticks: _Ticks, skew: TimeSkew | None) -> None:
    """Refuse telemetry of another time than the video, and a yaw rate that the images contradict.

    Raises:
        ClipError: says by how much.
    """
    tracks = [each.timestamp_ns for each in (clip.ego, clip.steering) if each is not None]
    begin_ns, end_ns = min(int(each[0]) for each in tracks), max(int(each[-1]) for each in tracks)
    if begin_ns > ticks.t_ns[-1] or end_ns < ticks.t_ns[0]:
        off_s = (begin_ns - ticks.t_ns[0]) / 1e9
        raise ClipError(
            f"{clip.path}: no telemetry during the video: it begins {off_s:+.1f} s from the first image. Turns "
            "in the images do not tell the offset, or must not be used for it. Write both on one clock.",
            field="t_ns",
        )
    if clip.ego is not None and skew is not None and skew.is_clear and skew.gain > _DEGREES_GAIN:
        raise ClipError(
            f"{clip.path}: `yaw_rate_rps` turns {skew.gain:.0f} times as fast as the images, as if it were degrees per "
            "second. Yaw rates are rad/s and left positive: correct the column, or remove it.",
            field="yaw_rate_rps",
        )


def shifted(clip: Clip, by_ns: int) -> Clip:
    """The clip with all telemetry at later times."""

    def moved(track: Track | None) -> Track | None:
        return None if track is None else replace(track, timestamp_ns=track.timestamp_ns + by_ns)

    return replace(
        clip,
        ego=moved(clip.ego),
        commands=moved(clip.commands),
        steering=moved(clip.steering),
        modes=moved(clip.modes),
        places=moved(clip.places),
    )


def _label(
    clip: Clip, key: str, folder: Path, settings: BuildSettings, ticks: _Ticks, skew: TimeSkew | None, is_mended: bool
) -> ClipRecord:
    """Write the labels, and return the record without its times."""
    made_from = RecordedLabels(clip, settings.geometry)
    t_ns = np.array(ticks.t_ns, np.int64)
    labels = made_from.table(t_ns)
    samples = [clip.ego.sample_at(int(at)) if clip.ego else None for at in t_ns]
    modes = [clip.modes.mode_at(int(at)) if clip.modes else None for at in t_ns]
    columns: dict[str, np.ndarray] = {
        "tick": np.array(ticks.tick, np.int64),
        "t_ns": t_ns,
        "run": np.array(ticks.run, np.int32),
        "speed_mps": np.array([np.nan if each is None else each.speed_mps for each in samples]),
        "yaw_rate_rps": np.array([np.nan if each is None else each.yaw_rate_rps for each in samples]),
        "curvature_per_m": labels["curvature"],
        "acceleration_mps2": labels["acceleration"],
        "steering_wheel_rad": np.array([clip.steering.angle_at(int(at)) if clip.steering else np.nan for at in t_ns]),
    }
    drive = drive_of(clip, int(t_ns[0]), key)
    parts, is_by_place = parts_of_ticks(clip.places, t_ns, drive)
    facts: dict[str, np.ndarray] = {**labels, "timestamp_ns": t_ns, "speed_mps": columns["speed_mps"]}
    reasons = left_out(facts, modes, parts, settings.modes, settings.max_standing_s)
    commands = [clip.commands.command_at(int(at)) if clip.commands else "none" for at in t_ns]
    write_labels(folder / LABELS_FILE, label_table(columns, labels["trajectory"], commands, modes, parts, reasons))
    is_used, names = reasons < 0, [mode or "unknown" for mode in modes]
    valid = np.isfinite(labels["trajectory"]).all(axis=-1)
    with np.errstate(invalid="ignore"):
        standing = int((np.abs(columns["speed_mps"]) < STANDING_MPS).sum())
    return ClipRecord(
        key=key,
        name=clip.name,
        format=clip.format,
        drive=hashlib.sha256(drive.encode()).hexdigest()[:16],
        options=settings.text,
        every_ticks=settings.every_ticks,
        budgets=settings.budgets,
        ticks=len(ticks.image_ns),
        rows=len(t_ns),
        video_s=round(len(ticks.image_ns) / float(RATE_HZ), 3),
        cameras=tuple(name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None),
        shard_bytes={
            name: sum(path.stat().st_size for path in folder.glob(f"{name}-*.arrow")) for name in settings.budgets
        },
        label_bytes=(folder / LABELS_FILE).stat().st_size,
        path_from=None if made_from.curvature_from == FROM_STEERING else made_from.curvature_from,
        curvature_from=made_from.curvature_from,
        is_by_place=is_by_place,
        skew=None if skew is None else _skew_record(skew, made_from.curvature_from, is_mended),
        is_odometry_off=is_mended and clip.ego is not None,
        left_out={name: int((reasons == index).sum()) for index, name in enumerate(REASONS)},
        standing_rows=standing,
        horizon_rows=tuple(int(n) for n in (valid & is_used[:, None]).sum(axis=0)),
        modes={name: names.count(name) for name in sorted(set(names))},
        histograms={name: Histogram.of(columns[name][is_used], edges) for name, edges in EDGES.items()},
        ranges=_ranges(columns["run"], parts, is_used),
        notes=clip.notes,
        wall_s=0.0,
        cpu_s=0.0,
        is_simulated=clip.rig.is_simulated,
    )


def _skew_record(skew: TimeSkew, against: str, is_mended: bool) -> SkewRecord:
    return SkewRecord(
        against=against,
        offset_ms=round(skew.offset_ms, 1),
        uncertainty_ms=round(skew.uncertainty_ms, 1),
        correlation=round(skew.correlation, 3),
        other_correlation=round(skew.other_correlation, 3),
        is_clear=skew.is_clear,
        is_off=skew.is_off,
        is_mended=is_mended,
    )


def _ranges(run: np.ndarray, parts: np.ndarray, is_used: np.ndarray) -> tuple[TickRange, ...]:
    changes = (np.diff(run) != 0) | (np.diff(parts) != 0) | (np.diff(is_used.astype(np.int8)) != 0)
    begins = [0, *(int(row) + 1 for row in np.flatnonzero(changes))]
    return tuple(
        TickRange(begin, end, int(run[begin]), PARTS[parts[begin]] if parts[begin] >= 0 else "", bool(is_used[begin]))
        for begin, end in zip(begins, [*begins[1:], len(run)], strict=True)
    )
