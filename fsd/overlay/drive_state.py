"""What a recording tells about the drive itself: driving mode, wall-clock time, and instants that it marks.

Drawn over a finished image, and only where the recording has them.
"""

from PIL import Image, ImageDraw

from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.overlay.drawing import INK, PANEL
from fsd.overlay.gauges import Fonts, whole_text
from fsd.overlay.layout import Box, drawable

Rgb = tuple[int, int, int]
MODE_RGB: dict[str | None, Rgb] = {
    "manual": (240, 163, 90),
    "self_driving": (90, 162, 255),
    "autosteer": (179, 150, 255),
    "cruise": (76, 195, 138),
    None: (135, 151, 168),
}
"""Colour of every driving mode, as in the report's dark style; None is unknown."""
MOMENT_SHOWN_NS = 2 * SECOND_NS
BAND_PX = 5


def describe_mode(mode: str | None) -> str:
    """The name of a driving mode as text."""
    return "mode unknown" if mode is None else mode.replace("_", " ")


def draw_mode(draw: ImageDraw.ImageDraw, mode: str | None, right: float, header: Box, fonts: Fonts) -> float:
    """A band along the lower edge of the header, and above it the mode's name, which ends at `right`.

    Returns:
        Where the name begins, pixels from the left.
    """
    unit, rgb, text = header.height / 40, MODE_RGB[mode], describe_mode(mode)
    bottom = header.y + header.height
    draw.rectangle((header.x, bottom - BAND_PX * unit, header.x + header.width - 1, bottom - 1), fill=rgb)
    left = right - draw.textlength(text, fonts[14]) - 20 * unit
    draw.rounded_rectangle((left, 6 * unit, right, 29 * unit), radius=5 * unit, fill=rgb)
    draw.text((left + 10 * unit, 17.5 * unit), text, fill=PANEL, font=fonts[14], anchor="lm")
    return left


def moment_text(clip: Clip, timestamp_ns: int) -> str:
    """Texts of the moments of the last 2 s; empty if there is none."""
    shown = (drawable(each.text) for each in clip.moments if 0 <= timestamp_ns - each.timestamp_ns < MOMENT_SHOWN_NS)
    return " · ".join(shown)


def draw_moment(canvas: Image.Image, text: str, box: Box, fonts: Fonts, unit: float) -> None:
    """A text at the lower edge of the large image."""
    draw = ImageDraw.Draw(canvas, "RGBA")
    font, lines = whole_text(draw, text, fonts, (20, 16, 14), box.width - 40 * unit, rows=3)
    half = max(draw.textlength(line, font) for line in lines) / 2 + 16 * unit
    middle, bottom, step = box.x + box.width / 2, box.y + box.height - 14 * unit, 22 * unit
    top = bottom - 16 * unit - len(lines) * step
    draw.rounded_rectangle(
        (middle - half, top, middle + half, bottom), radius=8 * unit, fill=(*PANEL, 225), outline=INK
    )
    for row, line in enumerate(lines):
        draw.text((middle, top + 8 * unit + (row + 0.5) * step), line, fill=INK, font=font, anchor="mm")
