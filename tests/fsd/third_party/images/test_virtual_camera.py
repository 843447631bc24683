"""Warps against scipy's interpolation, openpilot's warp matrix, and cameras whose picture is known."""

import msgspec
import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose
from fsd.third_party.images.camera_image import CameraImage
from fsd.third_party.images.layout import image_size
from fsd.third_party.images.virtual_camera import picture_points
from fsd.third_party.input_fields import ImageInput, VirtualCamera
from tests.fsd.third_party._pictures import frame_of_planes

WIDTH, HEIGHT = 96, 64
LEVEL = Pose.looking((1.5, 0.2, 1.3), 0.0, 0.0)
PINHOLE = Pinhole(fx_px=80.0, fy_px=82.0, cx_px=47.0, cy_px=31.0)


def camera(pose: Pose = LEVEL, lens: Pinhole | Fisheye | FTheta = PINHOLE) -> Camera:
    return Camera(name="rear", width_px=WIDTH, height_px=HEIGHT, intrinsics=lens, ego_from_camera=pose)


def warped(
    virtual: VirtualCamera, real: Camera, luma: np.ndarray, width: int, height: int, **fields: object
) -> np.ndarray:
    image = ImageInput("i", width, height, "rear", virtual_camera=virtual, **fields)  # type: ignore[arg-type]
    target = np.zeros(image_size(image), np.uint8)
    CameraImage(image, real).write(frame_of_planes(luma), target)
    return target


def unpacked(packed: np.ndarray) -> np.ndarray:
    """The luma of six planes, in openpilot's order."""
    luma = np.zeros((2 * packed.shape[1], 2 * packed.shape[2]), np.uint8)
    for channel, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        luma[row::2, column::2] = packed[channel]
    return luma


