"""Draw what the network receives of one tick: images rebuilt from the `CompressedTick` alone, beside the source.

The base image of every camera, enlarged, with the patches in their places; blocks darken with the
time since they were last read. Writes no file.
"""

import numpy as np
from PIL import Image, ImageDraw

from fsd.compression.budget import PATCH_GRID_PX, PATCH_PX, SWEEP_TICKS
from fsd.compression.tick import CompressedTick
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame, FrameSet
from fsd.overlay.drawing import DARK, DIM, GAZE, INK, PANEL, WARNING, rgb_image
from fsd.overlay.gauges import Fonts

WIDTH_PX, HEIGHT_PX = PATCH_GRID_PX
"""A camera as large as all its patches together: one pixel per patch sample."""

AGED, NEVER = (40, 44, 190), (120, 20, 60)
AGED_ALPHA, NEVER_ALPHA = 95, 70
_HEAD_PX, _LABEL_PX, _FOOT_PX, _GAP_PX = 60, 34, 56, 10


def kept_picture(compressed: CompressedTick, camera: int) -> Image.Image:
    """One camera as the network gets it, RGB of 640x480: base image enlarged, patches in their places.

    Patches of quarters are shrunk to the same scale, over those of whole blocks.
    """
    picture = rgb_image(_unpacked(compressed.base_image(camera)), (WIDTH_PX, HEIGHT_PX))
    for index in np.flatnonzero(compressed.patch_camera == camera):
        left, top, edge_px = _place(compressed, int(index))
        picture.paste(rgb_image(_unpacked(compressed.patches[index]), (edge_px, edge_px)), (left, top))
    return picture


def _place(compressed: CompressedTick, index: int) -> tuple[int, int, int]:
    """Left, top and edge in pixels of a patch in a picture of 640x480."""
    row, column = divmod(int(compressed.patch_block[index]), GRID_COLUMNS)
    quarter = -1 if compressed.patch_quarter is None else int(compressed.patch_quarter[index])
    if quarter < 0:
        return column * PATCH_PX, row * PATCH_PX, PATCH_PX
    half = PATCH_PX // 2
    return column * PATCH_PX + quarter % 2 * half, row * PATCH_PX + quarter // 2 * half, half


def age_tint(age_ticks: np.ndarray) -> Image.Image:
    """(15, 20) ticks since the last read as a transparent picture of 640x480: clear at 0, reddish where never read."""
    tint = np.zeros((*age_ticks.shape, 4), np.uint8)
    tint[..., :3] = np.where((age_ticks < 0)[..., None], NEVER, AGED)
    share = np.clip(age_ticks, 0, SWEEP_TICKS) / SWEEP_TICKS
    tint[..., 3] = np.where(age_ticks < 0, NEVER_ALPHA, np.rint(share * AGED_ALPHA))
    return Image.fromarray(tint, "RGBA").resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.NEAREST)


def mosaic(
    frame_set: FrameSet, compressed: CompressedTick, age_ticks: np.ndarray | None, title: str, facts: str
) -> Image.Image:
    """Every camera that has a picture: source on the left, what is kept on the right.

    Args:
        frame_set, compressed: of the same tick.
        age_ticks: (8, 15, 20) since each block was last read, -1 where it never was; None draws no mark at all.
        title, facts: for the headline.
    """
    shown = [index for index, frame in enumerate(frame_set.frames) if frame is not None]
    heights = [round(WIDTH_PX * frame.y_plane.shape[0] / frame.y_plane.shape[1]) for frame in frame_set.frames if frame]
    columns = min(2, max(1, len(shown)))
    pair = (2 * WIDTH_PX + 2 * _GAP_PX, max(heights, default=HEIGHT_PX) + _LABEL_PX + _GAP_PX)
    rows = -(-len(shown) // columns)
    foot_px = 0 if age_ticks is None else _FOOT_PX
    canvas = Image.new("RGB", (columns * pair[0] + _GAP_PX, _HEAD_PX + rows * pair[1] + foot_px), PANEL)
    draw, fonts = ImageDraw.Draw(canvas), Fonts(1.0)
    draw.text((_GAP_PX, 14), title, fill=INK, font=fonts[26])
    draw.text((_GAP_PX + draw.textlength(title, fonts[26]) + 24, 21), facts, fill=DIM, font=fonts[18])
    for place, index in enumerate(shown):
        row, column = divmod(place, columns)
        corner = (_GAP_PX + column * pair[0], _HEAD_PX + row * pair[1])
        ages = None if age_ticks is None else age_ticks[index]
        _draw_pair(canvas, corner, index, heights[place], frame_set, compressed, ages, fonts)
    if age_ticks is not None:
        _draw_legend(canvas, fonts, compressed.patch_quarter is not None)
    return canvas


def _draw_pair(
    canvas: Image.Image,
    corner: tuple[int, int],
    index: int,
    height: int,
    frame_set: FrameSet,
    compressed: CompressedTick,
    age_ticks: np.ndarray | None,
    fonts: Fonts,
) -> None:
    x, y = corner
    draw, frame = ImageDraw.Draw(canvas), frame_set.frames[index]
    patches = int((compressed.patch_camera == index).sum())
    label = f"{CAMERAS[index].replace('_', ' ')}   {patches} patches"
    draw.text((x, y + 5), label, fill=INK, font=fonts[18])
    if compressed.is_keyframe[index]:
        draw.text((x + WIDTH_PX + _GAP_PX, y + 5), "keyframe", fill=GAZE, font=fonts[18])
    if frame is not None:
        sample = f"a patch sample is {_sample_px(frame)} pixels of the camera"
        right = x + 2 * WIDTH_PX + _GAP_PX - draw.textlength(sample, fonts[18])
        draw.text((right, y + 5), sample, fill=DIM, font=fonts[18])
    y += _LABEL_PX
    if frame is not None:
        canvas.paste(rgb_image(frame, (WIDTH_PX, height)), (x, y))
    x += WIDTH_PX + _GAP_PX
    if not compressed.camera_valid[index]:
        draw.rectangle((x, y, x + WIDTH_PX - 1, y + height - 1), fill=DARK)
        draw.text((x + 12, y + 12), "masked: the network gets nothing", fill=WARNING, font=fonts[18])
        return
    kept = kept_picture(compressed, index).convert("RGBA")
    if age_ticks is not None:
        kept.alpha_composite(age_tint(age_ticks))
    canvas.paste(kept.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.BICUBIC), (x, y))
    if age_ticks is not None:
        _outline_patches(draw, (x, y), index, height, compressed)


