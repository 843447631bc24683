"""Frame sets made of arrays: `FrameSet.from_rgb` and `from_yuv`."""

import numpy as np
import pytest

from fsd.data.errors import ClipError, RigError
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.standard_rigs import assumed_rig

RIG = assumed_rig({"front_main": (64, 48), "rear": (32, 24)})


def rgb(width_px: int = 64, height_px: int = 48, level: int = 128) -> np.ndarray:
    return np.full((height_px, width_px, 3), level, np.uint8)


def test_cameras_may_be_named_by_their_aliases_and_others_are_missing() -> None:
    frame_set = FrameSet.from_rgb({"CAM_FRONT": rgb(), "back": rgb(32, 24)}, 123, RIG, tick=7)
    present = [name for name, frame in zip(CAMERAS, frame_set.frames, strict=True) if frame is not None]
    assert present == ["front_main", "rear"]
    assert (frame_set.tick, frame_set.timestamp_ns) == (7, 123)
    assert frame_set.age_ns.tolist() == [0, -1, -1, -1, -1, -1, -1, 0]
    assert frame_set.is_valid.tolist() == frame_set.is_new.tolist() == [age == 0 for age in frame_set.age_ns]


def test_rgb_becomes_yuv_of_limited_range() -> None:
    red = rgb()
    red[:] = (255, 0, 0)
    frame = FrameSet.from_rgb({"front": red}, 0).frames[0]
    assert frame is not None
    shown = [int(plane[10, 10]) for plane in (frame.y_plane, frame.u_plane, frame.v_plane)]
    assert shown == pytest.approx([81, 90, 240], abs=1)  # BT.601
    black = FrameSet.from_rgb({"front": rgb(level=0)}, 0).frames[0]
    assert black is not None
    assert black.is_black
    assert black.y_plane.max() == 16


def test_planes_are_taken_as_they_are() -> None:
    luma, u_plane, v_plane = np.full((25, 33), 90, np.uint8), *np.full((2, 13, 17), 128, np.uint8)
    frame = FrameSet.from_yuv({"rear": (luma, u_plane, v_plane)}, 5).frames[7]
    assert frame is not None
    assert frame.y_plane is luma
    assert frame.sample is not None
    assert not frame.is_black


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (rgb().transpose(2, 0, 1), "transpose(1, 2, 0)"),
        (rgb().astype(np.float32) / 255, "astype(np.uint8)"),
        (np.zeros((48, 64, 4), np.uint8), "[:, :, :3]"),
        (rgb()[:, :, 0], "np.repeat"),
        (rgb()[None], "batch"),
        ([[0]], "numpy.asarray"),
        (rgb(8, 8), "8x8"),
    ],
    ids=["channels first", "floats", "rgba", "grey", "batch", "list", "tiny"],
)
def test_a_picture_of_another_form_is_refused_with_the_way_to_convert_it(image: np.ndarray, advice: str) -> None:
    with pytest.raises(ClipError) as raised:
        FrameSet.from_rgb({"front_main": image}, 0)
    assert advice in str(raised.value)


@pytest.mark.parametrize(
    "planes",
    [rgb(), (rgb()[:, :, 0],) * 3, (rgb()[:, :, 0], np.zeros((24, 32, 2), np.uint8)), ("y", "u", "v")],
    ids=["rgb", "4:4:4", "nv12", "text"],
)
def test_planes_of_another_form_are_refused(planes: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ClipError) as raised:
        FrameSet.from_yuv({"front_main": planes}, 0)
    assert raised.value.camera == "front_main"


@pytest.mark.parametrize(
    ("size_px", "advice"), [((48, 64), "exchanged"), ((128, 96), "Resize"), ((64, 36), "cut or stretched")]
)
def test_a_size_that_is_not_that_of_the_rig_is_explained(size_px: tuple[int, int], advice: str) -> None:
    with pytest.raises(RigError) as raised:
        FrameSet.from_rgb({"front": rgb(*size_px)}, 0, RIG)
    assert raised.value.camera == "front_main"
    assert f"{size_px[0]}x{size_px[1]}" in str(raised.value)
    assert advice in str(raised.value)


def test_a_camera_that_the_rig_lacks_is_refused() -> None:
    with pytest.raises(RigError) as raised:
        FrameSet.from_rgb({"left_pillar": rgb()}, 0, RIG)
    assert raised.value.camera == "left_pillar"


def test_wrong_names_are_answered_with_a_guess() -> None:
    with pytest.raises(ClipError, match="Did you mean front_main"):
        FrameSet.from_rgb({"front_mian": rgb()}, 0)
    with pytest.raises(ClipError) as raised:
        FrameSet.from_rgb({"front": rgb(), "front_main": rgb()}, 0)
    assert raised.value.camera == "front_main"
    with pytest.raises(ClipError):
        FrameSet.from_rgb({}, 0)
