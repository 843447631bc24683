"""Gauges of the overlay: the plan from above with its uncertainty, speed, curvature and acceleration."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.overlay.drawing import DIM, DRIVEN, INK, PANEL, PLAN, SMOOTH, WARNING, uncertainty_edges
from fsd.overlay.layout import Box
from fsd.runtime.health import describe_health
from fsd.runtime.plan import Plan

RANGES_M = (24, 48, 96, 192)
"""Ranges of the bird's-eye view, m ahead of the rear axle; it shows an eighth of that behind it."""
CAR_FRONT_M, CAR_REAR_M, CAR_HALF_M = 3.75, -0.95, 0.93
CURVATURE_RANGE_PER_M, ACCELERATION_RANGE_MPS2 = 0.08, 4.0
TRACK = (52, 59, 68)
CACHED_TEXTS = 256
"""Per size of the font; some 20 texts are drawn per image, most of them the same as before."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Fonts:
    """Pillow's built-in font by size; sizes are multiplied by `unit`. Texts that return are not rendered again."""

    def __init__(self, unit: float) -> None:
        self._unit = unit
        self._fonts: dict[int, Font] = {}

    def __getitem__(self, size: int) -> Font:
        if size not in self._fonts:
            font = self._fonts[size] = ImageFont.load_default(size * self._unit)
            if isinstance(font, ImageFont.FreeTypeFont):  # what `ImageDraw` calls to draw and to measure a text
                font.getmask2 = lru_cache(CACHED_TEXTS)(font.getmask2)  # type: ignore[method-assign, assignment]
                font.getlength = lru_cache(CACHED_TEXTS)(font.getlength)  # type: ignore[method-assign, assignment]
        return self._fonts[size]


def fitting_range_m(plan: Plan, now_m: int) -> int:
    """Range of the bird's-eye view for a plan: grows at once and shrinks late, so that it does not flicker."""
    reach_m = float(np.abs(plan.trajectory[:, 0]).max())
    fitting = next((range_m for range_m in RANGES_M if range_m >= reach_m * 1.05), RANGES_M[-1])
    return fitting if fitting > now_m or reach_m < 0.4 * now_m else now_m


def birdseye(
    size: tuple[int, int], ahead_m: int, plan: Plan, driven: np.ndarray | None, fonts: Fonts, unit: float
) -> Image.Image:
    """The plan from above, driving direction up: the path, its uncertainty as a band and as an ellipse every second.

    Args:
        size: (width, height); ahead_m: range.
        driven: (16, 2+) x m, y m in the ego frame, NaN where unknown.
    """
    width, height = size[0] * SMOOTH, size[1] * SMOOTH
    behind_m = ahead_m / 8
    scale = height / (ahead_m + behind_m)
    image = Image.new("RGB", (width, height), PANEL)
    draw = ImageDraw.Draw(image, "RGBA")

    def place(points: np.ndarray) -> list[tuple[float, float]]:
        x = width / 2 - points[:, 1] * scale
        y = height - (points[:, 0] + behind_m) * scale
        return list(zip(x.tolist(), y.tolist(), strict=True))

    rings_m = range(ahead_m // 4, ahead_m, ahead_m // 4)
    for distance_m in rings_m:
        radius, (centre_x, centre_y) = distance_m * scale, place(np.zeros((1, 2)))[0]
        around = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
        draw.arc(around, 180, 360, fill=(*TRACK, 255), width=SMOOTH)
    path = np.pad(plan.trajectory[:, :2], ((1, 0), (0, 0)))
    left, right = uncertainty_edges(plan)
    draw.polygon(place(np.concatenate([np.zeros((1, 3)), left, right[::-1]])), fill=(*PLAN, 60))
    per_second = round(1 / WAYPOINT_STEP_S)
    for step in range(per_second, len(path), per_second):
        draw.polygon(place(_ellipse(plan.trajectory[step - 1], plan.trajectory_scale[step - 1])), fill=(*PLAN, 70))
    if driven is not None:
        known = driven[np.isfinite(driven[:, :2]).all(axis=1), :2]
        if len(known):
            draw.line(place(np.pad(known, ((1, 0), (0, 0)))), fill=(*DRIVEN, 255), width=round(1.5 * unit * SMOOTH))
    draw.line(place(path), fill=(*PLAN, 255), width=round(2.2 * unit * SMOOTH), joint="curve")
    for x, y in place(path[per_second::per_second]):
        radius = 2.2 * unit * SMOOTH
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=INK)
    corners = np.array([[CAR_FRONT_M, CAR_HALF_M], [CAR_REAR_M, -CAR_HALF_M]])
    (x0, y0), (x1, y1) = place(corners)
    draw.rounded_rectangle((x0, y0, x1, y1), radius=0.4 * scale, fill=(*INK, 255))
    image = image.reduce(SMOOTH)
    draw = ImageDraw.Draw(image)
    for distance_m in rings_m:
        y = size[1] - (distance_m + behind_m) * scale / SMOOTH
        draw.text((5 * unit, y), f"{distance_m} m", fill=DIM, font=fonts[10], anchor="ls")
    return image


