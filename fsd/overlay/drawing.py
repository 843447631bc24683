"""Strokes of the overlay: camera pictures, gaze, and the planned path laid on the road.

Knows pictures, boxes and lenses; what stands where is decided in `overlay_layout.py`.
"""

from dataclasses import dataclass

import av
import numpy as np
from PIL import Image, ImageDraw

from fsd.data import camera_model
from fsd.data.frames import GRID_COLUMNS, GRID_ROWS, Frame
from fsd.data.rig import Camera
from fsd.runtime.plan import Plan

INK, DIM, PANEL, DARK = (238, 242, 246), (146, 157, 169), (17, 20, 25), (8, 9, 11)
PLAN, GAZE, DRIVEN, WARNING = (64, 170, 255), (255, 190, 60), (90, 225, 140), (255, 92, 92)
PATH_HALF_WIDTH_M = 0.9
BUMPER_M = 3.75
"""The ribbon begins in front of the car, not under its bonnet."""
NEAREST_M = 0.5
"""Points nearer to the lens than this are not drawn: they would be thrown far across the picture."""
SMOOTH = 2
"""Shapes are drawn this many times larger and shrunk: the drawing library has hard edges only."""
FAR_PX = 4000
"""Beyond this from the picture the drawing library would overflow; shapes are cut off by the edge anyway."""

# Video luma runs from 16 to 235 and chroma from 16 to 240 (BT.601/709 limited range); screens want 0 to 255.
_LUMA_LUT = [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]
_CHROMA_LUT = [min(255, max(0, round((value - 128) * 255 / 224 + 128))) for value in range(256)]


@dataclass(frozen=True)
class View:
    """A camera's picture as it is shown: `scale` screen pixels per camera pixel, after cutting `left`, `top` screen
    pixels away; `width`, `height` of what is left."""

    scale: float
    left: int
    top: int
    width: int
    height: int

    def place(self, pixels: np.ndarray) -> np.ndarray:
        """(…, 2) camera pixels to screen pixels."""
        return (np.asarray(pixels) + 0.5) * self.scale - 0.5 - np.array([self.left, self.top])


def fitted(width_px: int, height_px: int, box_width: int, box_height: int, fills: bool) -> View:
    """How a picture goes into a box: whole, or cut to fill it (more of the sky than of the road)."""
    scales = (box_width / width_px, box_height / height_px)
    scale = max(scales) if fills else min(scales)
    width, height = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    shown_width, shown_height = min(width, box_width), min(height, box_height)
    return View(scale, (width - shown_width) // 2, round((height - shown_height) * 0.6), shown_width, shown_height)


def camera_picture(frame: Frame, view: View) -> Image.Image:
    """The part of a frame that the view shows."""
    height_px, width_px = frame.y_plane.shape
    size = (max(1, round(width_px * view.scale)), max(1, round(height_px * view.scale)))
    picture = rgb_picture(frame, size)
    if picture.size == (view.width, view.height):
        return picture
    return picture.crop((view.left, view.top, view.left + view.width, view.top + view.height))


def rgb_picture(frame: Frame, size: tuple[int, int]) -> Image.Image:
    """One frame as an RGB picture of `size` (width, height), area-averaged.

    By swscale where the frame still is the decoder's picture, three times faster; from its planes otherwise.
    """
    own = frame.picture
    if isinstance(own, av.VideoFrame) and frame.y_plane.shape == (own.height, own.width):
        method = "AREA" if size[0] < own.width else "BILINEAR"
        shown = own.reformat(width=size[0], height=size[1], format="rgb24", interpolation=method, threads=1)
        return Image.fromarray(shown.to_ndarray())
    planes = []
    for plane, lut in ((frame.y_plane, _LUMA_LUT), (frame.u_plane, _CHROMA_LUT), (frame.v_plane, _CHROMA_LUT)):
        picture = Image.fromarray(np.ascontiguousarray(plane))
        if picture.size != size:
            is_smaller = picture.width >= size[0]
            picture = picture.resize(size, Image.Resampling.BOX if is_smaller else Image.Resampling.BILINEAR)
        planes.append(picture.point(lut))
    return Image.merge("YCbCr", planes).convert("RGB")


def draw_gaze(picture: Image.Image, view: View, camera_size: tuple[int, int], blocks: np.ndarray, unit: float) -> None:
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
    draw = ImageDraw.Draw(picture, "RGBA")
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
    picture: Image.Image, view: View, camera: Camera, plan: Plan, driven: np.ndarray | None, unit: float
) -> None:
    """Lay the planned path on the road: the car's width solid, its sideways uncertainty lighter, the driven path green.

    Args:
        driven: (16, 2+) x m, y m in the ego frame, NaN where unknown; None where nothing is recorded.
    """
    size = (picture.width * SMOOTH, picture.height * SMOOTH)
    mask = Image.new("L", size, 0)
    doubt_m = np.interp(_along(plan.trajectory), _knots(plan.trajectory), np.r_[0.0, plan.trajectory_scale[:, 1]])
    edges = ribbon_edges(plan.trajectory)
    _fill_ribbon(mask, view, camera, ribbon_edges(plan.trajectory, half_width_m=PATH_HALF_WIDTH_M + doubt_m), 52)
    _fill_ribbon(mask, view, camera, edges, 116)
    draw = ImageDraw.Draw(mask)
    for edge in edges:
        pixels = _on_screen(view, camera, edge[edge[:, 0] > BUMPER_M]) * SMOOTH
        draw.line([tuple(point) for point in pixels], fill=235, width=round(2 * SMOOTH * unit), joint="curve")
    mask = mask.resize(picture.size, Image.Resampling.BOX)
    picture.paste(PLAN, (0, 0, *picture.size), mask)
    if driven is not None:
        known = driven[np.isfinite(driven[:, :2]).all(axis=1), :2]
        path = np.concatenate([np.zeros((1, 2)), known])
        ground = np.hstack([path, np.zeros((len(path), 1))])
        pixels = _on_screen(view, camera, _densified(ground))
        if len(pixels) > 1:
            draw = ImageDraw.Draw(picture)
            draw.line([tuple(point) for point in pixels], fill=DRIVEN, width=max(2, round(2 * unit)), joint="curve")


