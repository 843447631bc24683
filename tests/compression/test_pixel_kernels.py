"""Area means are exact: against a plain numpy oracle, for sizes and strides that nobody chose."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS, PictureSampler
from fsd.data.errors import ClipError


def area_mean(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """The definition, written as plainly as possible."""
    rows, columns = plane.shape
    out = np.empty((height, width), np.uint8)
    for y in range(height):
        y0 = y * rows // height
        y1 = max(y0 + 1, (y + 1) * rows // height)
        for x in range(width):
            x0 = x * columns // width
            x1 = max(x0 + 1, (x + 1) * columns // width)
            area = (y1 - y0) * (x1 - x0)
            out[y, x] = (int(plane[y0:y1, x0:x1].sum(dtype=np.int64)) + area // 2) // area
    return out


def pack(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], u, v])


def read(frame: Any, budget: Budget) -> tuple[np.ndarray, np.ndarray]:
    analysis = np.empty((ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
    retina = np.empty((6, budget.base_height_px // 2, budget.base_width_px // 2), np.uint8)
    PictureSampler(*frame.y_plane.shape, budget).read_whole(frame, analysis, retina)
    return analysis, retina


def expected_retina(frame: Any, budget: Budget) -> np.ndarray:
    h, w = budget.base_height_px, budget.base_width_px
    return pack(
        area_mean(frame.y_plane, h, w),
        area_mean(frame.u_plane, h // 2, w // 2),
        area_mean(frame.v_plane, h // 2, w // 2),
    )


SIZES = [
    (960, 1280),
    (1080, 1920),
    (1876, 2896),
    (938, 1448),
    (480, 640),
    (540, 960),
    (121, 161),
    (479, 641),
    (37, 53),
    (120, 160),
    (90, 400),
]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_retina_and_analysis_are_the_exact_area_means(made: Any, height: int, width: int) -> None:
    frame = made.noise_picture(height, width, seed=height)
    analysis, retina = read(frame, BUDGETS["B100"])
    np.testing.assert_array_equal(retina, expected_retina(frame, BUDGETS["B100"]))
    np.testing.assert_array_equal(analysis, area_mean(frame.y_plane, ANALYSIS_ROWS, ANALYSIS_COLUMNS))


@pytest.mark.parametrize("budget", [*BUDGETS.values(), Budget("custom", 46, 70, 3), Budget("tall", 90, 64, 3)])
@pytest.mark.parametrize(("height", "width", "stride"), [(300, 402, 3), (960, 1280, 0), (960, 1280, 64)])
def test_every_base_size_is_exact(made: Any, budget: Budget, height: int, width: int, stride: int) -> None:
    frame = made.noise_picture(height, width, seed=1, stride=stride)
    np.testing.assert_array_equal(read(frame, budget)[1], expected_retina(frame, budget))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(height=st.integers(2, 300), width=st.integers(2, 300), stride=st.integers(0, 70), seed=st.integers(0, 99))
def test_any_size_and_stride_is_exact(made: Any, height: int, width: int, stride: int, seed: int) -> None:
    frame = made.noise_picture(height, width, seed, stride)
    np.testing.assert_array_equal(read(frame, BUDGETS["B400"])[1], expected_retina(frame, BUDGETS["B400"]))


@pytest.mark.parametrize(
    ("height", "width"), [(960, 1280), (1080, 1920), (1876, 2896), (938, 1448), (251, 403), (37, 53)]
)
def test_patches_are_the_exact_area_means_of_their_blocks(made: Any, height: int, width: int) -> None:
    frame = made.noise_picture(height, width, seed=3, stride=9)
    blocks = np.array([0, 0, 19, 157, 280, 299], np.int16)  # entry 0 belongs to another camera
    patches = np.zeros((6, 6, 16, 16), np.uint8)
    PictureSampler(height, width, BUDGETS["B100"]).read_blocks(frame, blocks, 1, 6, patches)
    whole = pack(
        area_mean(frame.y_plane, 480, 640), area_mean(frame.u_plane, 240, 320), area_mean(frame.v_plane, 240, 320)
    )
    for patch, block in list(zip(patches, blocks.tolist(), strict=True))[1:]:
        y, x = 16 * (block // 20), 16 * (block % 20)
        np.testing.assert_array_equal(patch, whole[:, y : y + 16, x : x + 16])
    assert not patches[0].any()


@pytest.mark.parametrize("budget", [BUDGETS["B25"], BUDGETS["B100"], BUDGETS["B400"]])
@pytest.mark.parametrize(("height", "width"), [(2160, 3840), (960, 1280)])
def test_brightest_picture_does_not_overflow(made: Any, budget: Budget, height: int, width: int) -> None:
    frame = made.picture(np.full((height, width), 255, np.uint8), chroma=255)
    analysis, retina = read(frame, budget)
    assert analysis.min() == retina.min() == 255


def test_a_picture_too_large_to_be_exact_is_refused() -> None:
    with pytest.raises(ClipError, match="too large"):
        PictureSampler(16384, 16384, BUDGETS["B400"])
