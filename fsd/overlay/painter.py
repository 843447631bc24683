"""One image per tick: all cameras, the blocks that the compressor read, and the plan on the road and from above.

Puts the parts together; writes no file. The overlay video and the report's worst ticks use these images.
"""

import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageDraw

from fsd.compression.ratios import recording_r_px
from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.overlay.drawing import DARK, DIM, GAZE, INK, PANEL, WARNING, camera_image, draw_gaze, draw_plan, fitted
from fsd.overlay.drive_state import draw_mode, draw_moment, moment_text
from fsd.overlay.gauges import Facts, Fonts, birdseye, draw_gauges, fitting_range_m, whole_text, wrapped
from fsd.overlay.layout import Box, OverlayConfig, choose_layout, drawable
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.plan_errors import driven_ahead

LABEL_PX, TITLE_SIZES_PX = 14, (16, 14, 12)


class OverlayPainter:
    """Draws ticks of one clip.

    Args:
        clip: for the calibration and the driven path; metadata: of the model, for the header.
        config: cameras, layout, size and title.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig | None = None) -> None:
        self._clip = clip
        self._title = drawable((config.title if config else None) or clip.name)
        self._caveat = metadata.caveat(clip.rig.is_simulated)
        sizes = clip.sizes_px
        self._present = frozenset(sizes)
        self.layout = choose_layout(sizes, config)
        self._unit = self.layout.unit
        self._fonts = Fonts(self._unit)
        self._reformatters = {name: VideoReformatter() for name in self.layout.tiles}
        budget = metadata.budget
        self._technical = [] if budget is None else [f"budget {budget.name}"]
        if metadata.precision:
            self._technical.append(metadata.precision)
        if budget is not None:
            self._technical.append(f"1/{recording_r_px(budget, sizes):.0f} of the pixels")
        self._range_m = 0

    def paint(self, result: StepResult, ego: EgoSample | None, command: str) -> Image.Image:
        """The RGB image of one tick, of the layout's size."""
        layout, plan = self.layout, result.plan
        driven = driven_ahead(self._clip.ego, plan.timestamp_ns)
        canvas = Image.new("RGB", (layout.width_px, layout.height_px), PANEL)
        for name, box in layout.tiles.items():
            canvas.paste(self._tile(name, box, result, driven), (box.x, box.y))
        inset = layout.birdseye
        self._range_m = fitting_range_m(plan, self._range_m)
        above = birdseye((inset.width, inset.height), self._range_m, plan, driven, self._fonts, self._unit)
        canvas.paste(above, (inset.x, inset.y))
        draw = ImageDraw.Draw(canvas)
        self._draw_header(draw, plan)
        technical = list(self._technical)
        if (compressed := result.compressed) is not None:
            patches, slots = (compressed.patch_camera >= 0).sum(), int(compressed.memory_valid.sum())
            technical.append(f"{patches} patches")
            technical.append(f"memory {slots}/{len(compressed.memory_valid)}")
        facts = Facts(command, self._present, self._clip.ego is not None or ego is not None, technical)
        draw_gauges(draw, layout.gauges, plan, ego, facts, self._fonts, self._unit)
        if text := moment_text(self._clip, plan.timestamp_ns):
            large = max(layout.tiles.values(), key=lambda box: box.width * box.height)
            draw_moment(canvas, text, large, self._fonts, self._unit)
        return canvas

    def _tile(self, name: str, box: Box, result: StepResult, driven: np.ndarray | None) -> Image.Image:
        index = CAMERAS.index(name)
        frame, compressed = result.frame_set.frames[index], result.compressed
        is_main = name == self.layout.main
        if frame is None:
            tile = Image.new("RGB", (box.width, box.height), DARK)
            note = "no image yet"
        else:
            height_px, width_px = frame.y_plane.shape
            view = fitted(width_px, height_px, box.width, box.height, self.layout.fills and is_main)
            tile = image = camera_image(frame, view, self._reformatters[name])
            if compressed is not None:
                draw_gaze(image, view, (width_px, height_px), compressed.patch_boxes(index), self._unit)
            camera = self._clip.rig.camera(name)
            if is_main and camera is not None:
                draw_plan(image, view, camera, result.plan, driven, self._unit)
            if image.size != (box.width, box.height):
                tile = Image.new("RGB", (box.width, box.height), DARK)
                tile.paste(image, ((box.width - view.width) // 2, (box.height - view.height) // 2))
            note = _note(result.frame_set, index)
        age_ms = result.frame_set.age_ns[index] / 1e6 if frame is not None else 0.0
        is_keyframe = compressed is not None and bool(compressed.is_keyframe[index])
        self._label(tile, name, note, age_ms, is_keyframe)
        return tile

    def _label(self, tile: Image.Image, name: str, note: str, age_ms: float, is_keyframe: bool) -> None:
        """Camera name, age of its image or its fault, and a frame in the gaze colour at a keyframe."""
        draw, font, unit = ImageDraw.Draw(tile, "RGBA"), self._fonts[LABEL_PX], self._unit
        texts = [(name.replace("_", " "), INK)]
        if note:
            texts.append((note, WARNING))
        elif age_ms >= 0.5:
            texts.append((f"{age_ms:.0f} ms old", DIM))
        gap, step = 7 * unit, 18 * unit
        widths = [draw.textlength(text, font) + gap for text, _ in texts]
        is_beside = sum(widths) + gap <= tile.width
        lines = (
            [texts]
            if is_beside
            else [
                [(line, colour)] for text, colour in texts for line in wrapped(draw, text, font, tile.width - 2 * gap)
            ]
        )
        for row, line in enumerate(lines):
            x, y = gap, row * step
            draw.rectangle(
                (0, y, x + sum(draw.textlength(text, font) + gap for text, _ in line), y + step), fill=(*PANEL, 205)
            )
            for text, colour in line:
                draw.text((x, y + 2 * unit), text, fill=colour, font=font)
                x += draw.textlength(text, font) + gap
        edge = (*GAZE, 255) if is_keyframe else (*PANEL, 255)
        edge_px = max(1, round((2 if is_keyframe else 1) * unit))
        draw.rectangle((0, 0, tile.width - 1, tile.height - 1), outline=edge, width=edge_px)

    def _draw_header(self, draw: ImageDraw.ImageDraw, plan: Plan) -> None:
        unit, right, clip = self._unit, self.layout.width_px - 8 * self._unit, self._clip
        if self._caveat:
            kind, _, rest = self._caveat.partition(": ")
            text, font = f"{kind.upper()}: {rest}", self._fonts[15]
            left = right - draw.textlength(text, font) - 16 * unit
            draw.rounded_rectangle((left, 7 * unit, right, 33 * unit), radius=5 * unit, fill=WARNING)
            draw.text((left + 8 * unit, 11 * unit), text, fill=PANEL, font=font)
            right = left - 8 * unit
        if clip.modes is not None:
            header = Box(0, 0, self.layout.width_px, self.layout.header_px)
            right = draw_mode(draw, clip.modes.mode_at(plan.timestamp_ns), right, header, self._fonts)
        minutes, seconds = divmod(float(plan.tick / RATE_HZ), 60)
        draw.text((14 * unit, 9 * unit), f"{minutes:02.0f}:{seconds:05.2f}", fill=INK, font=self._fonts[20])
        x = 118 * unit
        if clip.wall_clock is not None:
            text = clip.wall_clock.text_at(plan.timestamp_ns)
            draw.text((x, 12 * unit), text, fill=INK, font=self._fonts[16])
            x += draw.textlength(text, self._fonts[16]) + 18 * unit
        font, lines = whole_text(draw, self._title, self._fonts, TITLE_SIZES_PX, right - x - 8 * unit, rows=2)
        for row, line in enumerate(lines):
            draw.text((x, (20 + (row - (len(lines) - 1) / 2) * 15) * unit), line, fill=DIM, font=font, anchor="lm")


def _note(frame_set: FrameSet, camera: int) -> str:
    """What is wrong with a camera that has a frame: `frozen, masked`."""
    notes = [fault.value.replace("_", " ") for fault in frame_set.faults[camera]]
    if frame_set.is_masked[camera]:
        notes.append("masked")
    elif not frame_set.is_valid[camera]:
        notes.append("stale")
    return ", ".join(notes)
