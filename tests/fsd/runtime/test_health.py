from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.frames import CAMERAS, FrameSet
from fsd.runtime.health import describe_health, health_flags

NOTHING = FrameSet(0, 0, (None,) * 8, np.full(8, -1, np.int64), np.zeros(8, np.bool_), np.zeros(8, np.bool_))


@pytest.mark.parametrize("fault", [fault for fault in CameraFault if fault.explains_absence])
def test_an_absent_camera_has_one_name(fault: Any) -> None:
    faults = tuple((fault,) if name == "rear" else () for name in CAMERAS)
    flags = health_flags(replace(NOTHING, faults=faults), None, "network").split(";")
    assert [flag for flag in flags if "rear" in flag] == [f"{fault.value}=rear"]
    assert flags[0] == f"missing={','.join(CAMERAS[:-1])}"


@pytest.mark.parametrize("fault", list(CameraFault))
def test_every_fault_has_a_text_for_people(fault: Any) -> None:
    assert "left pillar" in describe_health(f"{fault.value}=left_pillar")
