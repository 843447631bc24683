"""RGB to planes: the same numbers as a video decoder gives."""

import av
import numpy as np
import pytest

from fsd.data.frames import RATE_HZ
from fsd.data.simulator.rendering.yuv import frame_set_from_rgb, planes_from_rgb


def smooth_pictures(channels: int = 3) -> np.ndarray:
    """(8, 48, 64, channels) with colours that change slowly."""
    rows, columns = np.mgrid[0:48, 0:64]
    pictures = [np.stack([rows * 5 % 256, columns * 4, (rows + columns + 20 * i) * 2 % 256], -1) for i in range(8)]
    rgb = np.array(pictures, dtype=np.uint8)
    return rgb if channels == 3 else np.concatenate([rgb, np.full((8, 48, 64, 1), 7, np.uint8)], axis=-1)


def test_the_planes_are_ffmpegs_within_two_levels() -> None:
    rgb = smooth_pictures()
    planes = planes_from_rgb(rgb)
    packed = av.VideoFrame.from_ndarray(rgb[3], format="rgb24").reformat(format="yuv420p").to_ndarray()
    assert np.abs(planes.y[3].astype(int) - packed[:48].astype(int)).max() <= 2
    theirs = packed[48:60].reshape(24, 32).astype(int)
    smooth = np.s_[1:-1, 1:-1]  # our chroma is the mean of four pixels; FFmpeg's filter differs at jumps
    assert np.median(np.abs(planes.u[3].astype(int) - theirs)[smooth]) <= 2


def test_grey_has_no_colour_and_limited_range() -> None:
    planes = planes_from_rgb(np.full((1, 2, 2, 3), 255, np.uint8))
    assert (planes.y.max(), planes.u.item(), planes.v.item()) == (235, 128, 128)
    assert planes_from_rgb(np.zeros((1, 2, 2, 3), np.uint8)).y.max() == 16


def test_a_fourth_channel_changes_nothing() -> None:
    with_alpha, without = planes_from_rgb(smooth_pictures(4)), planes_from_rgb(smooth_pictures())
    assert np.array_equal(with_alpha.y, without.y)
    assert np.array_equal(with_alpha.v, without.v)


def test_a_frame_set_is_fresh_and_on_time() -> None:
    frame_set = frame_set_from_rgb(smooth_pictures(), tick=36)
    assert frame_set.timestamp_ns == int(36 / RATE_HZ * 10**9)
    assert frame_set.is_new.all()
    assert frame_set.frame_index.tolist() == [36] * 8


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        planes_from_rgb(np.zeros((8, 3, 4, 3), np.uint8))