def draw_gauges(
    draw: ImageDraw.ImageDraw,
    box: Box,
    plan: Plan,
    ego: EgoSample | None,
    facts: Sequence[str],
    fonts: Fonts,
    unit: float,
) -> None:
    """Speed, steering and acceleration with their uncertainty, `facts`, and health; in one line if the box is flat."""
    draw.rectangle((box.x, box.y, box.x + box.width - 1, box.y + box.height - 1), fill=PANEL)
    is_line = box.width > 5 * box.height
    left, top = box.x + 16 * unit, box.y + 12 * unit
    speed = f"{ego.speed_mps * 3.6:.0f}" if ego else "--"
    draw.text((left, top), speed, fill=INK, font=fonts[44])
    draw.text((left, top + 46 * unit), "km/h" if ego else "speed unknown", fill=DIM, font=fonts[13])
    bars_x = box.x + (130 if is_line else 120) * unit
    width = (220 if is_line else 330) * unit
    step_x, step_y = (width + 40 * unit, 0.0) if is_line else (0.0, 44 * unit)
    readings = (
        # Left is positive and stands on the left.
        ("steering", -plan.curvature_per_m, plan.curvature_scale_per_m, CURVATURE_RANGE_PER_M),
        ("acceleration", plan.acceleration_mps2, plan.acceleration_scale_mps2, ACCELERATION_RANGE_MPS2),
    )
    texts = (_describe_curvature(plan.curvature_per_m), f"{plan.acceleration_mps2:+.2f} m/s/s")
    for place, (reading, text) in enumerate(zip(readings, texts, strict=True)):
        at = (bars_x + place * step_x, top + 2 * unit + place * step_y)
        _bar(draw, at, width, reading, text, fonts, unit)
    facts_x, facts_y = (bars_x + 2 * step_x, top) if is_line else (left, top + 96 * unit)
    step_px, right = 19 * unit, box.x + box.width - 8 * unit
    for row, text in enumerate(facts):
        shown = fitted_text(draw, text, fonts[13], right - facts_x)
        draw.text((facts_x, facts_y + row * step_px), shown, fill=DIM, font=fonts[13])
    # In a flat box health has the line below the bars to itself.
    health_x, health_y = (bars_x, top + 2 * step_px) if is_line else (facts_x, facts_y + len(facts) * step_px)
    rows = max(1, int((box.y + box.height - health_y) / step_px))
    colour = INK if plan.health == "ok" else WARNING
    for row, text in enumerate(health_lines(draw, plan.health, fonts[13], right - health_x, rows)):
        draw.text((health_x, health_y + row * step_px), text, fill=colour, font=fonts[13])


def health_lines(draw: ImageDraw.ImageDraw, health: str, font: Font, width: float, rows: int) -> list[str]:
    """`Plan.health` as text in so many lines, with as many camera names as fit; then their number."""
    lines: list[str] = []
    for most_names in (len(CAMERAS), 3, 2, 1, 0):
        lines = wrapped(draw, describe_health(health, most_names), font, width)
        if len(lines) <= rows and all(draw.textlength(line, font) <= width for line in lines):
            return lines
    return [*lines[: rows - 1], fitted_text(draw, " ".join(lines[rows - 1 :]), font, width)]


def wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> list[str]:
    """The text in lines that are no wider, where its words are not."""
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if draw.textlength(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fitted_text(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _describe_curvature(curvature_per_m: float) -> str:
    if abs(curvature_per_m) < 1e-3:
        return "straight"
    return f"{'left' if curvature_per_m > 0 else 'right'}, radius {1 / abs(curvature_per_m):.0f} m"


def _bar(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    width: float,
    reading: tuple[str, float, float, float],
    text: str,
    fonts: Fonts,
    unit: float,
) -> None:
    """A bar from the middle for (name, value, scale, limit), with a band of one scale around its end."""
    name, value, scale, limit = reading
    x, y = at
    draw.text((x, y), name, fill=DIM, font=fonts[13])
    draw.text((x + width, y), text, fill=INK, font=fonts[13], anchor="ra")
    top, bottom = y + 20 * unit, y + 27 * unit
    middle = x + width / 2

    def across(amount: float) -> float:
        return middle + float(np.clip(amount / limit, -1, 1)) * width / 2

    draw.rounded_rectangle((x, top, x + width, bottom), radius=3 * unit, fill=TRACK)
    band = (across(value - scale), top, across(value + scale), bottom)
    draw.rectangle(band, fill=tuple((a + b) // 2 for a, b in zip(PLAN, TRACK, strict=True)))
    begin, end = sorted((middle, across(value)))
    draw.rectangle((begin, top, end, bottom), fill=PLAN)
    draw.rectangle((middle - unit, top - 2 * unit, middle + unit, bottom + 2 * unit), fill=INK)


def _ellipse(waypoint: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(24, 2) outline of one Laplace scale around a waypoint, along and across its heading; both (4,) of a plan."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    along, across = scale[0] * np.cos(angle), scale[1] * np.sin(angle)
    cos, sin = np.cos(waypoint[2]), np.sin(waypoint[2])
    return np.stack([waypoint[0] + cos * along - sin * across, waypoint[1] + sin * along + cos * across], axis=1)
