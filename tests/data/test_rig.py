"""rig.json: round trip, and errors that name the field, what came and the mend."""

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
from fsd.data.rig import (
    Camera,
    ClockSpec,
    Fisheye,
    FTheta,
    Pinhole,
    Pose,
    Rig,
    load_rig,
    save_rig,
)
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
    ("edit", "message"),
    [
        (
            camera_edit(name="frnt"),
            r"cameras\[2\]: `name` 'frnt' is no camera we know.*front_main \(front, .*cam_front",
        ),
        (camera_edit(widht_px=3), r"cameras\[2\]: unknown field `widht_px`\. Did you mean `width_px`\?"),
        (camera_edit(colour="red"), r"cameras\[2\]: unknown field `colour`\. Remove it; the fields here are name, "),
        (part_edit("intrinsics", k1=0.1), r"intrinsics: unknown field `k1`\. Remove it; .*distortion, .*model"),
        (camera_edit(width_px="wide"), r"cameras\[2\]\.width_px: expected `int`, got `str` \(the value is 'wide'\)"),
        (camera_edit(width_px=0), r"`width_px` must be 16 … 16384 pixels, got 0"),
        (lambda rig: rig["cameras"][2].pop("width_px"), r"cameras\[2\]: `width_px` is missing\. Add it"),
        (camera_edit(name="rear"), r"`cameras` has rear more than once; keep one"),
        (part_edit("intrinsics", fx_px=-800), r"cameras\[2\]\.intrinsics: `fx_px` must be a positive focal length"),
        (part_edit("intrinsics", fx_px=0.6), r"`fx_px` is 0\.6.*normalised one must be multiplied by the .*width"),
        (part_edit("intrinsics", cx_px=0.5), r"`intrinsics\.cx_px` is 0\.5, far from the middle of 1280 pixels"),
        (part_edit("intrinsics", distortion=[0.1, 0.2]), r"`distortion` must have 0, 4, 5 or 8 numbers .* got 2"),
        (part_edit("intrinsics", model="pinhol"), r"intrinsics\.model: 'pinhol' is no lens model\. Use 'pinhole'"),
        (part_edit("ego_from_camera", translation_m=[1800, 0, 1450]), r"2311\.38 m from the rear axle.*millimetres"),
        (part_edit("ego_from_camera", rotation_wxyz=[1, 1, 0, 0]), r"has length 1\.41421 and must have length 1"),
        (part_edit("ego_from_camera", rotation_wxyz=[1, 0, 0]), r"rotation_wxyz: expected `array` of length 4"),
        (lambda rig: rig.update(cameras=[]), r"`cameras` is empty; describe at least one camera"),
        (lambda rig: rig.update(clock={"rate_hz": 29.97}), r"clock\.rate_hz: expected `int \| str`, got `float`"),
        (lambda rig: rig.update(clock={"rate_hz": "fast"}), r"`rate_hz` must be 1 … 1000 .*got 'fast'"),
        (lambda rig: rig["vehicle"].update(length_m=4700), r"vehicle: `length_m` must be more than 0 and less than 30"),
    ],
)
def test_a_wrong_field_is_named_with_what_came_and_the_mend(
    tmp_path: Path, edit: Callable[[dict[str, Any]], Any], message: str
) -> None:
    with pytest.raises(RigError, match=message) as caught:
        load_edited(tmp_path, edit)
    assert str(caught.value).startswith(str(tmp_path / "rig.json"))


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"name": nan}'])
def test_what_is_not_json_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(RigError, match=r"rig\.json is not JSON"):
        load_rig(tmp_path / "rig.json")


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"cameras": 5}', '{"cameras": [5]}'])
def test_json_of_another_shape_says_what_was_expected(tmp_path: Path, text: str) -> None:
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(RigError, match=r"rig\.json: .*(expected|is missing)"):
        load_rig(tmp_path / "rig.json")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="cannot be read"):
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
    with pytest.raises(ValueError, match="must be"):
        build()


def test_no_alias_names_two_cameras() -> None:
    aliases = [alias for names in ALIASES.values() for alias in names] + list(CAMERAS)
    assert len(aliases) == len(set(aliases))
    assert {canonical_name(alias) for alias in aliases} == set(CAMERAS)


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
