"""Convert lenses to Foxglove's `CameraCalibration`: `plumb_bob`, `rational_polynomial` or `kannala_brandt`.

It has no f-theta lens; a Kannala-Brandt polynomial is fitted to one, and the error of the fit is reported.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data import camera_model
from fsd.data.rig import Camera, Fisheye, FTheta

_FIT_SAMPLES = 512


@dataclass(frozen=True)
class Calibration:
    """The content of `CameraCalibration` for a scaled image.

    Attributes:
        model: name of the distortion model; distortion: its parameters.
        fx_px, fy_px, cx_px, cy_px: of the scaled image, whose size is width_px x height_px.
        fit_error_px: largest distance between the lens and a fitted model in the image, original pixels.
    """

    model: str
    distortion: tuple[float, ...]
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    width_px: int
    height_px: int
    fit_error_px: float = 0.0


def calibration_of(camera: Camera, scale: float = 1.0) -> Calibration:
    """Describe a camera whose images are scaled by `scale` (both sides rounded down to even when not 1)."""
    lens = camera.intrinsics
    error_px = 0.0
    if isinstance(lens, FTheta):
        fx_px, distortion, error_px = _fitted(camera, lens)
        fy_px, model = fx_px, "kannala_brandt"
    else:
        fx_px, fy_px, distortion = lens.fx_px, lens.fy_px, lens.distortion
        model = "rational_polynomial" if len(distortion) == 8 else "plumb_bob"
        if isinstance(lens, Fisheye):
            model = "kannala_brandt"
        elif model == "plumb_bob":
            distortion = (*distortion, *(0.0,) * (5 - len(distortion)))
    width_px, height_px = camera.width_px, camera.height_px
    if scale != 1.0:
        width_px, height_px = (round(size * scale) // 2 * 2 for size in (width_px, height_px))
    across, down = width_px / camera.width_px, height_px / camera.height_px
    return Calibration(
        model=model,
        distortion=distortion,
        fx_px=fx_px * across,
        fy_px=fy_px * down,
        # Integer coordinates are pixel centres: the left edge is at -0.5 in either image.
        cx_px=(lens.cx_px + 0.5) * across - 0.5,
        cy_px=(lens.cy_px + 0.5) * down - 0.5,
        width_px=width_px,
        height_px=height_px,
        fit_error_px=error_px,
    )


def _fitted(camera: Camera, lens: FTheta) -> tuple[float, tuple[float, ...], float]:
    """Focal length, k1 … k4 and the largest error in pixels of the Kannala-Brandt lens nearest to an f-theta lens."""
    corners = np.array([[x, y] for x in (-0.5, camera.width_px - 0.5) for y in (-0.5, camera.height_px - 0.5)])
    farthest_rad = float(np.arccos(np.clip(camera_model.rays(camera, corners)[:, 2], -1, 1)).max())
    angle = np.linspace(0, farthest_rad, _FIT_SAMPLES)
    radius = np.polynomial.polynomial.polyval(angle, np.asarray(lens.angle_to_radius_px))
    odd = angle[:, None] ** np.arange(1, 10, 2)
    solution = np.linalg.lstsq(odd, radius, rcond=None)[0]
    error_px = float(np.abs(odd @ solution - radius).max())
    return float(solution[0]), tuple(float(value / solution[0]) for value in solution[1:]), error_px
