"""One picture of one tick: all cameras, what the compressor looked at, and the plan in the picture and from above.

Draws; writes no file. The overlay video and the report's moments are made of these pictures.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fsd.compression.budget import GRID_COLUMNS, GRID_ROWS
from fsd.data import camera_model
from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, RATE_HZ, Frame
from fsd.data.rig import Camera
from fsd.networks.contract import ModelMetadata
from fsd.overlay_layout import HEADER_PX, HEIGHT_PX, WIDTH_PX, Box, choose_layout
from fsd.pipeline import TickResult
from fsd.plan import Plan

INK, DIM, PANEL = (236, 240, 244), (138, 148, 160), (18, 21, 26)
PLAN, GAZE, WARNING = (64, 200, 255), (255, 196, 64), (255, 92, 92)
PATH_HALF_WIDTH_M = 0.9
BIRDSEYE_AHEAD_M, BIRDSEYE_BEHIND_M = 40.0, 8.0
# Video luma runs from 16 to 235 and chroma from 16 to 240 (BT.601/709 limited range); screens want 0 to 255.
_LUMA_LUT = [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]
_CHROMA_LUT = [min(255, max(0, round((value - 128) * 255 / 224 + 128))) for value in range(256)]


class OverlayPainter:
    """Draws ticks of one clip.

    Args:
        clip: for the calibration; metadata: of the model, for the header.
    """

    def __init__(self, clip: Clip, metadata: ModelMetadata) -> None:
        self._clip = clip
        self._metadata = metadata
        present = [name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None]
        self._present = frozenset(present)
        self._layout = choose_layout(present)
        self._fonts = {size: ImageFont.load_default(size) for size in (11, 13, 16, 20)}

    def picture(self, result: TickResult, ego: EgoSample | None, command: str) -> Image.Image:
        """The picture of one tick, RGB, `WIDTH_PX` x `HEIGHT_PX`."""
        canvas = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), PANEL)
        for name, box in self._layout.tiles.items():
            canvas.paste(self._tile(name, box, result), (box.x, box.y))
        self._draw_header(ImageDraw.Draw(canvas), result.plan, ego, command)
        inset = self._layout.birdseye
        canvas.paste(self._birdseye(inset, result.plan), (inset.x, inset.y))
        return canvas

    def _tile(self, name: str, box: Box, result: TickResult) -> Image.Image:
        tile = Image.new("RGB", (box.width, box.height), (8, 9, 11))
        index = CAMERAS.index(name)
        frame = result.frame_set.frames[index]
        state = ""
        if frame is None:
            state = "no frame yet" if name in self._present else "no camera"
        else:
            height_px, width_px = frame.y_plane.shape
            scale = min(box.width / width_px, box.height / height_px)
            size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
            left, top = (box.width - size[0]) // 2, (box.height - size[1]) // 2
            picture = rgb_picture(frame, size)
            if not result.frame_set.is_valid[index]:
                state = "black" if frame.is_black else "stale"
            self._draw_gaze(ImageDraw.Draw(picture), size, index, result)
            camera = self._clip.rig.camera(name)
            if name == self._layout.main and camera is not None:
                picture = _draw_plan(picture, camera, scale, result.plan)
            tile.paste(picture, (left, top))
        draw = ImageDraw.Draw(tile)
        label = name.replace("_", " ") + (f"  {state}" if state else "")
        font = self._fonts[13]
        draw.rectangle((0, 0, 10 + draw.textlength(label, font), 18), fill=PANEL)
        draw.text((5, 2), label, fill=WARNING if state else INK, font=font)
        draw.rectangle((0, 0, box.width - 1, box.height - 1), outline=PANEL)
        return tile

    def _draw_gaze(self, draw: ImageDraw.ImageDraw, size: tuple[int, int], index: int, result: TickResult) -> None:
        compressed = result.compressed
        for block in compressed.patch_block[compressed.patch_camera == index]:
            row, column = divmod(int(block), GRID_COLUMNS)
            x0, x1 = column * size[0] / GRID_COLUMNS, (column + 1) * size[0] / GRID_COLUMNS
            y0, y1 = row * size[1] / GRID_ROWS, (row + 1) * size[1] / GRID_ROWS
            draw.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=GAZE)
        if compressed.is_keyframe[index]:
            draw.rectangle((size[0] - 12, 6, size[0] - 6, 12), fill=GAZE)

    def _draw_header(self, draw: ImageDraw.ImageDraw, plan: Plan, ego: EgoSample | None, command: str) -> None:
        spec = self._metadata.budget
        seconds = float(plan.tick / RATE_HZ)
        draw.text((12, 9), f"{seconds:7.2f} s   tick {plan.tick}", fill=INK, font=self._fonts[20])
        speed = f"{ego.speed_mps * 3.6:.0f} km/h" if ego else "speed unknown"
        words = (self._clip.name, speed, f"command {command.replace('_', ' ')}", spec.name, self._metadata.precision)
        middle = "   ".join(words)
        draw.text((260, 12), middle, fill=DIM, font=self._fonts[16])
        if not self._metadata.trained:
            text = "UNTRAINED NETWORK: the plan means nothing yet"
            font = self._fonts[16]
            width = draw.textlength(text, font)
            draw.rectangle((WIDTH_PX - width - 24, 6, WIDTH_PX - 8, HEADER_PX - 8), fill=WARNING)
            draw.text((WIDTH_PX - width - 16, 11), text, fill=PANEL, font=font)

    def _birdseye(self, box: Box, plan: Plan) -> Image.Image:
        """The plan from above, driving direction to the right in a wide box and upwards in a tall one."""
        image = Image.new("RGB", (box.width, box.height), PANEL)
        draw = ImageDraw.Draw(image)
        wide = box.width > box.height
        length_px = box.width if wide else box.height
        scale = length_px / (BIRDSEYE_AHEAD_M + BIRDSEYE_BEHIND_M)

        def place(x_m: float, y_m: float) -> tuple[float, float]:
            along = (x_m + BIRDSEYE_BEHIND_M) * scale
            if wide:
                return along, box.height / 2 - y_m * scale
            return box.width / 2 - y_m * scale, box.height - along

        for distance_m in range(0, int(BIRDSEYE_AHEAD_M), 10):
            draw.line((*place(distance_m, -30), *place(distance_m, 30)), fill=(36, 41, 49))
            draw.text(place(distance_m, -8 if wide else 11), f"{distance_m} m", fill=DIM, font=self._fonts[11])
        draw.polygon([place(-1, -0.95), place(-1, 0.95), place(3.7, 0.95), place(3.7, -0.95)], outline=INK)
        path = [place(0.0, 0.0), *(place(float(x), float(y)) for x, y in plan.trajectory[:, :2])]
        draw.line(path, fill=PLAN, width=3, joint="curve")
        for x, y in path[1:]:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=INK)
        lines = (
            f"curvature {plan.curvature_per_m:+.4f} 1/m",
            f"acceleration {plan.acceleration_mps2:+.2f} m/s²",
            "health " + plan.health if len(plan.health) < 44 else "health " + plan.health[:42] + "…",
        )
        for row, text in enumerate(lines):
            colour = INK if row < 2 or plan.health == "ok" else WARNING
            draw.text((8, 6 + 17 * row), text, fill=colour, font=self._fonts[13])
        return image


def rgb_picture(frame: Frame, size: tuple[int, int]) -> Image.Image:
    """One frame as an RGB picture of `size` (width, height), area-averaged from its planes."""
    planes = []
    for plane, lut in ((frame.y_plane, _LUMA_LUT), (frame.u_plane, _CHROMA_LUT), (frame.v_plane, _CHROMA_LUT)):
        picture = Image.fromarray(np.ascontiguousarray(plane))
        if picture.size != size:
            is_smaller = picture.width >= size[0]
            picture = picture.resize(size, Image.Resampling.BOX if is_smaller else Image.Resampling.BILINEAR)
        planes.append(picture.point(lut))
    return Image.merge("YCbCr", planes).convert("RGB")


def _draw_plan(picture: Image.Image, camera: Camera, scale: float, plan: Plan) -> Image.Image:
    """Lay the planned path on the road of a camera picture, as a ribbon of the car's width."""
    left, right = ribbon_edges(plan.trajectory)
    points = np.concatenate([left, right[::-1]])
    camera_from_ego = np.linalg.inv(camera.ego_from_camera.matrix())
    corners = points @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
    pixels, _ = camera_model.project(camera, corners)
    half = len(left)
    is_ahead = (corners[:half, 2] > 0.5) & (corners[half:, 2][::-1] > 0.5)
    if is_ahead.sum() < 2:
        return picture
    edges_left, edges_right = pixels[:half][is_ahead] * scale, pixels[half:][::-1][is_ahead] * scale
    ribbon = Image.new("L", picture.size, 0)
    # Far outside the picture the drawing library would overflow; the ribbon is cut there anyway.
    outline = np.clip(np.concatenate([edges_left, edges_right[::-1]]), -4000, 4000)
    ImageDraw.Draw(ribbon).polygon([tuple(point) for point in outline], fill=110)
    picture = Image.composite(Image.new("RGB", picture.size, PLAN), picture, ribbon)
    draw = ImageDraw.Draw(picture)
    for edge in (edges_left, edges_right):
        draw.line([tuple(point) for point in np.clip(edge, -4000, 4000)], fill=PLAN, width=2)
    return picture


def ribbon_edges(trajectory: np.ndarray, spacing_m: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of the swept path on the ground, ego frame.

    Args:
        trajectory: (P, 4) x m, y m, yaw rad, v m/s.

    Returns:
        Two (M, 3) arrays from the front bumper on, about one point every `spacing_m`.
    """
    knots = np.concatenate([np.zeros((1, 2)), trajectory[:, :2].astype(np.float64)])
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    samples = np.linspace(0.0, travelled[-1], max(2, int(travelled[-1] / spacing_m) + 1))
    centre = np.stack([np.interp(samples, travelled, knots[:, axis]) for axis in (0, 1)], axis=1)
    tangent = np.gradient(centre, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * PATH_HALF_WIDTH_M
    ground = np.zeros((len(centre), 1))
    return np.hstack([centre + normal, ground]), np.hstack([centre - normal, ground])
