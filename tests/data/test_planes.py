"""Every kind of picture becomes upright YUV 4:2:0 with 8 bits; the common kind without a copy."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.camera_health.sampler import sample_of
from fsd.data.frame_source import FrameSource
from fsd.data.frames import Frame
from fsd.data.open_clip import open_clip
from fsd.data.planes import frame_of, is_black


def first_frame(path: Path) -> Frame:
    with FrameSource(open_clip(path), max_ticks=1) as source:
        frame = next(iter(source)).frames[0]
    assert frame is not None
    return frame


def picture_of(y: int, u: int = 128, v: int = 128, pixel_format: str = "yuv420p") -> av.VideoFrame:
    picture = av.VideoFrame(64, 48, pixel_format)
    for plane, value in zip(picture.planes, (y, u, v), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return picture


def test_the_planes_of_a_usual_picture_are_views_of_the_decoders_memory() -> None:
    picture = picture_of(100)
    frame = frame_of(picture, 7, 1234, (64, 48))
    np.frombuffer(picture.planes[0], np.uint8)[0] = 33
    assert frame.y_plane[0, 0] == 33
    assert (frame.index, frame.timestamp_ns, frame.picture is picture) == (7, 1234, True)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p", "yuv444p", "yuvj420p", "yuvj444p", "gray"])
def test_other_pixel_formats_are_converted(tools: Any, tmp_path: Path, pixel_format: str) -> None:
    path = tools.write_video(tmp_path / "a.mp4", [0, 30], first_number=1234, pixel_format=pixel_format)
    frame = first_frame(path)
    assert tools.number_in(frame.y_plane) == 1234
    assert frame.y_plane.shape == (96, 128)
    assert frame.u_plane.shape == frame.v_plane.shape == (48, 64)


@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuv420p"])
def test_full_range_becomes_limited_range(pixel_format: str) -> None:
    picture = picture_of(255, pixel_format=pixel_format)
    picture.color_range = 2
    assert frame_of(picture, 0, 0, (64, 48)).y_plane.max() == 235


@pytest.mark.parametrize("size_px", [(127, 95), (129, 96), (128, 97), (33, 41)])
@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_odd_sizes_have_chroma_rounded_up(tools: Any, tmp_path: Path, size_px: tuple[int, int], codec: str) -> None:
    pixel_format = "yuv444p" if codec == "libx264" else "yuvj420p"  # 4:2:0 of an odd size is no H.264
    path = tools.write_video(
        tmp_path / "a.mp4", [0, 30], size_px=size_px, codec=codec, pixel_format=pixel_format, first_number=2741
    )
    frame = first_frame(path)
    width, height = size_px
    assert frame.y_plane.shape == (height, width)
    assert frame.u_plane.shape == frame.v_plane.shape == ((height + 1) // 2, (width + 1) // 2)
    assert tools.number_in(frame.y_plane) == 2741


@pytest.mark.parametrize("clockwise_deg", [90, 180, 270])
def test_rotation_metadata_is_applied(tools: Any, tmp_path: Path, clockwise_deg: int) -> None:
    turns = clockwise_deg // 90

    def stored(number: int) -> np.ndarray:  # a camera mounted on its side writes this, and says how to turn it
        size = (128, 96) if turns % 2 == 0 else (96, 128)
        return np.ascontiguousarray(np.rot90(tools.numbered_luma(number, *size), turns))

    path = tools.write_video(tmp_path / "a.mp4", [25 * k for k in range(10)], luma=stored, first_number=3000)
    tools.rotate_metadata(path, clockwise_deg)
    clip = open_clip(path)
    upright = (128, 96) if turns % 2 == 0 else (96, 128)
    assert [(stream.width_px, stream.height_px) for stream in clip.streams if stream] == [upright]
    assert tools.replay(clip).numbers[:, 0].tolist() == [3000 + int(k / 0.9 + 1e-9) for k in range(len(range(9)))]
    frame = first_frame(path)
    assert frame.y_plane.shape == upright[::-1]
    assert (frame.picture.width, frame.picture.height) == upright


def test_chroma_is_rotated_with_luma(tools: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuvj420p"
        picture = av.VideoFrame(64, 32, "yuvj420p")
        for plane, value in zip(picture.planes, (128, 90, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        u = np.frombuffer(picture.planes[1], np.uint8).reshape(-1, picture.planes[1].line_size)
        u[:8, :16] = 200  # the upper left quarter
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        output.mux([*stream.encode(picture), *stream.encode(None)])
    tools.rotate_metadata(path, 90)
    frame = first_frame(path)
    assert frame.u_plane.shape == (32, 16)
    assert frame.u_plane[4, 12] > 180 > 110 > frame.u_plane[4, 4]  # now in the upper right


@pytest.mark.parametrize(("luma", "is_black"), [(0, True), (16, True), (20, True), (24, False), (128, False)])
def test_a_picture_with_nothing_brighter_than_20_is_black(luma: int, is_black: bool) -> None:
    assert frame_of(picture_of(luma), 0, 0, (64, 48)).is_black is is_black


def test_a_lamp_in_the_night_is_not_black_and_a_hot_pixel_is() -> None:
    lamp, hot_pixel = picture_of(16), picture_of(16)
    for picture, size in ((lamp, 6), (hot_pixel, 1)):
        luma = np.frombuffer(picture.planes[0], np.uint8).reshape(-1, picture.planes[0].line_size)
        luma[13 : 13 + size, 17 : 17 + size] = 235
    assert not frame_of(lamp, 0, 0, (64, 48)).is_black
    assert frame_of(hot_pixel, 0, 0, (64, 48)).is_black


@pytest.mark.parametrize("shape", [(48, 64), (59, 400), (60, 80), (480, 640), (961, 1283)])
@pytest.mark.parametrize("bright_share", [0.0, 0.0005, 0.002, 0.02, 0.3, 1.0])
def test_a_sample_does_not_change_whether_a_picture_is_black(shape: tuple[int, int], bright_share: float) -> None:
    rng = np.random.default_rng(0)
    luma = np.where(rng.random(shape) < bright_share, 200, 16).astype(np.uint8)
    chroma = np.full(((shape[0] + 1) // 2, (shape[1] + 1) // 2), 128, np.uint8)
    assert is_black(luma, sample_of(luma, chroma, chroma)) is is_black(luma)


def test_a_few_hot_pixels_that_the_sample_of_a_small_picture_repeats_leave_it_black() -> None:
    luma, chroma = np.full((24, 400), 16, np.uint8), np.full((12, 200), 128, np.uint8)
    luma[8, 2:27:5] = 235  # five of 9600 pixels; the sample has every row two or three times
    sample = sample_of(luma, chroma, chroma)
    assert 1000 * sample.bright * sample.luma.size > luma.size
    assert is_black(luma, sample)
