"""Draw camera images, gaze, and the planned path on the road.

Knows images, boxes and lenses; `layout.py` decides where they stand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
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
FADING_SHARE = 0.3
LINE_OPACITY = 235
TANGENT_M = 2
"""The direction of a ribbon at a point is measured from so many metres before it to as many after."""
NEAREST_M = 0.5
"""Points nearer to the lens are not drawn: their pixels would lie far outside the image."""
SMOOTH = 2
"""Shapes are drawn this many times larger and reduced: Pillow does not smooth edges."""
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


def camera_image(frame: Frame, view: View, reformatter: VideoReformatter | None = None) -> Image.Image:
    """The part of a frame that the view shows; `reformatter` as in `rgb_image`."""
    height_px, width_px = frame.y_plane.shape
    size = (max(1, round(width_px * view.scale)), max(1, round(height_px * view.scale)))
    image = rgb_image(frame, size, reformatter)
    if image.size == (view.width, view.height):
        return image
    return image.crop((view.left, view.top, view.left + view.width, view.top + view.height))


def rgb_image(frame: Frame, size: tuple[int, int], reformatter: VideoReformatter | None = None) -> Image.Image:
    """A frame as an RGB image of `size` (width, height), area-averaged where it shrinks.

    Args:
        reformatter: saves the setting up if it was used for the same sizes before.
    """
    picture = picture_of(frame)
    method = "AREA" if size[0] < picture.width else "BILINEAR"
    shown = (reformatter or VideoReformatter()).reformat(
        picture, width=size[0], height=size[1], format="rgb24", interpolation=method, threads=1
    )
    plane: Any = shown.planes[0]  # a buffer, which Pillow's types do not know
    return Image.frombuffer("RGB", size, plane, "raw", "RGB", plane.line_size, 1)


def draw_gaze(image: Image.Image, view: View, camera_size: tuple[int, int], boxes: np.ndarray, unit: float) -> None:
    """Tint what was read as patches, with a line around every group of blocks and around every fine patch.

    Args:
        camera_size: (width, height) of the camera; boxes: (n, 3), as `CompressedTick.patch_boxes`.
    """
    if len(boxes) == 0:
        return
    is_read = np.zeros((GRID_ROWS + 2, GRID_COLUMNS + 2), bool)
    is_fine = boxes[:, 2] < 1
    columns, rows = boxes[~is_fine, :2].astype(np.int64).T
    is_read[rows + 1, columns + 1] = True
    block_size = np.array(camera_size) / (GRID_COLUMNS, GRID_ROWS)
    corners = np.rint(view.place(np.arange(GRID_COLUMNS + 1)[:, None] * block_size))
    x, y = corners[:, 0].tolist(), corners[: GRID_ROWS + 1, 1].tolist()
    draw, line = ImageDraw.Draw(image, "RGBA"), max(1, round(unit))
    around = is_read.tolist()
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        x0, y0, x1, y1 = x[column], y[row], x[column + 1], y[row + 1]
        draw.rectangle((x0, y0, x1, y1), fill=(*GAZE, 34))
        for is_inside, ends in (
            (around[row][column + 1], (x0, y0, x1, y0)),
            (around[row + 2][column + 1], (x0, y1, x1, y1)),
            (around[row + 1][column], (x0, y0, x0, y1)),
            (around[row + 1][column + 2], (x1, y0, x1, y1)),
        ):
            if not is_inside:
                draw.line(ends, fill=(*GAZE, 215), width=line)
    for left, top, side in boxes[is_fine].tolist():
        (x0, y0), (x1, y1) = np.rint(view.place(np.array([[left, top], [left + side, top + side]]) * block_size))
        draw.rectangle((x0, y0, x1, y1), fill=(*GAZE, 60), outline=(*GAZE, 255), width=line)


def draw_plan(
    image: Image.Image, view: View, camera: Camera, plan: Plan, driven: np.ndarray | None, unit: float
) -> None:
    """Draw the planned path on the road: the car's width, around it its sideways uncertainty, and the driven path.

    Args:
        driven: (16, 2+) x m, y m in the ego frame, NaN where unknown; None where nothing is recorded.
    """
    half_width_m = PATH_HALF_WIDTH_M + np.r_[0.0, plan.trajectory_scale[:, 1]]
    ribbons = np.stack([ribbon_edges(plan.trajectory, half_width_m), ribbon_edges(plan.trajectory)])
    pixels, is_ahead = _projected(view, camera, ribbons)
    strips = [*_strips(ribbons[0], pixels[0], is_ahead[0], 52), *_strips(ribbons[1], pixels[1], is_ahead[1], 116)]
    is_line = is_ahead[1] & (ribbons[1, ..., 0] > BUMPER_M)
    fade = _fade(is_line.shape[1])
    lines = [(side[is_shown], fade[is_shown]) for side, is_shown in zip(pixels[1], is_line, strict=True)]
    _draw_ribbon(image, strips, lines, unit)
    if driven is not None:
        known = driven[np.isfinite(driven[:, :2]).all(axis=1), :2]
        ground = _on_ground(_every_metre(np.concatenate([np.zeros((1, 2)), known])))  # from the rear axle on
        shown, is_ahead = _projected(view, camera, ground)
        if is_ahead.sum() > 1:
            draw = ImageDraw.Draw(image)
            points = shown[is_ahead].ravel().tolist()
            draw.line(points, fill=DRIVEN, width=max(2, round(2 * unit)), joint="curve")


def _strips(
    edges: np.ndarray, pixels: np.ndarray, is_ahead: np.ndarray, strength: int
) -> Iterator[tuple[np.ndarray, int]]:
    """(4, 2) screen pixels and opacity of every strip between two points of a ribbon, fainter with distance.

    Args:
        edges: (2, M, 3) its edges, ego frame; pixels: (2, M, 2) of these on the screen; is_ahead: (2, M) of the lens.
    """
    is_shown = is_ahead.all(axis=0) & (edges[..., 0].mean(axis=0) > BUMPER_M)
    fade = _fade(len(is_shown))
    corners = np.stack([pixels[0, :-1], pixels[1, :-1], pixels[1, 1:], pixels[0, 1:]], axis=1)
    for near in np.flatnonzero(is_shown[:-1] & is_shown[1:]).tolist():
        yield corners[near], round(strength * (1 - 0.6 * near / len(is_shown)) * fade[near])


def _fade(points: int) -> np.ndarray:
    """(points,) 1 along a ribbon, falling to 0 over its last part, so that it ends without an edge."""
    return np.clip(np.arange(points, 0, -1) / max(1.0, FADING_SHARE * points), 0.0, 1.0)


def _draw_ribbon(
    image: Image.Image,
    strips: Sequence[tuple[np.ndarray, int]],
    lines: Sequence[tuple[np.ndarray, np.ndarray]],
    unit: float,
) -> None:
    """Draw strips and the lines at their edges smoothly; works on the part of the image they cover.

    Args:
        lines: (n, 2) points and (n,) how strongly each is drawn, 0 to 1.
    """
    points = np.concatenate([*(corners for corners, _ in strips), *(line for line, _ in lines)])
    if len(points) == 0:
        return
    limits = (image.width, image.height)
    width = round(2 * SMOOTH * unit)
    left, top = np.clip(np.floor(points.min(axis=0)) - width, 0, limits).astype(int).tolist()
    right, bottom = np.clip(np.ceil(points.max(axis=0)) + width, 0, limits).astype(int).tolist()
    if left >= right or top >= bottom:
        return
    mask = Image.new("L", ((right - left) * SMOOTH, (bottom - top) * SMOOTH), 0)
    draw, corner = ImageDraw.Draw(mask), np.array([left, top])
    for corners, opacity in strips:
        draw.polygon(((corners - corner) * SMOOTH).ravel().tolist(), fill=opacity)
    for line, fade in lines:
        at = (line - corner) * SMOOTH
        solid = int((fade >= 1).sum())
        draw.line(at[:solid].ravel().tolist(), fill=LINE_OPACITY, width=width, joint="curve")
        for near in range(max(0, solid - 1), len(at) - 1):
            ends = at[near : near + 2].ravel().tolist()
            draw.line(ends, fill=round(LINE_OPACITY * float(fade[near + 1])), width=width)
    image.paste(PLAN, (left, top, right, bottom), mask.reduce(SMOOTH))


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
    path = np.concatenate([np.zeros((1, 2)), trajectory[:, :2]])
    centre, half_m = np.split(_every_metre(np.c_[path, np.broadcast_to(half_width_m, len(path))]), [2], axis=1)
    # Over a few metres: at the end of a plan that brakes, neighbouring waypoints turn without moving.
    row = np.arange(len(centre))
    tangent = centre[np.minimum(row + TANGENT_M, row[-1])] - centre[np.maximum(row - TANGENT_M, 0)]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * half_m
    return _on_ground(centre + normal), _on_ground(centre - normal)


def uncertainty_edges(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Two (P, 3) lines on the ground, one sideways Laplace scale left and right of the planned waypoints, ego frame."""
    yaw, side_m = plan.trajectory[:, 2], plan.trajectory_scale[:, 1]
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * side_m[:, None]
    return _on_ground(plan.trajectory[:, :2] + normal), _on_ground(plan.trajectory[:, :2] - normal)


def _on_ground(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.zeros((len(points), 1))], axis=1)


def _every_metre(points: np.ndarray) -> np.ndarray:
    """(M, n) points of a line (P, n), about one per metre; the first two columns, x m and y m, give its length."""
    travelled = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))]
    samples = np.linspace(0.0, travelled[-1], max(2, int(travelled[-1]) + 1))
    return np.stack([np.interp(samples, travelled, column) for column in points.T], axis=1)


def _projected(view: View, camera: Camera, points_ego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Screen pixels of points of the ego frame, and which of them lie ahead of the lens."""
    camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
    points = points_ego @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
    pixels, _ = camera_model.project(camera, points)
    is_ahead = (points[..., 2] > NEAREST_M) & np.isfinite(pixels).all(axis=-1)
    return np.clip(np.nan_to_num(view.place(pixels)), -FAR_PX, FAR_PX), is_ahead
