"""A point projected by the matrices lands on the same content as by the rig's own camera model."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from fsd.data.camera_model import project
from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose, Rig
from fsd.data.standard_rigs import canonical_rig
from fsd.third_party.calibration_matrices import calibration_values, camera_matrix, image_intrinsics
from fsd.third_party.images.camera_image import CameraImage
from fsd.third_party.images.fit import placement
from fsd.third_party.images.layout import image_size
from fsd.third_party.input_fields import CalibrationInput, Crop, ImageInput, VirtualCamera
from fsd.third_party.observation import Observer
from tests.fsd.third_party._pictures import frame_set, image_adapter, ramp

WIDTH, HEIGHT = 160, 120
PINHOLE = Pinhole(fx_px=120.0, fy_px=118.0, cx_px=81.0, cy_px=57.0)
FISHEYE = Fisheye(fx_px=80.0, fy_px=80.0, cx_px=79.0, cy_px=60.0, distortion=(0.03, -0.01, 0.0, 0.0))
FTHETA = FTheta(cx_px=79.0, cy_px=60.0, angle_to_radius_px=(0.0, 75.0, 0.0, 2.0))
POSE = Pose.looking((1.7, 0.1, 1.4), 6.0, -3.0)


def camera(lens: Pinhole | Fisheye | FTheta = PINHOLE) -> Camera:
    return Camera(name="rear", width_px=WIDTH, height_px=HEIGHT, intrinsics=lens, ego_from_camera=POSE)


def shown_at(image: ImageInput, real: Camera, points_ego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of the picture that the image has where `image_from_ego` says that points are: (n, 2), and (n,)
    whether that is inside the image."""
    projected = points_ego @ camera_matrix("image_from_ego", image, real)[:3, :3].T
    projected += camera_matrix("image_from_ego", image, real)[:3, 3]
    at = projected[:, :2] / projected[:, 2:]
    values = []
    for axis in (1, 0):
        target = np.zeros(image_size(image), np.uint8)
        CameraImage(image, real).write(ramp(HEIGHT, WIDTH, axis), target)
        luma = np.zeros((image.height_px, image.width_px))
        for channel, place in enumerate(image.luma_order):
            luma[int(place[0]) :: 2, int(place[1]) :: 2] = target[channel]
        values.append(map_coordinates(luma, [at[:, 1], at[:, 0]], order=1, mode="nearest") - 40)
    margin = 2
    inside = (at >= margin).all(axis=1) & (at <= [image.width_px - 1 - margin, image.height_px - 1 - margin]).all(
        axis=1
    )
    return np.stack(values, axis=-1), inside & (projected[:, 2] > 0)


