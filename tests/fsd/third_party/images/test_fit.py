import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsd.third_party.images.fit import Rectangle, placement
from fsd.third_party.input_fields import Crop, ImageInput
from tests.fsd.third_party._pictures import flat, frame_of_planes, frame_set, observed

sizes = st.integers(1, 60).map(lambda half: 2 * half)


def image(width: int, height: int, **fields: object) -> ImageInput:
    return ImageInput("i", width, height, "rear", **fields)  # type: ignore[arg-type]


def test_stretch_takes_the_whole_picture() -> None:
    place = placement(image(30, 10), 64, 48)
    assert place == (Rectangle(0, 0, 64, 48), Rectangle(0, 0, 30, 10))


def test_crop_shares_are_cut_off_first_at_even_pixels() -> None:
    place = placement(image(8, 8, crop=Crop(left=0.25, top=0.5, right=0.125, bottom=0.1)), 64, 48)
    assert place.source == Rectangle(16, 24, 40, 20)  # 0.1 of 48 is 4.8, and 4 is the nearest even number


def test_letterbox_keeps_the_aspect_ratio_in_the_middle() -> None:
    assert placement(image(64, 64, fit="letterbox"), 64, 48).target == Rectangle(0, 8, 64, 48)
    assert placement(image(100, 24, fit="letterbox"), 64, 48).target == Rectangle(34, 0, 32, 24)


def test_crop_keeps_the_aspect_ratio_and_cuts_from_the_middle() -> None:
    assert placement(image(24, 24, fit="crop"), 64, 48).source == Rectangle(8, 0, 48, 48)
    assert placement(image(64, 24, fit="crop"), 64, 48).source == Rectangle(0, 12, 64, 24)


def test_a_crop_narrower_than_two_pixels_keeps_two() -> None:
    place = placement(image(8, 8, crop=Crop(left=0.99)), 64, 48)
    assert place.source == Rectangle(62, 0, 2, 48)


@given(sizes, sizes, sizes, sizes, st.sampled_from(["stretch", "letterbox", "crop"]), st.floats(0, 0.45))
def test_both_rectangles_always_lie_inside_and_corners_meet(
    width: int, height: int, to_width: int, to_height: int, fit: str, share: float
) -> None:
    crop = Crop(left=share, top=share / 2, right=share)
    source, target = place = placement(image(to_width, to_height, fit=fit, crop=crop, colour="yuv420"), width, height)
    for part, (whole_width, whole_height) in ((source, (width, height)), (target, (to_width, to_height))):
        assert 0 <= part.left <= part.left + part.width <= whole_width
        assert 0 <= part.top <= part.top + part.height <= whole_height
        assert part.left % 2 == part.top % 2 == 0
        assert min(part.width, part.height) >= 2
    corners = [(source.left - 0.5, source.top - 0.5, 1), (source.left + source.width - 0.5, source.top - 0.5, 1)]
    moved = np.array(corners) @ place.matrix().T
    expected = [(target.left - 0.5, target.top - 0.5, 1), (target.left + target.width - 0.5, target.top - 0.5, 1)]
    assert moved == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("colour", "black"), [("rgb", 0), ("gray", 0), ("yuv420", 16)])
def test_letterbox_fills_what_stays_free(colour: str, black: int) -> None:
    channels, rows = {"rgb": (3, 64), "gray": (1, 64), "yuv420": (6, 32)}[colour]
    given_image = image(64, 64, fit="letterbox", colour=colour)
    tensor = observed(given_image, (1, channels, rows, rows), "uint8", frame_set(rear=flat(235)))
    bars = tensor[0][:, [*range(rows // 8), *range(rows - rows // 8, rows)]]
    inside = tensor[0][:, rows // 8 : rows - rows // 8]
    luma = slice(0, 4) if colour == "yuv420" else slice(None)
    assert set(np.unique(bars[luma])) == {black}
    assert set(np.unique(inside[luma])) == {235 if colour == "yuv420" else 255}
    if colour == "yuv420":
        assert set(np.unique(tensor[0, 4:])) == {128}


@pytest.mark.parametrize(("fill", "luma"), [(0, 16), (255, 235), (114, 114)])
def test_fill_is_a_grey_level_in_every_colour(fill: int, luma: int) -> None:
    shape = frame_set(rear=flat(50))
    rgb = observed(image(64, 64, fit="letterbox", fill=fill), (1, 3, 64, 64), "uint8", shape)
    yuv = observed(image(64, 64, fit="letterbox", fill=fill, colour="yuv420"), (1, 6, 32, 32), "uint8", shape)
    assert (rgb[0, :, 0, 0] == fill).all()
    assert (yuv[0, :, 0, 0] == [luma] * 4 + [128] * 2).all()


def test_cut_parts_of_the_picture_do_not_reach_the_image() -> None:
    luma = np.full((48, 64), 235)
    luma[:24], luma[:, :16], luma[:, -16:] = 16, 16, 16
    crop = Crop(left=0.25, right=0.25, top=0.5)
    for fit in ("stretch", "letterbox", "crop"):
        given_image = image(16, 12, crop=crop, fit=fit, colour="gray")
        assert (observed(given_image, (1, 1, 12, 16), "uint8", frame_set(rear=frame_of_planes(luma))) == 255).all()
