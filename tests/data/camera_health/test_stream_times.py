"""Live cameras: frame sets with ages and times, without a reader that knows more."""

import numpy as np
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig

REAR = CAMERAS.index("rear")
TICKS = 60


def moving(number: int) -> np.ndarray:
    """A luma plane (60, 80) that moves by three pixels per number."""
    row = np.random.default_rng(1).integers(30, 220, 400).astype(np.uint8)
    return np.broadcast_to(np.repeat(row, 4)[3 * number : 3 * number + 80], (60, 80)).copy()


def named(shown: list[int | None], times: list[int] | None = None) -> dict[CameraFault, list[int]]:
    """Fault -> ticks at which `rear` has it, if it shows these pictures (None: none), stamped with these ticks.

    A picture with the number of the one before, without times, is the same frame.
    """
    monitor, found = CameraMonitor(canonical_rig(80, 60)), {}
    chroma, before = np.full((30, 40), 128, np.uint8), [None] * len(CAMERAS)
    for tick, number in enumerate(shown):
        frames: list[Frame | None] = [
            Frame(moving(tick), chroma, chroma, tick_time_ns(tick), tick) for _ in range(len(CAMERAS))
        ]
        stamp = number if times is None else times[tick]
        if number is None or stamp is None:
            frames[REAR] = None
        elif times is None and before[REAR] is not None and before[REAR].index == number:
            frames[REAR] = before[REAR]
        else:
            frames[REAR] = Frame(moving(number), chroma, chroma, tick_time_ns(stamp), tick if times else number)
        age_ns = np.array([-1 if each is None else tick_time_ns(tick) - each.timestamp_ns for each in frames])
        is_new = np.array([each is not None and each is not old for each, old in zip(frames, before, strict=True)])
        is_valid = (age_ns >= 0) & (age_ns <= MAX_FRAME_AGE_NS)
        frame_set = monitor.step(FrameSet(tick, tick_time_ns(tick), tuple(frames), age_ns, is_valid, is_new))
        for fault in frame_set.faults[REAR]:
            found.setdefault(fault, []).append(tick)
        assert not any(faults for camera, faults in enumerate(frame_set.faults) if camera != REAR)
        before = frames
    return found


def test_a_healthy_camera_has_no_fault() -> None:
    assert named(list(range(TICKS))) == {}


def test_a_camera_without_a_picture_after_some_is_lost() -> None:
    assert named([*range(40), *[None] * 20]) == {CameraFault.LOST: list(range(40, TICKS))}


def test_a_camera_that_never_had_a_picture_is_missing_and_not_lost() -> None:
    assert named([None] * TICKS) == {}


def test_a_picture_that_gets_too_old_is_of_a_lost_camera() -> None:
    ticks = named([*range(30), *[29] * 30])[CameraFault.LOST]
    assert ticks == list(range(29 + 10, TICKS))


@pytest.mark.parametrize("jump_ticks", [-180, 100])
def test_times_that_jump_are_named_while_they_are_wrong(jump_ticks: int) -> None:
    times = [tick + (jump_ticks if 300 <= tick + 280 < 320 else 0) for tick in range(TICKS)]
    ticks = named(list(range(TICKS)), times)[CameraFault.CLOCK_JUMP]
    assert ticks[0] == 20
    assert set(range(20, 40)) <= set(ticks)


def test_pictures_that_repeat_under_new_times_are_named() -> None:
    shown = [tick if tick < 30 else tick - tick % 3 for tick in range(TICKS)]
    ticks = named(shown, list(range(TICKS)))[CameraFault.DUPLICATES]
    assert ticks == list(range(39, TICKS))  # three runs of two repetitions each have ended
