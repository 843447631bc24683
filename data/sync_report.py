"""Counters of decoding and synchronisation, per camera and over all cameras, ready for JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from fsd.data.camera_health.camera_fault import CameraFault
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


class _Counted(NamedTuple):
    """How a counter is told: alone, or in brackets behind the fault of which it is the detail."""

    text: str
    fault: CameraFault | None = None
    detail: str | None = None


_AGED = (CameraFault.LOST, CameraFault.TRUNCATED)
"""Faults that name a stale frame."""

_MASKING = frozenset(fault.value for fault in CameraFault if fault.masks)

_COUNTERS = {
    "black_frames": _Counted("{} black frame{s}", CameraFault.BLACK, "{} frame{s}"),
    "ticks_stale": _Counted("stale at {} tick{s}"),
    "duplicate_times": _Counted("{} frame{s} with the time of the frame before", CameraFault.DUPLICATES),
    "backwards_times": _Counted(
        "{} frame{s} with a time before that of an earlier frame, not shown", CameraFault.CLOCK_JUMP
    ),
    "stray_times": _Counted("{} frame{s} with a time far ahead of the others, not shown", CameraFault.CLOCK_JUMP),
    "gaps": _Counted("{} gap{s} between frames"),
    "corrupt_packets": _Counted("{} packet{s} that could not be decoded", CameraFault.CORRUPT),
    "corrupt_frames": _Counted("{} damaged picture{s}", CameraFault.CORRUPT),
    "lost_frames": _Counted("{} picture{s} lost", CameraFault.CORRUPT),
    "truncated_files": _Counted("{} file{s} cut off", CameraFault.TRUNCATED, "{} file{s}"),
    "unreadable_files": _Counted("{} file{s} without a usable picture"),
    "untimed_frames": _Counted("{} frame{s} without a container time"),
    "frames_without_row": _Counted("{} frame{s} without a row in the timestamps file, not shown"),
    "rows_without_frame": _Counted("{} row{s} of the timestamps file without a frame"),
    "resized_frames": _Counted("{} picture{s} of another size, scaled", CameraFault.RESIZED, "{} picture{s}, scaled"),
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
        """One sentence per camera that had faults: a part per fault, with what was counted of it."""
        found = ((name, self._parts(name, self.cameras[name])) for name in CAMERAS if name in self.cameras)
        return tuple(f"{name}: {'; '.join(parts)}." for name, parts in found if parts)

    def _parts(self, name: str, counters: CameraCounters) -> list[str]:
        ticks = self.fault_ticks.get(name, {})
        counts = {key: getattr(counters, key) for key in _COUNTERS if getattr(counters, key)}
        if sum(ticks.get(fault, 0) for fault in _AGED) >= counters.ticks_stale:
            counts.pop("ticks_stale", None)
        parts = [
            _counted(each.text, counts[key])
            for key, each in _COUNTERS.items()
            if key in counts and each.fault not in ticks
        ]
        masking = [fault for fault in ticks if fault in _MASKING]
        is_masked_by_one = len(masking) == 1 and ticks[masking[0]] == counters.ticks_masked
        for fault, count in ticks.items():
            details = [
                _counted(each.detail or each.text, counts[key])
                for key, each in _COUNTERS.items()
                if key in counts and each.fault == fault
            ]
            bracket = f" ({', '.join(details)})" if details else ""
            masked = ", masked" if is_masked_by_one and fault == masking[0] else ""
            parts.append(f"{fault} at {_counted('{} tick{s}', count)}{bracket}{masked}")
        if counters.ticks_masked and not is_masked_by_one:
            parts.append(f"masked at {_counted('{} tick{s}', counters.ticks_masked)}")
        return parts

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "cameras": {name: counters.to_dict() for name, counters in self.cameras.items()},
            "faults": list(self.faults()),
        }


def _counted(text: str, count: int) -> str:
    return text.format(count, s="" if count == 1 else "s")
