"""History, missing cameras, types and names of cameras, from frame sets to the tensor."""

import numpy as np
import pytest

from fsd.data.camera_names import ALIASES
from fsd.third_party.input_fields import ImageInput
from tests.fsd.third_party._pictures import flat, frame_set, observed, observer_of


def grey(width: int = 64, height: int = 48, **fields: object) -> ImageInput:
    return ImageInput("i", width, height, colour="gray", **fields)  # type: ignore[arg-type]


def luma_of_level(level: int) -> int:
    return 16 + round(level * 219 / 255)


def first_values(image: ImageInput, lumas: list[int | None], shape: tuple[int, ...]) -> list[list[int]]:
    """The first pixel of every channel after each step, as luma; None is a step without a picture."""
    observer = observer_of(image, shape, "uint8")
    found = []
    for luma in lumas:
        pictures = frame_set() if luma is None else frame_set(rear=flat(luma))
        tensor = observer.observe(pictures, None, "none")["i"]
        found.append([luma_of_level(int(level)) for level in tensor[0, :, 0, 0]])
    return found


def test_history_counts_steps_and_repeats_the_oldest_before_there_is_enough() -> None:
    image = grey(camera="rear", history=(3, 1, 0))
    found = first_values(image, [20, 30, 40, 50, 60], (1, 3, 48, 64))
    assert found == [[20, 20, 20], [20, 20, 30], [20, 30, 40], [20, 40, 50], [30, 50, 60]]


def test_history_may_leave_out_the_present() -> None:
    assert first_values(grey(camera="rear", history=(2,)), [20, 30, 40, 50], (1, 1, 48, 64)) == [[20], [20], [20], [30]]


def test_two_frames_of_two_cameras_are_stacked_camera_by_camera_and_in_each_frame_by_frame() -> None:
    image = grey(cameras=("front", "rear"), history=(1, 0))
    observer = observer_of(image, (1, 4, 48, 64), "uint8")
    for step in range(2):
        tensor = observer.observe(frame_set(front_main=flat(20 + step), rear=flat(120 + step)), None, "none")["i"]
    assert [luma_of_level(int(level)) for level in tensor[0, :, 0, 0]] == [20, 21, 120, 121]


def test_a_reset_and_a_new_run_of_the_recording_forget_earlier_pictures() -> None:
    observer = observer_of(grey(camera="rear", history=(1, 0), missing="last"), (1, 2, 48, 64), "uint8")
    observer.observe(frame_set(rear=flat(235)), None, "none")
    assert (observer.observe(frame_set(run=1), None, "none")["i"] == 128).all()
    observer.observe(frame_set(run=1, rear=flat(235)), None, "none")
    observer.reset()
    assert (observer.observe(frame_set(run=1), None, "none")["i"] == 128).all()


@pytest.mark.parametrize(("missing", "expected"), [("grey", [126, 30, 126, 126]), ("black", [16, 30, 16, 16])])
def test_a_missing_picture_is_replaced(missing: str, expected: list[int]) -> None:
    found = first_values(grey(camera="rear", missing=missing), [None, 30, None, None], (1, 1, 48, 64))
    assert [row[0] for row in found] == expected


@pytest.mark.parametrize("history", [(0,), (2, 0)])
def test_the_last_picture_stands_for_missing_ones_and_grey_before_the_first(history: tuple[int, ...]) -> None:
    image = grey(camera="rear", missing="last", history=history)
    found = first_values(image, [None, 30, None, None, 40, None], (1, len(history), 48, 64))
    assert [row[-1] for row in found] == [126, 30, 30, 30, 40, 40]


@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray", "yuv420"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_grey_is_neutral_in_every_colour_and_fit(colour: str, fit: str) -> None:
    image = ImageInput("i", 20, 40, "rear", colour=colour, fit=fit)  # type: ignore[arg-type]
    shape = {"gray": (1, 1, 40, 20), "yuv420": (1, 6, 20, 10)}.get(colour, (1, 3, 40, 20))
    assert (observed(image, shape, "uint8", frame_set()) == 128).all()


def test_a_picture_that_is_too_old_counts_as_missing() -> None:
    pictures = frame_set(rear=flat(200))
    pictures.is_valid[:] = False
    assert (observed(grey(camera="rear"), (1, 1, 48, 64), "uint8", pictures) == 128).all()


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
def test_every_type_has_its_default_scale(dtype: str) -> None:
    tensor = observed(grey(camera="rear"), (1, 1, 48, 64), dtype, frame_set(rear=flat(235)))
    assert tensor.dtype == np.dtype(dtype)
    assert (tensor == (1 if dtype.startswith("float") else 255)).all()


def test_int8_is_centred_by_a_mean_of_128() -> None:
    for luma, value in ((16, -128), (235, 127)):
        tensor = observed(grey(camera="rear", mean=(128.0,)), (1, 1, 48, 64), "int8", frame_set(rear=flat(luma)))
        assert (tensor == value).all()


@pytest.mark.parametrize("name", ALIASES)
def test_a_camera_may_have_its_name_or_any_alias(name: str) -> None:
    for alias in (name, name.upper(), *ALIASES[name], f"camera_{ALIASES[name][0]}"):
        tensor = observed(grey(camera=alias), (1, 1, 48, 64), "uint8", frame_set(**{name: flat(235)}))
        assert (tensor == 255).all()


def test_nhwc_uint8_of_three_cameras_along_the_channels() -> None:
    image = ImageInput("i", 64, 48, cameras=("front_main", "rear", "wide"), layout="nhwc")
    pictures = frame_set(front_main=flat(16), rear=flat(235), front_wide=flat(81, 90, 240))
    tensor = observed(image, (1, 48, 64, 9), "uint8", pictures)
    assert tensor[0, 20, 30, :6].tolist() == [0] * 3 + [255] * 3
    assert tensor[0, 20, 30, 6:] == pytest.approx([254, 0, 0], abs=1)


def test_channels_are_normalised_each_by_its_own_mean_in_every_camera_and_layout() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 0.2)
    image = ImageInput("i", 64, 48, cameras=("rear", "front"), layout="hwvc", mean=mean, std=std)
    tensor = observed(image, (48, 64, 2, 3), "float32", frame_set(rear=flat(235), front_main=flat(16)))
    assert tensor[7, 9, 0] == pytest.approx((1 - np.array(mean)) / std)
    assert tensor[7, 9, 1] == pytest.approx(-np.array(mean) / std)
