import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsd.third_party.images.layout import image_size, image_views, layout_problem, tensor_shape
from fsd.third_party.input_fields import ImageInput

CAMERAS = ("front_main", "rear")
HISTORY = (5, 3, 0)


def image(layout: str, cameras: tuple[str, ...] = CAMERAS, **fields: object) -> ImageInput:
    return ImageInput("i", 6, 4, cameras=cameras, layout=layout, history=HISTORY, **fields)  # type: ignore[arg-type]


layouts = (
    st.lists(st.sampled_from("nvt"), unique=True).flatmap(lambda more: st.permutations([*more, *"chw"])).map("".join)
)


@given(layouts, st.sampled_from(["rgb", "gray", "yuv420"]))
def test_every_order_of_axes_holds_every_pixel_once_and_in_its_place(layout: str, colour: str) -> None:
    given_image = image(layout, colour=colour)
    assert layout_problem(given_image) is None
    channels, rows, columns = image_size(given_image)
    tensor = np.zeros(tensor_shape(given_image), np.int64)
    views = image_views(given_image, tensor)
    assert views.shape == (2, 3, channels, rows, columns)
    views[:] = np.arange(views.size).reshape(views.shape)
    assert len(np.unique(tensor)) == tensor.size == views.size
    # Independently: the index in the tensor, letter by letter.
    for camera, step, channel in itertools.product(range(2), range(3), range(channels)):
        stacked = channel
        if "t" not in layout:
            stacked += step * channels
        if "v" not in layout:
            stacked += camera * channels * (3 if "t" not in layout else 1)
        place = {"n": 0, "v": camera, "t": step, "c": stacked, "h": 1, "w": 2}
        assert tensor[tuple(place[letter] for letter in layout)] == views[camera, step, channel, 1, 2]


def test_shapes_of_the_usual_layouts() -> None:
    assert tensor_shape(image("nchw")) == (1, 18, 4, 6)
    assert tensor_shape(image("nvtchw")) == (1, 2, 3, 3, 4, 6)
    assert tensor_shape(image("thwc", ("rear",))) == (3, 4, 6, 3)
    assert tensor_shape(image("nchw", ("rear",), colour="yuv420")) == (1, 18, 2, 3)


def test_one_grey_image_needs_no_channel_axis() -> None:
    grey = ImageInput("i", 6, 4, "rear", colour="gray", layout="hw")
    assert (layout_problem(grey), tensor_shape(grey)) == (None, (4, 6))
    assert image_views(grey, np.zeros((4, 6))).shape == (1, 1, 1, 4, 6)
    several = image("vthw", colour="gray")
    assert (layout_problem(several), tensor_shape(several)) == (None, (2, 3, 4, 6))
    assert image_views(several, np.zeros((2, 3, 4, 6))).shape == (2, 3, 1, 4, 6)


@pytest.mark.parametrize(
    ("layout", "colour"),
    [("nch", "rgb"), ("nchww", "rgb"), ("bchw", "rgb"), ("nhw", "rgb"), ("nthw", "gray"), ("", "rgb")],
)
def test_a_layout_that_cannot_hold_the_images_is_a_problem(layout: str, colour: str) -> None:
    assert layout_problem(image(layout, colour=colour)) is not None
