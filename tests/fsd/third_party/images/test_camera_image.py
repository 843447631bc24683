import av
import numpy as np
import pytest

from fsd.data.frames import Frame
from fsd.data.planes import frame_of
from fsd.third_party.images.camera_image import CameraImage, blank, plane_views
from fsd.third_party.images.layout import image_size
from fsd.third_party.input_fields import Crop, ImageInput
from tests.fsd.third_party._pictures import flat, frame_of_planes

WIDTH, HEIGHT = 64, 48


def image(width: int = WIDTH, height: int = HEIGHT, **fields: object) -> ImageInput:
    return ImageInput("i", width, height, "rear", **fields)  # type: ignore[arg-type]


def pixels(given: ImageInput, frame: Frame) -> np.ndarray:
    target = np.zeros(image_size(given), np.uint8)
    CameraImage(given, None).write(frame, target)
    return target


def noise() -> Frame:
    rng = np.random.default_rng(0)
    planes = (rng.integers(16, 236, shape) for shape in ((HEIGHT, WIDTH), (24, 32), (24, 32)))
    return frame_of_planes(*planes)


def decoded(frame: Frame, pixel_format: str = "yuv420p", full_range: bool = False) -> Frame:
    """The frame that the decoder would make of a picture with these planes."""
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for view, plane in zip(plane_views(picture), (frame.y_plane, frame.u_plane, frame.v_plane), strict=True):
        view[:] = plane
    if full_range:
        picture.color_range = 2
    return frame_of(picture.reformat(format=pixel_format), 0, 0, (WIDTH, HEIGHT))


@pytest.mark.parametrize("order", [("00", "10", "01", "11"), ("00", "01", "10", "11"), ("11", "01", "10", "00")])
def test_six_planes_are_the_decoded_samples_themselves(order: tuple[str, ...]) -> None:
    frame = noise()
    packed = pixels(image(colour="yuv420", luma_order=order), frame)
    for channel, place in enumerate(order):
        assert np.array_equal(packed[channel], frame.y_plane[int(place[0]) :: 2, int(place[1]) :: 2])
    assert np.array_equal(packed[4], frame.u_plane)
    assert np.array_equal(packed[5], frame.v_plane)


def test_the_default_order_of_luma_is_that_of_openpilot() -> None:
    y = noise().y_plane
    packed = pixels(image(colour="yuv420"), noise())
    for channel, expected in enumerate((y[0::2, 0::2], y[1::2, 0::2], y[0::2, 1::2], y[1::2, 1::2])):
        assert np.array_equal(packed[channel], expected)


def test_a_crop_at_the_size_of_the_image_takes_the_samples_themselves() -> None:
    frame, crop = noise(), Crop(left=0.25, top=0.25, right=0.25, bottom=0.25)
    packed = pixels(image(32, 24, crop=crop, colour="yuv420"), frame)
    assert np.array_equal(packed[0], frame.y_plane[12:36:2, 16:48:2])
    assert np.array_equal(packed[4], frame.u_plane[6:18, 8:24])


def test_scaled_planes_keep_flat_colours_exactly() -> None:
    packed = pixels(image(20, 10, colour="yuv420"), flat(81, 90, 240))
    assert (packed == np.array([81] * 4 + [90, 240])[:, None, None]).all()


@pytest.mark.parametrize(("luma", "level"), [(16, 0), (235, 255), (126, 128), (0, 0), (255, 255)])
def test_gray_and_rgb_expand_limited_range_to_full_range(luma: int, level: int) -> None:
    assert (pixels(image(30, 20, colour="gray"), flat(luma)) == level).all()
    assert (pixels(image(30, 20, colour="rgb"), flat(luma)) == level).all()


def test_a_recording_in_full_range_has_the_same_values_as_one_in_limited_range() -> None:
    for full, limited in ((0, 16), (255, 235), (128, 126)):
        frame = decoded(flat(full), full_range=True)
        assert (pixels(image(colour="yuv420"), frame)[:4] == limited).all()
        assert pixels(image(colour="gray"), frame) == pytest.approx(full, abs=1)


@pytest.mark.parametrize("size", [(64, 48), (30, 20)])
def test_rgb_is_that_of_bt_601_within_one_level(size: tuple[int, int]) -> None:
    for luma, u, v in ((60, 90, 170), (126, 128, 128), (200, 170, 100), (120, 140, 90)):
        y, b, r = (luma - 16) * 255 / 219, (u - 128) * 255 / 224, (v - 128) * 255 / 224
        expected = np.clip([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b], 0, 255)
        rgb = pixels(image(*size), flat(luma, u, v))
        assert np.abs(rgb - expected[:, None, None]).max() < 1


def test_colours_are_named_channel_by_channel() -> None:
    red = flat(81, 90, 240)  # saturated, BT.601 in limited range
    rgb = pixels(image(), red)
    assert rgb[:, 20, 30] == pytest.approx([255, 0, 0], abs=1)
    assert np.array_equal(pixels(image(colour="bgr"), red), rgb[::-1])


@pytest.mark.parametrize("colour", ["rgb", "gray", "yuv420"])
def test_nv12_from_hardware_gives_the_same_image(colour: str) -> None:
    given = image(32, 20, colour=colour)
    assert np.array_equal(pixels(given, decoded(noise(), "nv12")), pixels(given, decoded(noise())))


def test_the_matrix_that_the_video_states_is_used_for_cut_pictures_too() -> None:
    frame = decoded(flat(81, 90, 240))
    frame.picture.colorspace = 1  # BT.709
    whole, cut = (pixels(image(16, 12, crop=crop), frame)[:, 5, 5] for crop in (None, Crop(left=0.5)))
    assert np.array_equal(whole, cut)
    assert whole[1] > 15  # 0 by BT.601


def test_a_picture_of_odd_size_has_an_image() -> None:
    luma = np.full((45, 63), 235)
    assert (pixels(image(20, 10, colour="gray"), frame_of_planes(luma)) == 255).all()
    assert (pixels(image(20, 10, colour="yuv420"), frame_of_planes(luma))[:4] == 235).all()


@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray", "yuv420"])
def test_a_missing_camera_is_neutral_grey_or_black(colour: str) -> None:
    assert (blank(image(colour=colour)) == 128).all()
    black = blank(image(colour=colour, missing="black"))
    assert black.shape == image_size(image(colour=colour))
    assert black[:, 0, 0].tolist() == ([16] * 4 + [128] * 2 if colour == "yuv420" else [0] * len(black))