def _outline_patches(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], index: int, height: int, compressed: CompressedTick
) -> None:
    """Lines around fine patches and around groups of whole blocks of one camera."""
    x, y = corner
    step = height / GRID_ROWS
    is_fine = (
        np.zeros(len(compressed.patches), bool) if compressed.patch_quarter is None else compressed.patch_quarter >= 0
    )
    for patch in np.flatnonzero((compressed.patch_camera == index) & is_fine):
        left, top, edge = _place(compressed, int(patch))
        corners = (x + left, y + round(top * height / HEIGHT_PX), x + left + edge - 1)
        draw.rectangle((*corners, y + round((top + edge) * height / HEIGHT_PX) - 1), outline=INK)
    blocks = {int(block) for block in compressed.patch_block[(compressed.patch_camera == index) & ~is_fine]}
    for block in blocks:  # outline groups of patches, so that lines hide no pixels inside
        at_row, at_column = divmod(block, GRID_COLUMNS)
        left, right = x + at_column * PATCH_PX, x + (at_column + 1) * PATCH_PX - 1
        top, bottom = round(y + at_row * step), round(y + (at_row + 1) * step) - 1
        for is_edge, line in (
            (block - GRID_COLUMNS not in blocks, (left, top, right, top)),
            (block + GRID_COLUMNS not in blocks, (left, bottom, right, bottom)),
            (at_column == 0 or block - 1 not in blocks, (left, top, left, bottom)),
            (at_column == GRID_COLUMNS - 1 or block + 1 not in blocks, (right, top, right, bottom)),
        ):
            if is_edge:
                draw.line(line, fill=GAZE, width=2)


def _sample_px(frame: Frame) -> str:
    """Pixels of a picture per patch sample, such as `2 x 2`."""
    height_px, width_px = frame.y_plane.shape
    return f"{width_px / WIDTH_PX:.3g} x {height_px / HEIGHT_PX:.3g}"


def _draw_legend(canvas: Image.Image, fonts: Fonts, has_fine: bool) -> None:
    """The colours of age at the bottom, mixed with grey as they are mixed with the images above."""
    draw, y = ImageDraw.Draw(canvas, "RGBA"), canvas.height - _FOOT_PX + 14
    x = _GAP_PX
    for label, colour, alpha in (
        ("read at this tick", GAZE, -1),
        *((("a quarter of it, twice as finely", INK, -1),) if has_fine else ()),
        ("just before", AGED, 0),
        (f"{SWEEP_TICKS // 2} ticks ago", AGED, AGED_ALPHA // 2),
        (f"{SWEEP_TICKS} ticks ago or more", AGED, AGED_ALPHA),
        ("never", NEVER, NEVER_ALPHA),
    ):
        draw.rectangle((x, y, x + 28, y + 24), fill=(150, 150, 150))
        if alpha < 0:
            draw.rectangle((x, y, x + 28, y + 24), outline=colour, width=2)
        else:
            draw.rectangle((x, y, x + 28, y + 24), fill=(*colour, alpha))
        draw.text((x + 38, y), label, fill=DIM, font=fonts[18])
        x += 62 + round(draw.textlength(label, fonts[18]))


def _unpacked(packed: np.ndarray) -> Frame:
    """(6, h/2, w/2) space-to-depth YUV 4:2:0 as planes."""
    luma = np.empty((packed.shape[1] * 2, packed.shape[2] * 2), np.uint8)
    for channel in range(4):
        luma[channel // 2 :: 2, channel % 2 :: 2] = packed[channel]
    return Frame(luma, packed[4], packed[5], timestamp_ns=0, index=0)
