"""rig.json: round trip, and errors that name the field, the value and the fix."""

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from fsd.data.camera_names import ALIASES, canonical_name, fov_deg_in_name
from fsd.data.errors import RigError
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, ClockSpec, Fisheye, FTheta, Pinhole, Pose, Rig, load_rig, save_rig
from fsd.data.standard_rigs import canonical_rig


def load_edited(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> Rig:
    """The canonical rig with one edit to its JSON."""
    document = json.loads(msgspec.json.encode(canonical_rig()))
    edit(document)
    path = folder / "rig.json"
    path.write_text(json.dumps(document))
    return load_rig(path)


def test_a_rig_survives_writing_and_reading(tmp_path: Path) -> None:
    pose = Pose.looking((1.0, -0.5, 1.4), 30.0, -5.0)
    lenses = (
        Pinhole(fx_px=800, fy_px=801, cx_px=640, cy_px=480, distortion=(-0.3, 0.1, 0.001, 0.0, -0.02)),
        Fisheye(fx_px=400, fy_px=400, cx_px=640, cy_px=480, distortion=(0.1, 0.0, 0.0, 0.0)),
        FTheta(cx_px=640, cy_px=480, angle_to_radius_px=(0.0, 500.0, 1.0, -20.0)),
    )
    cameras = tuple(
        Camera(name=name, width_px=1280, height_px=960, intrinsics=lens, ego_from_camera=pose)
        for name, lens in zip(CAMERAS, lenses, strict=False)
    )
    rig = Rig(name="mixed", cameras=cameras, clock=ClockSpec(rate_hz="30000/1001"), vehicle=canonical_rig().vehicle)
    save_rig(rig, tmp_path / "rig.json")
    assert load_rig(tmp_path / "rig.json") == rig
    assert rig.clock.rate == Fraction(30_000, 1001)


def test_a_level_camera_that_looks_ahead_has_the_textbook_rotation() -> None:
    matrix = Pose.looking((1, 2, 3), 0, 0).matrix()
    assert np.allclose(matrix, [[0, 0, 1, 1], [-1, 0, 0, 2], [0, -1, 0, 3], [0, 0, 0, 1]])


def test_a_rig_may_use_aliases_and_is_canonical_once_loaded(tmp_path: Path) -> None:
    assert load_edited(tmp_path, lambda rig: rig["cameras"][0].update(name="CAM_FRONT")) == canonical_rig()


def camera_edit(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda rig: rig["cameras"][2].update(fields)


def part_edit(part: str, **fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda rig: rig["cameras"][2][part].update(fields)


@pytest.mark.parametrize(
    ("edit", "field", "fact"),
    [
        (camera_edit(name="frnt"), "cameras[2].name", "Did you mean front?"),
        (camera_edit(widht_px=3), "cameras[2].widht_px", "`width_px`"),
        (camera_edit(colour="red"), "cameras[2].colour", "width_px, height_px"),
        (part_edit("intrinsics", k1=0.1), "cameras[2].intrinsics.k1", "distortion"),
        (camera_edit(width_px="wide"), "cameras[2].width_px", "'wide'"),
        (camera_edit(width_px=0), "cameras[2].width_px", "got 0"),
        (lambda rig: rig["cameras"][2].pop("width_px"), "cameras[2].width_px", "missing"),
        (camera_edit(name="rear"), "cameras", "rear"),
        (part_edit("intrinsics", fx_px=-800), "cameras[2].intrinsics.fx_px", "-800"),
        (part_edit("intrinsics", fx_px=0.6), "cameras[2].intrinsics.fx_px", "0.6"),
        (part_edit("intrinsics", cx_px=0.5), "cameras[2].intrinsics.cx_px", "0.5"),
        (part_edit("intrinsics", distortion=[0.1, 0.2]), "cameras[2].intrinsics.distortion", "got 2"),
        (part_edit("intrinsics", model="pinhol"), "cameras[2].intrinsics.model", "'pinhole'"),
        (
            part_edit("ego_from_camera", translation_m=[1800, 0, 1450]),
            "cameras[2].ego_from_camera.translation_m",
            "2311.38",
        ),
        (
            part_edit("ego_from_camera", rotation_wxyz=[1, 1, 0, 0]),
            "cameras[2].ego_from_camera.rotation_wxyz",
            "1.41421",
        ),
        (part_edit("ego_from_camera", rotation_wxyz=[1, 0, 0]), "cameras[2].ego_from_camera.rotation_wxyz", "length 4"),
        (lambda rig: rig.update(cameras=[]), "cameras", "empty"),
        (lambda rig: rig.update(clock={"rate_hz": 29.97}), "clock.rate_hz", "float"),
        (lambda rig: rig.update(clock={"rate_hz": "fast"}), "clock.rate_hz", "'fast'"),
        (lambda rig: rig["vehicle"].update(length_m=4700), "vehicle.length_m", "4700"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_or_the_choices(
    tmp_path: Path, edit: Callable[[dict[str, Any]], Any], field: str, fact: str
) -> None:
    with pytest.raises(RigError) as caught:
        load_edited(tmp_path, edit)
    assert caught.value.field == field
    assert str(tmp_path / "rig.json") in str(caught.value)
    assert fact in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"name": nan}'])
def test_what_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(RigError, match=r"rig\.json.*JSON"):
        load_rig(tmp_path / "rig.json")


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"cameras": 5}', '{"cameras": [5]}'])
def test_json_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(RigError, match=r"rig\.json"):
        load_rig(tmp_path / "rig.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"rig\.json"):
        load_rig(tmp_path / "rig.json")


@pytest.mark.parametrize(
    "build",
    [
        lambda: Pinhole(fx_px=math.nan, fy_px=800, cx_px=640, cy_px=480),
        lambda: FTheta(cx_px=640, cy_px=480, angle_to_radius_px=(5.0, 500.0)),
        lambda: Pose(translation_m=(0, 0, math.inf), rotation_wxyz=(1, 0, 0, 0)),
    ],
)
def test_a_rig_built_in_python_is_checked_too(build: Callable[[], Any]) -> None:
    with pytest.raises(ValueError):
        build()


def test_no_alias_names_two_cameras() -> None:
    aliases = [alias for names in ALIASES.values() for alias in names] + list(CAMERAS)
    assert len(aliases) == len(set(aliases))
    assert {canonical_name(alias) for alias in aliases} == set(CAMERAS)
    documented = (Path(__file__).resolve().parents[2] / "docs" / "clip_format.md").read_text(encoding="utf-8")
    assert [alias for alias in aliases if f"`{alias}`" not in documented and alias not in CAMERAS] == []


@pytest.mark.parametrize(
    ("text", "name", "fov_deg"),
    [
        ("ftheta_camera_cross_left_120fov", "left_pillar", 120),
        ("camera_rear_right_70fov", "right_repeater", 70),
        ("camera_front_tele_30fov", "front_narrow", 30),
        ("camera_rear_tele_30fov", "rear", 30),
        ("CAM_BACK_LEFT", "left_repeater", None),
        ("Front Main", "front_main", None),
        ("roof", None, None),
    ],
)
def test_names_of_public_datasets(text: str, name: str | None, fov_deg: float | None) -> None:
    assert (canonical_name(text), fov_deg_in_name(text)) == (name, fov_deg)


@pytest.mark.parametrize("rate_hz", ["1e999999999", "9" * 5000, "1/0", "36/", "0x24"])
def test_a_rate_that_is_none_is_refused_at_once(tmp_path: Path, rate_hz: str) -> None:
    with pytest.raises(RigError) as caught:
        load_edited(tmp_path, lambda rig: rig.update(clock={"rate_hz": rate_hz}))
    assert caught.value.field == "clock.rate_hz"
