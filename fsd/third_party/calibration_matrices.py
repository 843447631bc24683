"""Matrices of a rig's cameras for a model: intrinsics of the image that it sees, and poses."""

import numpy as np

from fsd.data.camera_names import canonical_name
from fsd.data.rig import Camera, FTheta, Rig
from fsd.third_party.images.fit import placement
from fsd.third_party.images.virtual_camera import ego_from_virtual, intrinsics_of
from fsd.third_party.input_fields import CalibrationInput, ImageInput


def calibration_values(entry: CalibrationInput, images: tuple[ImageInput, ...], rig: Rig) -> np.ndarray:
    """(cameras, rows, columns) float64; the rig must have all cameras."""
    image = next((image for image in images if image.name == entry.image), None)
    rows, columns = entry.size
    ego_from_frame = _ego_from_frame(entry)
    matrices = []
    for source in calibration_cameras(entry, images):
        camera = rig.camera(source)
        assert camera is not None
        matrix = camera_matrix(entry.matrix, image, camera)
        if entry.matrix == "ego_from_camera":
            matrix = np.linalg.inv(ego_from_frame) @ matrix
        elif entry.matrix != "intrinsics":
            matrix = matrix @ ego_from_frame
        matrices.append(matrix[:rows, :columns])
    return np.stack(matrices)


def _ego_from_frame(entry: CalibrationInput) -> np.ndarray:
    """(4, 4): from the frame that stands for the ego frame, with its own axes and origin."""
    matrix = np.eye(4)
    if entry.axes == "right_forward_up":
        matrix[:2, :2] = [[0.0, 1.0], [-1.0, 0.0]]
    matrix[:3, 3] = entry.origin_m
    return matrix


def calibration_cameras(entry: CalibrationInput, images: tuple[ImageInput, ...]) -> tuple[str, ...]:
    """The canonical cameras of a calibration input: its own, or those of its image."""
    names = entry.cameras or next((image.sources for image in images if image.name == entry.image), ())
    return tuple(canonical_name(name) or name for name in names)


def camera_matrix(matrix: str, image: ImageInput | None, camera: Camera) -> np.ndarray:
    """(4, 4) float64; `image` None gives the real camera's pose. Of a virtual camera, the pose is the virtual one's."""
    virtual = image.virtual_camera if image is not None else None
    ego_from_camera = camera.ego_from_camera.matrix() if virtual is None else ego_from_virtual(virtual, camera)
    if matrix == "ego_from_camera":
        return ego_from_camera
    camera_from_ego = np.linalg.inv(ego_from_camera)
    if matrix == "camera_from_ego":
        return camera_from_ego
    assert image is not None
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = image_intrinsics(image, camera)
    return intrinsics if matrix == "intrinsics" else intrinsics @ camera_from_ego


def image_intrinsics(image: ImageInput, camera: Camera) -> np.ndarray:
    """(3, 3) float64 K in pixels of the model's image (the luma of yuv420), whole numbers are pixel centres.

    Lens distortion is left out; of an f-theta lens, the focal length is that on the axis.
    """
    if image.virtual_camera is not None:
        return intrinsics_of(image.virtual_camera)
    lens = camera.intrinsics
    fx_px, fy_px = (lens.angle_to_radius_px[1],) * 2 if isinstance(lens, FTheta) else (lens.fx_px, lens.fy_px)
    picture = np.array([[fx_px, 0.0, lens.cx_px], [0.0, fy_px, lens.cy_px], [0.0, 0.0, 1.0]])
    return placement(image, camera.width_px, camera.height_px).matrix() @ picture
