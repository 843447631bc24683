"""`--hfov`, `--height` and `--pitch` for cameras without calibration."""

import math
from pathlib import Path
from typing import Any

import pytest

from fsd.data.clip import Clip
from fsd.data.errors import UsageError
from fsd.data.mounting_options import camera_number
from fsd.data.open_clip import open_clip
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Camera, Pinhole, save_rig
from fsd.data.standard_rigs import canonical_rig


@pytest.fixture(scope="module")
def folder(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashcam")
    for name in ("front_wide", "rear"):
        tools.write_video(folder / f"{name}.mp4", list(range(0, 400, 40)))
    return folder


def camera(clip: Clip, name: str) -> Camera:
    found = clip.rig.camera(name)
    assert found is not None
    return found


def test_a_number_is_of_the_first_camera_and_pairs_name_others(folder: Path) -> None:
    assert camera_number("90") == ("", 90.0)
    assert camera_number("CAM_BACK=120") == ("rear", 120.0)
    options = CameraOptions(hfov_deg={"": 90.0}, height_m={"": 1.3, "rear": 0.9}, pitch_deg={"rear": -10.0})
    clip, before = open_clip(folder, options), open_clip(folder)
    front, rear = camera(clip, "front_wide"), camera(clip, "rear")
    assert isinstance(front.intrinsics, Pinhole)
    assert front.intrinsics.fx_px == pytest.approx(front.width_px / 2, rel=0.01)
    assert front.ego_from_camera.translation_m[2] == 1.3
    assert front.ego_from_camera.matrix()[:3, :3] == pytest.approx(
        camera(before, "front_wide").ego_from_camera.matrix()[:3, :3]
    )
    forward = rear.ego_from_camera.matrix()[:3, 2]
    assert forward == pytest.approx([-math.cos(math.radians(10)), 0, -math.sin(math.radians(10))], abs=1e-6)
    assert any("--pitch rear=-10" in note for note in clip.notes)


def test_a_camera_without_pictures_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="--height is for left_pillar"):
        open_clip(folder, CameraOptions(height_m={"left_pillar": 1.0}))


def test_a_known_calibration_is_not_overridden(folder: Path, tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "rear.mp4", list(range(0, 400, 40)))
    save_rig(canonical_rig(128, 96), tmp_path / "rig.json")
    with pytest.raises(UsageError, match="canonical"):
        open_clip(tmp_path, CameraOptions(hfov_deg={"": 90.0}))


@pytest.mark.parametrize("text", ["wide", "raer=90", "rear="])
def test_what_is_no_number_or_no_camera_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"rear"):
        camera_number(text)
