"""Draw camera images, gaze, and the planned path on the road.

Knows images, boxes and lenses; `layout.py` decides where they stand.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from fsd.data import camera_model
from fsd.data.frames import GRID_COLUMNS, GRID_ROWS, Frame
from fsd.data.planes import picture_of
from fsd.data.rig import Camera
from fsd.runtime.plan import Plan

INK, DIM, PANEL, DARK = (238, 242, 246), (146, 157, 169), (17, 20, 25), (8, 9, 11)
PLAN, GAZE, DRIVEN, WARNING = (64, 170, 255), (255, 190, 60), (90, 225, 140), (255, 92, 92)
PATH_HALF_WIDTH_M = 0.9
BUMPER_M = 3.75
"""The ribbon begins at the front bumper, m from the rear axle."""
NEAREST_M = 0.5
"""Points nearer to the lens are not drawn: their pixels would lie far outside the image."""
SMOOTH = 2
"""Shapes are drawn this many times larger and shrunk: Pillow does not smooth edges."""
FAR_PX = 4000
"""Limit of pixel coordinates: Pillow overflows far outside the image, where nothing shows anyway."""


@dataclass(frozen=True)
class View:
    """How a camera image is shown: `scale` screen pixels per camera pixel, cropped by `left` and `top` screen pixels to
    `width` x `height`."""

    scale: float
    left: int
    top: int
    width: int
    height: int

    def place(self, pixels: np.ndarray) -> np.ndarray:
        """(…, 2) camera pixels to screen pixels."""
        return (np.asarray(pixels) + 0.5) * self.scale - 0.5 - np.array([self.left, self.top])


def fitted(width_px: int, height_px: int, box_width: int, box_height: int, fills: bool) -> View:
    """Fit an image into a box: whole, or cropped to fill it (60 % of the crop at the top, which shows sky)."""
    scales = (box_width / width_px, box_height / height_px)
    scale = max(scales) if fills else min(scales)
    width, height = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    shown_width, shown_height = min(width, box_width), min(height, box_height)
    return View(scale, (width - shown_width) // 2, round((height - shown_height) * 0.6), shown_width, shown_height)


def camera_image(frame: Frame, view: View) -> Image.Image:
    """The part of a frame that the view shows."""
    height_px, width_px = frame.y_plane.shape
    image = rgb_image(frame, (max(1, round(width_px * view.scale)), max(1, round(height_px * view.scale))))
    if image.size == (view.width, view.height):
        return image
    return image.crop((view.left, view.top, view.left + view.width, view.top + view.height))


def rgb_image(frame: Frame, size: tuple[int, int]) -> Image.Image:
    """A frame as an RGB image of `size` (width, height), area-averaged where it shrinks."""
    picture = picture_of(frame)
    method = "AREA" if size[0] < picture.width else "BILINEAR"
    shown = picture.reformat(width=size[0], height=size[1], format="rgb24", interpolation=method, threads=1)
    return Image.fromarray(shown.to_ndarray())


def draw_gaze(image: Image.Image, view: View, camera_size: tuple[int, int], blocks: np.ndarray, unit: float) -> None:
    """Tint the blocks that were read at full resolution, with a line around every group of them.

    Args:
        camera_size: (width, height) of the camera; blocks: (n,) row * 20 + column.
    """
    if len(blocks) == 0:
        return
    is_read = np.zeros((GRID_ROWS + 2, GRID_COLUMNS + 2), bool)
    rows, columns = np.divmod(blocks.astype(np.int64), GRID_COLUMNS)
    is_read[rows + 1, columns + 1] = True
    width, height = camera_size[0] / GRID_COLUMNS, camera_size[1] / GRID_ROWS
    draw = ImageDraw.Draw(image, "RGBA")
    line = max(1, round(unit))
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        corners = view.place(np.array([[column * width, row * height], [(column + 1) * width, (row + 1) * height]]))
        (x0, y0), (x1, y1) = np.rint(corners).tolist()
        draw.rectangle((x0, y0, x1, y1), fill=(*GAZE, 34))
        for is_edge, ends in (
            (not is_read[row, column + 1], (x0, y0, x1, y0)),
            (not is_read[row + 2, column + 1], (x0, y1, x1, y1)),
            (not is_read[row + 1, column], (x0, y0, x0, y1)),
            (not is_read[row + 1, column + 2], (x1, y0, x1, y1)),
        ):
            if is_edge:
                draw.line(ends, fill=(*GAZE, 215), width=line)


def draw_plan(
    image: Image.Image, view: View, camera: Camera, plan: Plan, driven: np.ndarray | None, unit: float
) -> None:
    """Draw the planned path on the road: the car's width, around it its sideways uncertainty, and the driven path.

    Args:
        driven: (16, 2+) x m, y m in the ego frame, NaN where unknown; None where nothing is recorded.
    """
    mask = Image.new("L", (image.width * SMOOTH, image.height * SMOOTH), 0)
    half_width_m = PATH_HALF_WIDTH_M + np.r_[0.0, plan.trajectory_scale[:, 1]]
    edges = ribbon_edges(plan.trajectory)
    _fill_ribbon(mask, view, camera, ribbon_edges(plan.trajectory, half_width_m), 52)
    _fill_ribbon(mask, view, camera, edges, 116)
    draw = ImageDraw.Draw(mask)
    for edge in edges:
        pixels = _on_screen(view, camera, edge[edge[:, 0] > BUMPER_M]) * SMOOTH
        draw.line([tuple(point) for point in pixels], fill=235, width=round(2 * SMOOTH * unit), joint="curve")
    image.paste(PLAN, (0, 0, *image.size), mask.resize(image.size, Image.Resampling.BOX))
    if driven is not None:
        known = driven[np.isfinite(driven[:, :2]).all(axis=1), :2]
        ground = _every_metre(np.pad(known, ((1, 0), (0, 1))))  # from the rear axle on, at height 0
        pixels = _on_screen(view, camera, ground)
        if len(pixels) > 1:
            draw = ImageDraw.Draw(image)
            draw.line([tuple(point) for point in pixels], fill=DRIVEN, width=max(2, round(2 * unit)), joint="curve")


def ribbon_edges(
    trajectory: np.ndarray, half_width_m: float | np.ndarray = PATH_HALF_WIDTH_M
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of the swept path on the ground, ego frame.

    Args:
        trajectory: (P, 4) x m, y m, yaw rad, v m/s.
        half_width_m: one number, or (P + 1,): at the rear axle and at each waypoint.

    Returns:
        Two (M, 3) arrays from the rear axle on, about one point per metre.
    """
    path = np.pad(trajectory[:, :2].astype(np.float64), ((1, 0), (0, 0)))
    centre, half_m = np.split(_every_metre(np.c_[path, np.broadcast_to(half_width_m, len(path))]), [2], axis=1)
    tangent = np.gradient(centre, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * half_m
    return _on_ground(centre + normal), _on_ground(centre - normal)


def uncertainty_edges(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Two (P, 3) lines on the ground, one sideways Laplace scale left and right of the planned waypoints, ego frame."""
    yaw, side_m = plan.trajectory[:, 2], plan.trajectory_scale[:, 1]
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * side_m[:, None]
    return _on_ground(plan.trajectory[:, :2] + normal), _on_ground(plan.trajectory[:, :2] - normal)


def _on_ground(points: np.ndarray) -> np.ndarray:
    return np.pad(points, ((0, 0), (0, 1)))


def _every_metre(points: np.ndarray) -> np.ndarray:
    """(M, n) points of a line (P, n), about one per metre; the first two columns, x m and y m, give its length."""
    travelled = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))]
    samples = np.linspace(0.0, travelled[-1], max(2, int(travelled[-1]) + 1))
    return np.stack([np.interp(samples, travelled, column) for column in points.T], axis=1)


def _fill_ribbon(
    mask: Image.Image, view: View, camera: Camera, edges: tuple[np.ndarray, np.ndarray], strength: int
) -> None:
    """Fill a ribbon into a mask that is `SMOOTH` times larger than the view, fainter with distance."""
    draw = ImageDraw.Draw(mask)
    pixels, is_ahead = _projected(view, camera, np.stack(edges))
    is_shown = is_ahead.all(axis=0) & ((edges[0][:, 0] + edges[1][:, 0]) / 2 > BUMPER_M)
    count = len(is_shown)
    for near in range(count - 1):
        if is_shown[near] and is_shown[near + 1]:
            corners = [pixels[0, near], pixels[1, near], pixels[1, near + 1], pixels[0, near + 1]]
            level = round(strength * (1 - 0.6 * near / count))
            draw.polygon([tuple(corner * SMOOTH) for corner in corners], fill=level)


def _on_screen(view: View, camera: Camera, points_ego: np.ndarray) -> np.ndarray:
    pixels, is_ahead = _projected(view, camera, points_ego)
    return pixels[is_ahead]


def _projected(view: View, camera: Camera, points_ego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Screen pixels of points of the ego frame, and which of them lie ahead of the lens."""
    camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
    points = points_ego @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
    pixels, _ = camera_model.project(camera, points)
    is_ahead = (points[..., 2] > NEAREST_M) & np.isfinite(pixels).all(axis=-1)
    return np.clip(np.nan_to_num(view.place(pixels)), -FAR_PX, FAR_PX), is_ahead
