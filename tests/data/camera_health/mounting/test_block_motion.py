import numpy as np
import pytest

from fsd.data.camera_health.mounting.block_motion import BLOCKS, COLUMNS, ROWS, block_motion, thumbnail


def texture(seed: int = 0) -> np.ndarray:
    """(96, 128) smooth random luma, larger than a thumbnail."""
    coarse = np.random.default_rng(seed).integers(40, 200, (24, 32)).astype(np.float64)
    rows, columns = np.linspace(0, 23, 96), np.linspace(0, 31, 128)
    along = np.array([np.interp(columns, np.arange(32), row) for row in coarse])
    return np.array([np.interp(rows, np.arange(24), column) for column in along.T]).T


def window(luma: np.ndarray, x: int, y: int) -> np.ndarray:
    return luma[20 + y : 20 + y + ROWS, 20 + x : 20 + x + COLUMNS].astype(np.uint8)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (2, -1), (-3, 2)])
def test_blocks_are_found_where_they_moved_to(x: int, y: int) -> None:
    moved_px = np.empty((BLOCKS, 2))
    found = block_motion(window(texture(), 0, 0), window(texture(), -x, -y), moved_px)
    assert found > BLOCKS / 2
    assert np.nanmedian(moved_px, axis=0) == pytest.approx((x, y), abs=0.1)


def test_a_change_of_exposure_is_no_motion() -> None:
    moved_px = np.empty((BLOCKS, 2))
    assert block_motion(window(texture(), 0, 0), window(texture() + 30, -2, 0), moved_px) > BLOCKS / 2
    assert np.nanmedian(moved_px, axis=0) == pytest.approx((2, 0), abs=0.1)


@pytest.mark.parametrize("second", [np.full((ROWS, COLUMNS), 90, np.uint8), window(texture(seed=1), 0, 0)])
def test_what_is_flat_or_another_picture_has_no_motion(second: np.ndarray) -> None:
    moved_px = np.empty((BLOCKS, 2))
    first = second if second.std() == 0 else window(texture(), 0, 0)
    assert block_motion(first, second, moved_px) <= 2
    assert np.isnan(moved_px).all(axis=1).sum() >= BLOCKS - 2


@pytest.mark.parametrize("size", [(96, 128), (960, 1280), (1080, 1920), (30, 50)])
def test_a_thumbnail_has_the_mean_of_each_cell(size: tuple[int, int]) -> None:
    ramp = np.broadcast_to(np.linspace(16, 235, size[1]), size).astype(np.uint8)
    small = thumbnail(ramp)
    assert small.shape == (ROWS, COLUMNS)
    assert small[0].astype(int) == pytest.approx(np.linspace(16, 235, COLUMNS), abs=5)