def points_before(real: Camera, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Points in the ego frame that the camera sees well within its picture, (n, 3), and their pixels, (n, 2)."""
    rng = np.random.default_rng(0)
    points_camera = np.stack([rng.uniform(-6, 6, count), rng.uniform(-5, 5, count), rng.uniform(5, 20, count)], axis=-1)
    pixels, is_inside = project(real, points_camera)
    keep = is_inside & (pixels > 4).all(axis=1) & (pixels < [WIDTH - 5, HEIGHT - 5]).all(axis=1)
    pose = real.ego_from_camera.matrix()
    return points_camera[keep] @ pose[:3, :3].T + pose[:3, 3], pixels[keep]


def is_used(image: ImageInput, pixels: np.ndarray) -> np.ndarray:
    """(n,) bool: pixels of the picture that lie within what the fit uses, by a margin that scaling mixes."""
    place = placement(image, WIDTH, HEIGHT)
    margin = 2 + 2 * place.source.width / place.target.width
    low = np.array([place.source.left, place.source.top]) + margin
    high = low - 2 * margin + [place.source.width, place.source.height]
    return (pixels > low).all(axis=1) & (pixels < high).all(axis=1)


sizes = st.integers(20, 120).map(lambda half: 2 * half)
shares = st.floats(0, 0.3)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.sampled_from(["stretch", "letterbox", "crop"]), shares, shares, shares, shares)
def test_after_crop_and_fit_points_land_on_the_same_content(
    width: int, height: int, fit: str, left: float, top: float, right: float, bottom: float
) -> None:
    crop = Crop(left=left, top=top, right=right, bottom=bottom)
    image = ImageInput("i", width, height, "rear", crop=crop, fit=fit, colour="yuv420")  # type: ignore[arg-type]
    points, pixels = points_before(camera())
    shown, inside = shown_at(image, camera(), points)
    kept = is_used(image, pixels)
    assert np.abs(shown - pixels)[inside & kept].max(initial=0) < 0.8  # one level of luma is one pixel


angles = st.floats(-0.15, 0.15)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([PINHOLE, FISHEYE, FTHETA]), st.floats(60, 300), st.floats(60, 300), angles, angles, angles)
def test_through_a_virtual_camera_points_land_on_the_same_content_whatever_the_lens(
    lens: Pinhole | Fisheye | FTheta, fx: float, fy: float, yaw: float, pitch: float, roll: float
) -> None:
    virtual = VirtualCamera(fx, fy, 70.0, 40.0, yaw, pitch, roll)
    image = ImageInput("i", 140, 90, "rear", virtual_camera=virtual, colour="yuv420")
    points, pixels = points_before(camera(lens))
    shown, inside = shown_at(image, camera(lens), points)
    assert np.abs(shown - pixels)[inside].max(initial=0) < 0.8


def test_intrinsics_are_scaled_about_pixel_centres() -> None:
    real = camera()
    half = image_intrinsics(ImageInput("i", 80, 60, "rear"), real)
    assert half == pytest.approx(np.array([[60.0, 0, 40.25], [0, 59.0, 28.25], [0, 0, 1]]))
    cut = image_intrinsics(ImageInput("i", 80, 60, "rear", crop=Crop(left=0.5, top=0.5)), real)
    assert cut == pytest.approx(np.array([[120.0, 0, 1.0], [0, 118.0, -3.0], [0, 0, 1]]))
    boxed = image_intrinsics(ImageInput("i", 160, 160, "rear", fit="letterbox"), real)
    assert boxed == pytest.approx(np.array([[120.0, 0, 81.0], [0, 118.0, 77.0], [0, 0, 1]]))
    assert image_intrinsics(ImageInput("i", 160, 120, "rear"), camera(FTHETA))[0, 0] == 75.0


def test_the_matrices_are_each_others_inverse_and_product() -> None:
    for virtual in (None, VirtualCamera(50.0, 50.0, 20.0, 10.0, yaw_rad=0.2)):
        image = ImageInput("i", 40, 20, "rear", virtual_camera=virtual)
        k, to_camera, to_ego, to_image = (
            camera_matrix(name, image, camera())
            for name in ("intrinsics", "camera_from_ego", "ego_from_camera", "image_from_ego")
        )
        assert to_camera @ to_ego == pytest.approx(np.eye(4))
        assert to_image == pytest.approx(k @ to_camera)
        assert to_ego[:3, 3] == pytest.approx((1.7, 0.1, 1.4))
        assert np.array_equal(k[3], [0, 0, 0, 1])


def observed(entry: CalibrationInput, shape: tuple[int, ...], rig: Rig) -> np.ndarray:
    image = ImageInput("i", 32, 24, cameras=("front_main", "cam_back", "wide"))
    signature = {"i": ((1, 9, 24, 32), "float32"), entry.name: (shape, "float32")}
    observer = Observer(image_adapter(image, calibration=(entry,)), signature, rig)
    return observer.observe(frame_set(), None, "none")[entry.name]


@pytest.mark.parametrize("size", [(3, 3), (3, 4), (4, 4), (4, 3)])
@pytest.mark.parametrize("axes", [(), (1,), (1, 1)])
def test_matrices_are_cut_to_their_size_and_stacked_by_camera(size: tuple[int, int], axes: tuple[int, ...]) -> None:
    rig = canonical_rig(64, 48)
    entry = CalibrationInput("m", "image_from_ego", image="i", size=size)  # type: ignore[arg-type]
    found = observed(entry, (*axes, 3, *size), rig).reshape(3, *size)
    image = ImageInput("i", 32, 24, cameras=("front_main", "rear", "front_wide"))
    for number, name in enumerate(image.cameras):
        one = rig.camera(name)
        assert one is not None
        expected = camera_matrix("image_from_ego", image, one)[: size[0], : size[1]]
        assert found[number] == pytest.approx(expected, rel=1e-6, abs=1e-4)


def test_the_cameras_of_a_matrix_may_be_others_than_those_of_an_image() -> None:
    rig = canonical_rig(64, 48)
    found = observed(CalibrationInput("m", "ego_from_camera", cameras=("left_pillar",)), (4, 4), rig)
    pillar = rig.camera("left_pillar")
    assert pillar is not None
    assert found == pytest.approx(pillar.ego_from_camera.matrix(), abs=1e-6)


@pytest.mark.parametrize("matrix", ["image_from_ego", "camera_from_ego"])
def test_a_point_of_the_lidar_frame_lands_where_that_of_the_ego_frame_does(matrix: Any) -> None:
    rig, origin_m = canonical_rig(), (0.94, 0.0, 1.84)
    image = ImageInput(name="image", camera="front_main", width_px=64, height_px=48)
    ego, lidar = (
        calibration_values(
            CalibrationInput(name="m", matrix=matrix, image="image", axes=axes, origin_m=at), (image,), rig
        )
        for axes, at in (("forward_left_up", (0.0, 0.0, 0.0)), ("right_forward_up", origin_m))
    )
    ahead_m, left_m, up_m = 20.0, 3.0, 0.5
    in_ego = ego[0] @ [ahead_m, left_m, up_m, 1.0]
    in_lidar = lidar[0] @ [-left_m, ahead_m - origin_m[0], up_m - origin_m[2], 1.0]
    np.testing.assert_allclose(in_lidar, in_ego)


def test_a_camera_in_the_lidar_frame_is_the_inverse() -> None:
    fields: dict[str, Any] = {
        "name": "m",
        "cameras": ("rear",),
        "axes": "right_forward_up",
        "origin_m": (0.94, 0.0, 1.84),
    }
    there, back = (
        calibration_values(CalibrationInput(matrix=matrix, **fields), (), canonical_rig())
        for matrix in ("camera_from_ego", "ego_from_camera")
    )
    np.testing.assert_allclose(there[0] @ back[0], np.eye(4), atol=1e-12)
