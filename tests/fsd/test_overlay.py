import numpy as np
import pytest

from fsd.data.frames import CAMERAS, Frame
from fsd.overlay_layout import HEADER_PX, HEIGHT_PX, WIDTH_PX, choose_layout
from fsd.overlay_picture import rgb_picture, ribbon_edges


@pytest.mark.parametrize("present", [CAMERAS, CAMERAS[1:], CAMERAS[3:], CAMERAS[:1], CAMERAS[-1:], CAMERAS[:2]])
def test_tiles_fill_the_canvas_without_overlap(present: tuple[str, ...]) -> None:
    layout = choose_layout(present)
    assert set(present) <= set(layout.tiles)
    covered = np.zeros((HEIGHT_PX, WIDTH_PX), int)
    for box in (*layout.tiles.values(), layout.birdseye):
        assert box.y >= HEADER_PX
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert covered[HEADER_PX:].mean() > 0.9


def test_the_plan_is_drawn_into_the_best_front_camera() -> None:
    assert choose_layout(CAMERAS).main == "front_main"
    assert choose_layout(CAMERAS[1:]).main == "front_wide"
    assert choose_layout(("rear",)).main is None


def test_limited_range_black_and_white_become_screen_black_and_white() -> None:
    luma = np.full((8, 8), 16, np.uint8)
    luma[:, 4:] = 235
    chroma = np.full((4, 4), 128, np.uint8)
    picture = np.asarray(rgb_picture(Frame(luma, chroma, chroma, 0, 0), (8, 8)))
    assert (picture[:, 0] == 0).all()
    assert (picture[:, -1] == 255).all()


def test_a_straight_plan_gives_a_ribbon_of_the_cars_width() -> None:
    trajectory = np.zeros((16, 4), np.float32)
    trajectory[:, 0] = np.arange(1, 17)
    left, right = ribbon_edges(trajectory)
    assert np.allclose(left[:, 1], 0.9)
    assert np.allclose(right[:, 1], -0.9)


def test_a_standing_plan_gives_a_finite_ribbon() -> None:
    left, right = ribbon_edges(np.zeros((16, 4), np.float32))
    assert np.isfinite(left).all()
    assert np.isfinite(right).all()
