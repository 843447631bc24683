"""Counters of decoding and synchronisation, per camera and over all cameras, ready for JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from fsd.data.frames import CAMERAS, FrameSet


@dataclass
class CameraCounters:
    """Counters of one camera. Times in nanoseconds.

    Attributes:
        frames_decoded: pictures decoded; frames_timed: those with a usable time; frames_shown: those shown in at least
            one tick; black_frames: shown, but black; frames_waiting: read, but not due yet; frames_skipped: due, but
            never shown (complete once the iteration has ended).
        ticks_repeated: ticks that showed the frame of the tick before, though the camera went on; ticks_missing: before
            the first frame, or without a new one for so long that none can have been recorded;
            ticks_stale: frame older than the limit.
        max_age_ns: oldest frame shown; mean_age_ns: over the ticks where the camera was valid.
        duplicate_times, backwards_times: container times equal to, or earlier than, one before. A frame with a
            backwards time is not shown.
        stray_times: single frames with a time far ahead of their neighbours', not shown.
        gaps, max_gap_ns: steps from frame to frame that hold at least one missing frame, and the longest step.
        corrupt_packets, corrupt_frames: refused, or repaired, by the decoder; lost_frames: never decoded.
        truncated_files: files that ended in a read error; unreadable_files: files without a single usable picture.
        untimed_frames: without a container time of their own; frames_without_row, rows_without_frame: mismatch
            with the timestamps file; resized_frames: of another size than the first, scaled to it.
        ticks_masked: masked for a fault of the pictures.
        overlap_frames: first frames of part files that repeat the last one of the part before; not shown.
    """

    frames_decoded: int = 0
    frames_shown: int = 0
    frames_timed: int = 0
    frames_waiting: int = 0
    black_frames: int = 0
    ticks_repeated: int = 0
    ticks_missing: int = 0
    ticks_stale: int = 0
    max_age_ns: int = 0
    mean_age_ns: int = 0
    duplicate_times: int = 0
    backwards_times: int = 0
    stray_times: int = 0
    gaps: int = 0
    max_gap_ns: int = 0
    corrupt_packets: int = 0
    corrupt_frames: int = 0
    lost_frames: int = 0
    truncated_files: int = 0
    unreadable_files: int = 0
    untimed_frames: int = 0
    frames_without_row: int = 0
    rows_without_frame: int = 0
    resized_frames: int = 0
    overlap_frames: int = 0
    ticks_masked: int = 0

    @property
    def clock_faults(self) -> int:
        """Frames whose time does not go on from those before."""
        return self.backwards_times + self.stray_times

    @property
    def frames_skipped(self) -> int:
        return max(0, self.frames_timed - self.frames_shown - self.frames_waiting)

    def to_dict(self) -> dict[str, int]:
        return {**asdict(self), "frames_skipped": self.frames_skipped}


@dataclass(frozen=True)
class RunStart:
    """Where a run begins: its first tick and that tick's time, and the hole before it (None for the first run)."""

    first_tick: int
    start_ns: int
    hole_ns: int | None = None


_FAULTS = {
    "black_frames": "{} black frames",
    "ticks_stale": "{} ticks with a stale frame",
    "duplicate_times": "{} frames with the time of the frame before",
    "backwards_times": "{} frames with a time before that of an earlier frame, not shown",
    "stray_times": "{} frames with a time far ahead of the others, not shown",
    "gaps": "{} gaps between frames",
    "corrupt_packets": "{} packets that could not be decoded",
    "corrupt_frames": "{} damaged pictures",
    "lost_frames": "{} pictures lost",
    "truncated_files": "{} files cut off",
    "unreadable_files": "{} files without a usable picture",
    "untimed_frames": "{} frames without a time of their own",
    "frames_without_row": "{} frames without a row in the timestamps file, not shown",
    "rows_without_frame": "{} rows of the timestamps file without a frame",
    "resized_frames": "{} pictures of another size, scaled",
}


@dataclass
class SyncReport:
    """The whole clip: `cameras` by canonical name (those with a video), and the skew between them.

    `start_ns` is the time of tick 0, `ticks` the number of ticks so far, `runs` the stretches that holes divide,
    `fault_ticks` camera -> flag of a `CameraFault` -> ticks. Skew is the newest minus the oldest frame time over the
    valid cameras of a tick. Complete once the iteration has ended; a snapshot before.
    """

    cameras: dict[str, CameraCounters] = field(default_factory=dict)
    runs: list[RunStart] = field(default_factory=list)
    start_ns: int | None = None
    ticks: int = 0
    fault_ticks: dict[str, dict[str, int]] = field(default_factory=dict)
    max_skew_ns: int = 0
    mean_skew_ns: int = 0

    def count_faults(self, frame_set: FrameSet) -> None:
        """Count the faults and masks of one tick, after a `CameraMonitor` has set them."""
        for camera, (name, faults) in enumerate(zip(CAMERAS, frame_set.faults, strict=True)):
            if faults and name in self.cameras:
                counters = self.cameras[name]
                counters.ticks_masked += int(frame_set.is_masked[camera])
                ticks = self.fault_ticks.setdefault(name, {})
                for fault in faults:
                    ticks[fault.value] = ticks.get(fault.value, 0) + 1

    def faults(self) -> tuple[str, ...]:
        """One sentence per camera that had faults."""
        sentences = []
        for name in CAMERAS:
            counters = self.cameras.get(name)
            if counters is None:
                continue
            counts = {key: getattr(counters, key) for key in _FAULTS}
            found = [text.format(counts[key]) for key, text in _FAULTS.items() if counts[key]]
            found += [f"{fault} at {_ticks(count)}" for fault, count in self.fault_ticks.get(name, {}).items()]
            if counters.ticks_masked:
                found.append(f"masked at {_ticks(counters.ticks_masked)}")
            if found:
                sentences.append(f"{name}: {', '.join(found)}.")
        return tuple(sentences)

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "cameras": {name: counters.to_dict() for name, counters in self.cameras.items()},
            "faults": list(self.faults()),
        }


def _ticks(count: int) -> str:
    return f"{count} tick{'s' if count != 1 else ''}"
