"""How finely the network gets a camera, against numbers worked out by hand."""

import math

import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.rig import Camera, Pinhole, Pose
from fsd.outputs.camera_resolution import camera_resolution


def pinhole(width_px: int, height_px: int, focal_px: float) -> Camera:
    lens = Pinhole(fx_px=focal_px, fy_px=focal_px, cx_px=(width_px - 1) / 2, cy_px=(height_px - 1) / 2)
    pose = Pose.looking((1.8, 0.0, 1.45), 0.0, 0.0)
    return Camera(name="front_main", width_px=width_px, height_px=height_px, intrinsics=lens, ego_from_camera=pose)


@pytest.mark.parametrize(
    ("size_px", "patch", "retina", "px_per_degree"),
    [
        ((1280, 960), (2, 2), (16, 16), (20, 10, 1.25)),
        ((640, 480), (1, 1), (8, 8), (20, 20, 2.5)),
        ((2896, 1876), (4.525, 3.908), (36.2, 31.267), (20, 20 / 4.525, 20 / 36.2)),
        ((320, 240), (0.5, 0.5), (4, 4), (20, 20, 5)),  # patches repeat pixels
    ],
)
def test_a_patch_and_the_retina_have_fewer_pixels_per_degree_than_the_source(
    size_px: tuple[int, int],
    patch: tuple[float, float],
    retina: tuple[float, float],
    px_per_degree: tuple[float, float, float],
) -> None:
    found = camera_resolution(pinhole(*size_px, focal_px=20 * 180 / math.pi), BUDGETS["B100"])
    assert (found.size_px, found.patch_sample_px, found.retina_sample_px) == (size_px, patch, retina)
    per_degree = (found.source_px_per_degree, found.patch_px_per_degree, found.retina_px_per_degree)
    assert per_degree == pytest.approx(px_per_degree, rel=2e-3)
    assert found.px_per_degree_cells[0] == "20.0"
