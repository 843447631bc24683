"""The rig from above: the car and the view of each camera. Geometry of the rig in, SVG out."""

import math
from collections.abc import Collection

import numpy as np
from markupsafe import Markup

from fsd.data import camera_model
from fsd.data.frames import CAMERAS
from fsd.data.rig import Camera, Rig
from fsd.data.standard_rigs import VEHICLE
from fsd.html.svg import element

WEDGE_M = {"front_narrow": 9.0, "front_main": 7.6, "front_wide": 6.2}
USUAL_WEDGE_M = 5.4
LABEL_SIDE = {"front_wide": 0.62, "front_main": -0.55}
"""Position of the name between the middle (0) and an edge (1 left, -1 right) of the camera's view."""
MARGIN_M = 0.4
PRESENT = {"css": "blue", "stroke": "currentcolor", "fill": "currentcolor", "fill_opacity": 0.15}
ABSENT = {"css": "grey", "stroke": "currentcolor", "fill": "none", "stroke_dasharray": "0.25 0.2"}
BODY = {"css": "ink", "stroke": "currentcolor", "style": "fill: var(--card)"}


def draw_rig(rig: Rig, present: Collection[str]) -> Markup:
    """An SVG of the rig, driving direction to the right; cameras without a video are dashed.

    Args:
        rig: described or assumed; present: names of the cameras that have a video.
    """
    vehicle = rig.vehicle or VEHICLE
    wedges, names = [], []
    for name in CAMERAS:
        camera = rig.camera(name)
        if camera is None:
            continue
        yaw_rad, half_rad = _view(camera)
        x_m, y_m, _ = camera.ego_from_camera.translation_m
        length_m = WEDGE_M.get(name, USUAL_WEDGE_M)
        style = PRESENT if name in present else ABSENT
        wedges.append(element("path", d=_wedge(x_m, y_m, yaw_rad, half_rad, length_m), stroke_width=0.05, **style))
        names.append(_label(name, x_m, y_m, yaw_rad + LABEL_SIDE.get(name, 0.0) * half_rad, length_m))
    rear_m, half_m = -vehicle.rear_overhang_m, vehicle.width_m / 2
    size = {"width": vehicle.length_m, "height": vehicle.width_m, "rx": 0.5}
    body = element("rect", x=rear_m, y=-half_m, stroke_width=0.09, **size, **BODY)
    glass = f"M{rear_m + 3.1:.2f} {-half_m + 0.2:.2f}l0.45 0.1v{vehicle.width_m - 0.6:.2f}l-0.45 0.1z"
    reach_m = [camera.ego_from_camera.translation_m[0] for camera in rig.cameras]
    front_m = max(reach_m) + max(WEDGE_M.values()) + MARGIN_M
    back_m, side_m = min(*reach_m, rear_m) - USUAL_WEDGE_M - MARGIN_M, USUAL_WEDGE_M + 1.0 + MARGIN_M
    view = f"{back_m:.2f} {-side_m:.2f} {front_m - back_m:.2f} {2 * side_m:.2f}"
    shapes = [*wedges, body, element("path", css="grey", fill="currentcolor", d=glass), *names]
    return element("svg", *shapes, css="drawing", viewBox=view, role="img", aria_label="cameras from above")


def _view(camera: Camera) -> tuple[float, float]:
    """Direction of the optical axis (left positive) and half the horizontal field of view, radians."""
    middle = camera.height_px / 2
    edges = camera_model.rays(camera, np.array([[-0.5, middle], [camera.width_px - 0.5, middle]]))
    angle_rad = float(np.arccos(np.clip(edges[:, 2], -1, 1)).mean())
    axis = camera.ego_from_camera.matrix()[:3, 2]
    return math.atan2(axis[1], axis[0]), angle_rad


def _wedge(x_m: float, y_m: float, yaw_rad: float, half_rad: float, length_m: float) -> str:
    # The car drives to the right, so its left is up; y of the SVG points down.
    (ax, ay), (bx, by) = (
        (x_m + length_m * math.cos(edge_rad), -(y_m + length_m * math.sin(edge_rad)))
        for edge_rad in (yaw_rad + half_rad, yaw_rad - half_rad)
    )
    large = int(half_rad > math.pi / 2)
    return f"M{x_m:.2f} {-y_m:.2f}L{ax:.2f} {ay:.2f}A{length_m:.2f} {length_m:.2f} 0 {large} 1 {bx:.2f} {by:.2f}Z"


def _label(name: str, x_m: float, y_m: float, yaw_rad: float, length_m: float) -> Markup:
    at_m = length_m - 1.9
    x, y = x_m + at_m * math.cos(yaw_rad), -(y_m + at_m * math.sin(yaw_rad))
    return element("text", name.replace("_", " "), x=x, y=y)