def ribbon_edges(
    trajectory: np.ndarray, spacing_m: float = 1.0, half_width_m: float | np.ndarray = PATH_HALF_WIDTH_M
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of the swept path on the ground, ego frame.

    Args:
        trajectory: (P, 4) x m, y m, yaw rad, v m/s.
        half_width_m: one number, or one for each of the M places.

    Returns:
        Two (M, 3) arrays from the rear axle on, about one place every `spacing_m`.
    """
    knots = np.concatenate([np.zeros((1, 2)), trajectory[:, :2].astype(np.float64)])
    travelled, samples = _knots(trajectory), _along(trajectory, spacing_m)
    centre = np.stack([np.interp(samples, travelled, knots[:, axis]) for axis in (0, 1)], axis=1)
    tangent = np.gradient(centre, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * np.reshape(half_width_m, (-1, 1))
    ground = np.zeros((len(centre), 1))
    return np.hstack([centre + normal, ground]), np.hstack([centre - normal, ground])


def uncertainty_edges(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Two (P, 3) lines on the ground, one sideways Laplace scale left and right of the planned waypoints, ego frame."""
    yaw, side_m = plan.trajectory[:, 2], plan.trajectory_scale[:, 1]
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * side_m[:, None]
    path, ground = plan.trajectory[:, :2], np.zeros((len(normal), 1))
    return np.hstack([path + normal, ground]), np.hstack([path - normal, ground])


def _knots(trajectory: np.ndarray) -> np.ndarray:
    """(P + 1,) metres travelled at the start and at every waypoint."""
    points = np.concatenate([np.zeros((1, 2)), trajectory[:, :2].astype(np.float64)])
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def _along(trajectory: np.ndarray, spacing_m: float = 1.0) -> np.ndarray:
    """(M,) metres travelled at which a ribbon is sampled."""
    length_m = float(_knots(trajectory)[-1])
    return np.linspace(0.0, length_m, max(2, int(length_m / spacing_m) + 1))


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


def _densified(points: np.ndarray, spacing_m: float = 1.0) -> np.ndarray:
    """The same line with a point about every metre."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    samples = np.linspace(0.0, travelled[-1], max(2, int(travelled[-1] / spacing_m) + 1))
    return np.stack([np.interp(samples, travelled, points[:, axis]) for axis in range(3)], axis=1)
