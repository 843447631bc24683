"""Make one camera of a stream of frame sets faulty, in the ways that cameras, cables, clocks and videos fail.

A fault changes frame sets as they leave the recording or the simulator: pictures, their times, and what follows from
those (age, validity), by the rules of `data/frame_merger.py`. It never writes into the pictures that it is given.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, Frame, FrameSet
from fsd.data.simulator.picture_faults import PICTURE_FAULTS

TIME_FAULTS = (
    "frozen",  # new times, always the last picture before the fault
    "late_start",  # no picture before `from_tick`
    "lost",  # no picture any more
    "truncated",  # the video ends: the last picture stays and gets older
    "clock_jump",  # good pictures whose times are `CLOCK_JUMP_NS` too early
    "clock_offset",  # pictures `CLOCK_OFFSET_NS` old with the times of new ones
    "duplicates",  # every picture `DUPLICATES` times, with new times
    "swapped",  # the cables of two cameras are exchanged
)
KINDS = (*TIME_FAULTS, *PICTURE_FAULTS)
"""All faults."""

CLOCK_JUMP_NS = 5_000_000_000
CLOCK_OFFSET_NS = 300_000_000
DUPLICATES = 3

SWAPPED_WITH = {
    "front_main": "front_wide",
    "front_wide": "front_main",
    "front_narrow": "front_main",
    "left_pillar": "right_pillar",
    "right_pillar": "left_pillar",
    "left_repeater": "right_repeater",
    "right_repeater": "left_repeater",
    "rear": "left_repeater",
}
"""Camera -> the one whose cable it is exchanged with, if not given."""


class FaultInjector:
    """One fault of one camera, from one tick to another; call it with every frame set in order.

    Args:
        kind: one of `KINDS`.
        camera: that is faulty.
        from_tick: first tick of the fault; of `late_start`, the first tick with a picture.
        until_tick: first tick after the fault; None: it lasts.
        seed: of whatever is random in it.
        partner: the other camera of `swapped`; `SWAPPED_WITH` if not given.

    Attributes:
        cameras: names of the cameras that are faulty: one, or two that are swapped.
    """

    def __init__(
        self,
        kind: str,
        camera: str,
        from_tick: int,
        until_tick: int | None = None,
        seed: int = 0,
        partner: str | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"There is no fault {kind!r}. Choose from {', '.join(KINDS)}.")
        if kind == "late_start" and until_tick is not None:
            raise ValueError("`late_start` ends at `from_tick`; leave `until_tick` out.")
        partner = partner or SWAPPED_WITH[camera]
        if partner == camera:
            raise ValueError(f"{camera} cannot be swapped with itself.")
        self.kind, self.seed = kind, seed
        self.cameras = (camera, partner) if kind == "swapped" else (camera,)
        self._from_tick, self._until_tick = from_tick, until_tick
        self._indices = [CAMERAS.index(name) for name in self.cameras]
        self._makers: dict[str, Callable[[Frame], Frame | None]] = {
            "frozen": self._frozen,
            "late_start": lambda frame: None,
            "lost": lambda frame: None,
            "truncated": lambda frame: self._last_good or frame,
            "clock_jump": lambda frame: replace(frame, timestamp_ns=frame.timestamp_ns - CLOCK_JUMP_NS),
            "clock_offset": self._delayed,
            "duplicates": self._duplicate,
        }
        self.reset()

    def reset(self) -> None:
        """Forget the drive."""
        self._recent: deque[Frame] = deque()
        self._last_good: Frame | None = None
        self._shown_count = 0
        self._repeated: Frame | None = None
        self._source: Frame | None = None
        self._made: Frame | None = None
        self._shown_before: list[Frame | None] = [None] * len(CAMERAS)

    def is_active(self, tick: int) -> bool:
        """Whether the camera is faulty at a tick."""
        if self.kind == "late_start":
            return tick < self._from_tick
        return self._from_tick <= tick and (self._until_tick is None or tick < self._until_tick)

    def __call__(self, frame_set: FrameSet) -> FrameSet:
        """The frame set as it is with the fault."""
        frames = list(frame_set.frames)
        first, source = self._indices[0], frames[self._indices[0]]
        is_active = self.is_active(frame_set.tick)
        if is_active and self.kind == "swapped":
            other = self._indices[1]
            frames[first], frames[other] = frames[other], frames[first]
        elif is_active and source is not None:
            frames[first] = self._faulty(source)
        if source is not None:
            self._remember(source, is_active)
        return self._merged(frame_set, frames)

    def _remember(self, frame: Frame, is_active: bool) -> None:
        """Keep what later pictures of the fault are made of."""
        if not is_active:
            self._last_good = frame
        if self.kind == "clock_offset" and (not self._recent or frame is not self._recent[-1]):
            self._recent.append(frame)
            while len(self._recent) > 1 and self._recent[1].timestamp_ns <= frame.timestamp_ns - CLOCK_OFFSET_NS:
                self._recent.popleft()

    def _faulty(self, frame: Frame) -> Frame | None:
        """What is shown instead of this frame: the same object as long as the frame is the same."""
        if frame is not self._source:
            self._source = frame
            make = self._makers.get(self.kind, self._changed_picture)
            self._made = make(frame)
        return self._made

    def _changed_picture(self, frame: Frame) -> Frame:
        change = PICTURE_FAULTS[self.kind]
        planes = change((frame.y_plane, frame.u_plane, frame.v_plane), self.seed, frame.timestamp_ns / 1e9)
        return Frame(*planes, frame.timestamp_ns, frame.index, is_black=frame.is_black or self.kind == "black")

    def _frozen(self, frame: Frame) -> Frame:
        return _with_picture(frame, self._last_good or frame)

    def _delayed(self, frame: Frame) -> Frame:
        due_ns = frame.timestamp_ns - CLOCK_OFFSET_NS
        old = [each for each in self._recent if each.timestamp_ns <= due_ns]
        return _with_picture(frame, old[-1] if old else (self._recent or [frame])[0])

    def _duplicate(self, frame: Frame) -> Frame:
        if self._shown_count % DUPLICATES == 0 or self._repeated is None:
            self._repeated = frame
        self._shown_count += 1
        return _with_picture(frame, self._repeated)

    def _merged(self, frame_set: FrameSet, frames: list[Frame | None]) -> FrameSet:
        """The frame set with these frames, and the age and validity of those that changed."""
        age_ns, is_valid, is_new = (each.copy() for each in (frame_set.age_ns, frame_set.is_valid, frame_set.is_new))
        for index in self._indices:
            frame = frames[index]
            if frame is not frame_set.frames[index]:
                age_ns[index] = -1 if frame is None else frame_set.timestamp_ns - frame.timestamp_ns
                is_valid[index] = frame is not None and not frame.is_black and int(age_ns[index]) <= MAX_FRAME_AGE_NS
                is_new[index] = frame is not None and frame is not self._shown_before[index]
        self._shown_before = frames
        return replace(frame_set, frames=tuple(frames), age_ns=age_ns, is_valid=is_valid, is_new=is_new)


def _with_picture(frame: Frame, other: Frame) -> Frame:
    """The picture of another frame with the time of this one."""
    return replace(other, timestamp_ns=frame.timestamp_ns, index=frame.index)
