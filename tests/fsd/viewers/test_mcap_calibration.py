import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.data import camera_model
from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose
from fsd.viewers.mcap_calibration import Calibration, calibration_of

POSE = Pose(translation_m=(0, 0, 0), rotation_wxyz=(1, 0, 0, 0))


def camera(lens: Pinhole | Fisheye | FTheta) -> Camera:
    return Camera(name="front_main", width_px=1920, height_px=1080, intrinsics=lens, ego_from_camera=POSE)


def projected(values: Calibration, points: np.ndarray) -> np.ndarray:
    """The models as OpenCV (and so Foxglove) defines them."""
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    if values.model == "kannala_brandt":
        radius = np.hypot(x, y)
        angle = np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])
        bent = angle * (1 + sum(k * angle ** (2 * i) for i, k in enumerate(values.distortion, 1)))
        scale = np.where(radius > 0, bent / np.maximum(radius, 1e-12), 1.0)
        x, y = x * scale, y * scale
    else:
        k1, k2, p1, p2, k3, *more = values.distortion
        k4, k5, k6 = more or (0.0, 0.0, 0.0)
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )
    return np.stack([values.fx_px * x + values.cx_px, values.fy_px * y + values.cy_px], axis=1)


LENSES = {
    "pinhole": Pinhole(fx_px=1500, fy_px=1490, cx_px=950, cy_px=545),
    "pinhole 5": Pinhole(fx_px=1500, fy_px=1490, cx_px=950, cy_px=545, distortion=(-0.1, 0.02, 0.001, -0.002, 0.0)),
    "pinhole 8": Pinhole(fx_px=1500, fy_px=1490, cx_px=950, cy_px=545, distortion=(0.1, 0.02, 0, 0, 0, 0.12, 0.01, 0)),
    "fisheye": Fisheye(fx_px=600, fy_px=605, cx_px=955, cy_px=540, distortion=(0.01, -0.004, 0.001, 0.0)),
    "f-theta": FTheta(cx_px=960, cy_px=541, angle_to_radius_px=(0.0, 920.0, 5.0, -38.0, 6.0)),
}


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_viewer_projects_points_where_the_lens_does(name: str, scale: float) -> None:
    lens = camera(LENSES[name])
    pixels = np.stack(np.meshgrid(np.linspace(20, 1900, 9), np.linspace(20, 1060, 7)), axis=-1).reshape(-1, 2)
    points = camera_model.rays(lens, pixels) * 7.0
    points = points[points[:, 2] > 0.1]
    values = calibration_of(lens, scale)
    expected = (camera_model.project(lens, points)[0] + 0.5) * scale - 0.5
    assert np.abs(projected(values, points) - expected).max() < values.fit_error_px + 0.01


def test_only_the_fitted_lens_has_an_error_and_it_is_small() -> None:
    errors = {name: calibration_of(camera(lens)).fit_error_px for name, lens in LENSES.items()}
    assert 0 < errors.pop("f-theta") < 1.0
    assert set(errors.values()) == {0.0}


@settings(derandomize=True, deadline=None)
@given(st.floats(0.1, 1.0))
def test_a_scaled_picture_has_an_even_size_and_its_own_middle(scale: float) -> None:
    values = calibration_of(camera(Pinhole(fx_px=1500, fy_px=1500, cx_px=959.5, cy_px=539.5)), scale)
    assert values.width_px % 2 == values.height_px % 2 == 0 or scale == 1.0
    assert values.cx_px == pytest.approx((values.width_px - 1) / 2)
    assert values.cy_px == pytest.approx((values.height_px - 1) / 2)