def smooth(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return 120 + 60 * np.sin(columns / 9) + 40 * np.cos(rows / 7 + columns / 20)


def grid(width: int, height: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width].astype(float)
    return np.stack([columns, rows], axis=-1)


def test_the_real_cameras_own_parameters_give_its_own_picture() -> None:
    luma = np.random.default_rng(0).integers(16, 236, (HEIGHT, WIDTH)).astype(np.uint8)
    virtual = VirtualCamera(80.0, 82.0, 47.0, 31.0)
    packed = warped(virtual, camera(), luma, WIDTH, HEIGHT, colour="yuv420")
    assert np.array_equal(unpacked(packed), luma)


def test_a_level_camera_is_warped_by_the_matrix_of_openpilots_model_frame() -> None:
    virtual = VirtualCamera(91.0, 91.0, 25.6, 4.76)
    points = picture_points(virtual, camera(), grid(52, 26))
    x = 80.0 * (grid(52, 26)[..., 0] - 25.6) / 91.0 + 47.0
    y = 82.0 * (grid(52, 26)[..., 1] - 4.76) / 91.0 + 31.0
    assert points == pytest.approx(np.stack([x, y], axis=-1))


def test_each_angle_turns_the_camera_its_own_way() -> None:
    """The middle of the virtual image shows what the real camera has left, below, and at the same place rolled."""
    middle, right = np.array([20.0, 10.0]), np.array([25.0, 10.0])

    def shown(at: np.ndarray, **angles: float) -> np.ndarray:
        return picture_points(VirtualCamera(50.0, 50.0, 20.0, 10.0, **angles), camera(), at)

    angle = 0.1
    assert shown(middle, yaw_rad=angle) == pytest.approx([47.0 - 80.0 * np.tan(angle), 31.0])
    assert shown(middle, pitch_rad=angle) == pytest.approx([47.0, 31.0 + 82.0 * np.tan(angle)])
    assert shown(middle, roll_rad=angle) == pytest.approx([47.0, 31.0])
    # Rolled clockwise, the camera's right side is lower: it shows what lies below.
    expected = [47.0 + 80.0 * 0.1 * np.cos(angle), 31.0 + 82.0 * 0.1 * np.sin(angle)]
    assert shown(right, roll_rad=angle) == pytest.approx(expected)


def test_yaw_is_turned_first_then_pitch_as_a_camera_on_a_tripod() -> None:
    virtual = VirtualCamera(80.0, 82.0, 47.0, 31.0, yaw_rad=np.radians(30.0), pitch_rad=np.radians(10.0))
    same = camera(Pose.looking((0.0, 0.0, 1.0), 30.0, -10.0))
    assert picture_points(virtual, same, grid(9, 7)) == pytest.approx(grid(9, 7), abs=1e-9)


def _kannala_brandt(rays: np.ndarray, lens: Fisheye) -> np.ndarray:
    angle = np.arctan2(np.hypot(rays[..., 0], rays[..., 1]), rays[..., 2])
    direction = np.arctan2(rays[..., 1], rays[..., 0])
    bent = angle * (1 + sum(k * angle ** (2 * power) for power, k in enumerate(lens.distortion, 1)))
    x = lens.fx_px * bent * np.cos(direction) + lens.cx_px
    return np.stack([x, lens.fy_px * bent * np.sin(direction) + lens.cy_px], axis=-1)


@pytest.mark.parametrize("colour", ["yuv420", "gray"])
def test_a_fisheye_picture_is_warped_as_by_an_independent_projection(colour: str) -> None:
    lens = Fisheye(fx_px=45.0, fy_px=45.0, cx_px=47.5, cy_px=31.5, distortion=(0.02, -0.004, 0.0, 0.0))
    real = camera(Pose.looking((1.0, 0.0, 1.0), 8.0, -5.0), lens)
    virtual = VirtualCamera(60.0, 60.0, 32.0, 16.0, yaw_rad=0.1, pitch_rad=0.05, roll_rad=-0.04)
    optical = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    seen_from = Rotation.from_euler("ZYX", [0.1, 0.05, -0.04]) * optical
    mounted = Rotation.from_euler("ZYX", [np.radians(8.0), np.radians(5.0), 0.0]) * optical
    pixels = grid(64, 40)
    rays = np.stack([(pixels[..., 0] - 32.0) / 60.0, (pixels[..., 1] - 16.0) / 60.0, np.ones((40, 64))], axis=-1)
    turned = (mounted.inv() * seen_from).apply(rays.reshape(-1, 3)).reshape(rays.shape)
    points = _kannala_brandt(turned, lens)
    expected = map_coordinates(np.round(smooth()), [points[..., 1], points[..., 0]], order=1, mode="nearest")
    image = warped(virtual, real, np.round(smooth()), 64, 40, colour=colour)
    found = unpacked(image) if colour == "yuv420" else 16 + image[0].astype(float) * 219 / 255
    assert np.abs(found - expected).max() <= (0.51 if colour == "yuv420" else 1.5)


def test_what_the_real_camera_does_not_see_is_filled() -> None:
    behind = VirtualCamera(50.0, 50.0, 20.0, 10.0, yaw_rad=np.pi)
    luma = np.full((HEIGHT, WIDTH), 200)
    assert (warped(behind, camera(), luma, 40, 20) == 0).all()
    assert (warped(behind, camera(), luma, 40, 20, fill=77, colour="gray") == 77).all()
    packed = warped(behind, camera(), luma, 40, 20, colour="yuv420")
    assert (packed == np.array([16] * 4 + [128] * 2)[:, None, None]).all()
    wide = VirtualCamera(20.0, 20.0, 47.0, 31.0)  # sees more than the real one, all around
    image = warped(wide, camera(), luma, WIDTH, HEIGHT, fill=255)
    assert (image[:, [0, -1]] == 255).all()
    assert image[:, 31, 47] == pytest.approx((200 - 16) * 255 / 219, abs=1)


def test_chroma_is_warped_with_its_luma() -> None:
    rows, columns = np.indices((HEIGHT // 2, WIDTH // 2))
    frame = frame_of_planes(np.full((HEIGHT, WIDTH), 120), 60 + 2 * columns, 60 + 3 * rows)
    virtual = VirtualCamera(100.0, 100.0, 20.0, 12.0)
    image = ImageInput("i", 40, 24, "rear", virtual_camera=virtual, colour="yuv420")
    target = np.zeros(image_size(image), np.uint8)
    CameraImage(image, camera()).write(frame, target)
    # A chroma sample lies amid four luma pixels, in the picture and in the image.
    luma_x = 80.0 * (np.arange(20) * 2 + 0.5 - 20.0) / 100.0 + 47.0
    luma_y = 82.0 * (np.arange(12) * 2 + 0.5 - 12.0) / 100.0 + 31.0
    assert target[4] == pytest.approx(np.tile(60 + 2 * (luma_x - 0.5) / 2, (12, 1)), abs=0.51)
    assert target[5] == pytest.approx(np.tile(60 + 3 * (luma_y - 0.5) / 2, (20, 1)).T, abs=0.51)


def test_colours_survive_the_warp() -> None:
    virtual = VirtualCamera(80.0, 82.0, 47.0, 31.0)
    image = ImageInput("i", WIDTH, HEIGHT, "rear", virtual_camera=virtual)
    target = np.zeros(image_size(image), np.uint8)
    CameraImage(image, camera()).write(frame_of_planes(np.full((HEIGHT, WIDTH), 81), 90, 240), target)
    assert target[:, 30, 30] == pytest.approx([255, 0, 0], abs=3)


def test_pictures_of_another_size_than_the_rigs_are_warped_in_proportion() -> None:
    virtual = VirtualCamera(70.0, 70.0, 30.0, 20.0)
    half = msgspec.structs.replace(camera(), width_px=WIDTH, height_px=HEIGHT)
    large = warped(virtual, half, np.kron(np.round(smooth()), np.ones((2, 2))), 60, 40, colour="gray")
    small = warped(virtual, half, np.round(smooth()), 60, 40, colour="gray")
    assert np.abs(large.astype(int) - small).mean() < 3
