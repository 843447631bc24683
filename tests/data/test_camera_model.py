"""Lenses: points to pixels and back, for all three models."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fsd.data.camera_model import _curve, pixels_per_degree, project, rays
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose
from fsd.data.standard_rigs import canonical_rig

small = st.floats(-1, 1)
pinholes = st.builds(
    lambda f, a, c, k: Pinhole(
        fx_px=f,
        fy_px=f * a,
        cx_px=640 + 40 * c[0],
        cy_px=480 + 40 * c[1],
        distortion=(
            0.35 * k[0],
            0.1 * k[1],
            2e-3 * k[2],
            2e-3 * k[3],
            0.02 * k[4],
            0.1 * k[5],
            0.02 * k[6],
            0.01 * k[7],
        ),
    ),
    st.floats(500, 2000),
    st.floats(0.9, 1.1),
    st.tuples(small, small),
    st.tuples(*[small] * 8),
)
fisheyes = st.builds(
    lambda f, c, k: Fisheye(
        fx_px=f,
        fy_px=f * 1.01,
        cx_px=640 + 40 * c[0],
        cy_px=480 + 40 * c[1],
        distortion=(0.1 * k[0], 0.03 * k[1], 0.005 * k[2], 0.001 * k[3]),
    ),
    st.floats(300, 900),
    st.tuples(small, small),
    st.tuples(*[small] * 4),
)
fthetas = st.builds(
    lambda f, k: FTheta(cx_px=650, cy_px=470, angle_to_radius_px=(0.0, f, 10 * k[0], 20 * k[1], 5 * k[2], 2 * k[3])),
    st.floats(300, 1500),
    st.tuples(*[small] * 4),
)
lenses = st.one_of(pinholes, fisheyes, fthetas)


def camera_with(lens: Pinhole | Fisheye | FTheta) -> Camera:
    return Camera(
        name="rear", width_px=1280, height_px=960, intrinsics=lens, ego_from_camera=Pose.looking((0, 0, 0), 0, 0)
    )


def reach_rad(camera: Camera) -> float:
    """The largest angle from the axis that the lens model can describe."""
    distance = float(_curve(camera.intrinsics).distance[-1])
    return math.atan(distance) if isinstance(camera.intrinsics, Pinhole) else distance


@settings(max_examples=200, derandomize=True, deadline=None)
@given(lens=lenses, share=st.floats(0, 0.9), around=st.floats(0, 2 * math.pi), depth=st.floats(0.1, 1000))
def test_a_point_projects_to_a_pixel_whose_ray_points_back_at_it(
    lens: Pinhole | Fisheye | FTheta, share: float, around: float, depth: float
) -> None:
    camera = camera_with(lens)
    angle = share * reach_rad(camera)
    direction = np.array([math.sin(angle) * math.cos(around), math.sin(angle) * math.sin(around), math.cos(angle)])
    pixels, _ = project(camera, direction * depth)
    assume(np.abs(pixels - (640, 480)).max() < 1500)  # a little beyond the picture, not far
    assert np.allclose(rays(camera, pixels), direction, atol=2e-6)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(lens=lenses, u=st.floats(0, 1279), v=st.floats(0, 959), distance=st.floats(0.1, 1000))
def test_a_pixels_ray_projects_back_to_the_pixel(
    lens: Pinhole | Fisheye | FTheta, u: float, v: float, distance: float
) -> None:
    camera = camera_with(lens)
    ray = rays(camera, np.array([u, v]))
    assert np.linalg.norm(ray) == pytest.approx(1)
    assume(math.acos(min(1.0, ray[2])) < 0.9 * reach_rad(camera))
    pixels, in_image = project(camera, ray * distance)
    assert np.allclose(pixels, (u, v), atol=1e-3)
    assert in_image


def test_a_plain_pinhole_is_the_textbook_formula() -> None:
    camera = camera_with(Pinhole(fx_px=800, fy_px=810, cx_px=640, cy_px=480))
    pixels, in_image = project(camera, np.array([[1.0, -0.5, 4.0], [0, 0, 5], [10, 0, 1], [0, 0, -1]]))
    assert np.allclose(pixels[:3], [[840, 378.75], [640, 480], [8640, 480]])
    assert in_image.tolist() == [True, True, False, False]
    assert np.isnan(pixels[3]).all()  # behind the camera


def test_opencv_distortion_as_worked_out_by_hand() -> None:
    lens = Pinhole(fx_px=1000, fy_px=1000, cx_px=640, cy_px=480, distortion=(0.1, 0.01, 0.001, 0.002))
    a, b = 0.2, -0.1
    r2 = a * a + b * b
    radial = 1 + 0.1 * r2 + 0.01 * r2 * r2
    u = a * radial + 2 * 0.001 * a * b + 0.002 * (r2 + 2 * a * a)
    v = b * radial + 0.001 * (r2 + 2 * b * b) + 2 * 0.002 * a * b
    pixels, _ = project(camera_with(lens), np.array([a, b, 1.0]) * 3)
    assert np.allclose(pixels, (640 + 1000 * u, 480 + 1000 * v))


def test_an_f_theta_lens_sees_behind_itself_where_its_polynomial_reaches() -> None:
    camera = camera_with(FTheta(cx_px=640, cy_px=480, angle_to_radius_px=(0.0, 300.0)))
    pixels, in_image = project(camera, np.array([math.sin(2.0), 0, math.cos(2.0)]))
    assert np.allclose(pixels, (640 + 600, 480))
    assert in_image


def test_points_beyond_the_fold_of_a_distorted_lens_are_outside() -> None:
    """Strong barrel distortion bends far points back into the picture; they must not appear there."""
    camera = camera_with(Pinhole(fx_px=500, fy_px=500, cx_px=640, cy_px=480, distortion=(-0.4, 0.0, 0.0, 0.0)))
    _, in_image = project(camera, np.array([[1.5, 0, 1.0], [0.5, 0, 1.0]]))
    assert in_image.tolist() == [False, True]


def test_pixels_beyond_the_reach_get_the_ray_at_its_edge() -> None:
    camera = camera_with(Pinhole(fx_px=500, fy_px=500, cx_px=640, cy_px=480, distortion=(-0.4, 0.0, 0.0, 0.0)))
    edge = rays(camera, np.array([[1279.0, 959.0], [5000.0, 480.0]]))
    assert np.isfinite(edge).all()
    assert np.allclose(np.arccos(edge[:, 2]), reach_rad(camera), atol=0.02)


def test_shapes_are_kept() -> None:
    camera = canonical_rig().cameras[0]
    pixels = np.zeros((3, 4, 5, 2))
    assert rays(camera, pixels).shape == (3, 4, 5, 3)
    projected, in_image = project(camera, np.ones((3, 4, 5, 3)))
    assert (projected.shape, in_image.shape) == ((3, 4, 5, 2), (3, 4, 5))


@pytest.mark.parametrize("name", CAMERAS)
def test_the_canonical_cameras_span_their_field_of_view(name: str) -> None:
    camera = canonical_rig().camera(name)
    assert camera is not None
    left, right = rays(camera, np.array([[-0.5, 479.5], [1279.5, 479.5]]))
    fov_deg = {"front_main": 50, "front_wide": 110, "front_narrow": 28, "rear": 100}.get(name)
    fov_deg = fov_deg or (85 if "pillar" in name else 75)
    assert math.degrees(math.acos(left @ right)) == pytest.approx(fov_deg)


def test_a_pinholes_pixels_per_degree_are_its_focal_length_times_the_tangent_of_one() -> None:
    lens = Pinhole(fx_px=1000.0, fy_px=900.0, cx_px=639.5, cy_px=479.5)
    assert pixels_per_degree(camera_with(lens)) == pytest.approx(1000 * math.pi / 180, rel=1e-6)


def test_away_from_a_pinholes_axis_a_degree_has_more_pixels() -> None:
    lens = Pinhole(fx_px=1000.0, fy_px=1000.0, cx_px=639.5 - 1000.0, cy_px=479.5)  # the centre is 45 degrees aside
    assert pixels_per_degree(camera_with(lens)) == pytest.approx(2 * 1000 * math.pi / 180, rel=1e-6)


def test_a_lens_that_does_not_reach_the_pictures_centre_has_no_pixels_per_degree_there() -> None:
    lens = FTheta(cx_px=-1280.0, cy_px=479.5, angle_to_radius_px=(0.0, 300.0))
    assert pixels_per_degree(camera_with(lens)) is None
