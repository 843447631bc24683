"""Pictures in tensors are made of a recording by the adapter, and back again."""

from typing import Any

import numpy as np
import pytest

from fsd.adapting.seen_images import contact_sheet, seen_images
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.overlay.drawing import rgb_image
from fsd.third_party.images.image_tensor import ImageTensor
from fsd.third_party.images.layout import tensor_shape
from fsd.third_party.input_fields import ImageInput

SIZE = {"width_px": 64, "height_px": 48}


@pytest.mark.parametrize(
    ("fields", "dtype"),
    [
        ({"camera": "front_main"}, "float32"),
        ({"camera": "front_main", "colour": "bgr", "layout": "hwc"}, "uint8"),
        ({"camera": "rear", "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, "float16"),
        ({"camera": "front_main", "colour": "yuv420", "scale": 1.0}, "float32"),
        ({"camera": "front_main", "colour": "yuv420", "luma_order": ("00", "01", "10", "11")}, "uint8"),
        ({"cameras": ("rear", "front_wide"), "layout": "nvchw"}, "float32"),
        ({"cameras": ("rear", "front_wide"), "layout": "nhwc", "history": (1, 0)}, "uint8"),
    ],
)
def test_what_entered_a_tensor_is_the_cameras_picture(small_clip: Any, fields: Any, dtype: str) -> None:
    clip, image = open_clip(small_clip), ImageInput(name="image", **SIZE, **fields)
    tensor = np.zeros(tensor_shape(image), dtype)
    maker = ImageTensor(image, tensor, clip.rig)
    with FrameSource(clip, max_ticks=2) as source:
        frame_sets = list(source)
        for frame_set in frame_sets:
            maker.load(frame_set)
        frames = [each.frames[0] for each in frame_sets]  # the small clip shows the same in all cameras
        assert frames[0] is not None
        assert frames[1] is not None
        expected = {0.0: rgb_image(frames[1], (64, 48)), 25.0: rgb_image(frames[0], (64, 48))}
    found = seen_images(image, tensor, {}, 25.0)
    assert [each.camera for each in found] == [name for name in image.sources for _ in image.history]
    for each in found:
        difference = np.abs(each.pixels.astype(int) - np.asarray(expected[each.age_ms]).astype(int))
        assert difference.mean() < 5  # the two scale with different kernels
        assert each.lowest < each.highest


def test_the_sheet_has_room_for_every_picture() -> None:
    image = ImageInput(name="image", cameras=("rear", "front_main"), layout="nhwc", history=(2, 1, 0), **SIZE)
    tensor = np.random.default_rng(0).integers(0, 255, tensor_shape(image)).astype(np.uint8)
    seen = seen_images(image, tensor, {"rear": 5.0}, 50.0)
    assert [each.age_ms for each in seen] == [105.0, 55.0, 5.0, 100.0, 50.0, 0.0]
    one, two = contact_sheet([(image, "", seen)]), contact_sheet([(image, "", seen)] * 2)
    assert one.width == two.width
    assert one.height < two.height < 2 * one.height


def test_numbers_that_are_not_finite_are_black_and_left_out_of_the_range() -> None:
    image = ImageInput(name="image", camera="rear", **SIZE)
    (seen,) = seen_images(image, np.full((1, 3, 48, 64), np.nan, np.float32), {}, 0.0)
    assert seen.pixels.max() == 0
    assert np.isnan(seen.lowest)
