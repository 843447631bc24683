"""Swapped and turned cameras are found in the pictures of a simulated drive."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.camera_health.mounting import block_sampler
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.simulator.environment import DrivingEnv
from fsd.data.standard_rigs import canonical_rig

TICKS, START_TICK = 132, 108
LEFT, RIGHT = CAMERAS.index("left_pillar"), CAMERAS.index("right_pillar")


@pytest.fixture(scope="module")
def drive(renderer: Any) -> list[tuple[FrameSet, EgoSample]]:
    """Some seconds of a drive at speed."""
    env, frame_sets = DrivingEnv("S1", 1, renderer), []
    for tick in range(START_TICK + TICKS):
        if tick >= START_TICK:
            frame_sets.append((env.frame_set(), env.ego()))
        env.step(*env.expert_controls())
    return frame_sets


def swapped(frames: list[Frame]) -> list[Frame]:
    frames[LEFT], frames[RIGHT] = frames[RIGHT], frames[LEFT]
    return frames


def upside_down(frames: list[Frame]) -> list[Frame]:
    old = frames[LEFT]
    frames[LEFT] = replace(
        old, y_plane=old.y_plane[::-1, ::-1], u_plane=old.u_plane[::-1, ::-1], v_plane=old.v_plane[::-1, ::-1]
    )
    return frames


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (list, {}),
        (swapped, {"left_pillar": CameraFault.SWAPPED, "right_pillar": CameraFault.SWAPPED}),
        (upside_down, {"left_pillar": CameraFault.UPSIDE_DOWN}),
    ],
)
def test_misplaced_cameras_are_named_and_no_others(
    drive: Any, fault: Any, expected: dict[str, CameraFault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_sampler, "CYCLE_TICKS", 1)  # as many samples as in a drive three times as long
    monitor = CameraMonitor(canonical_rig(160, 120))
    for frame_set, ego in drive:
        shown = monitor.step(replace(frame_set, frames=tuple(fault(list(frame_set.frames)))), ego)
    kinds = (CameraFault.SWAPPED, CameraFault.ROTATED, CameraFault.UPSIDE_DOWN)
    found = {
        name: [each for each in faults if each in kinds] for name, faults in zip(CAMERAS, shown.faults, strict=True)
    }
    assert {name: faults[0] for name, faults in found.items() if faults} == expected
    masks = CameraFault.UPSIDE_DOWN in expected.values()
    assert list(np.flatnonzero(shown.is_masked)) == ([LEFT] if masks else [])
