"""Gauges of the overlay: the plan from above with its uncertainty, speed, curvature and acceleration."""

from collections.abc import Sequence
from dataclasses import dataclass
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
SPEED_PX, TEXT_PX, SMALL_PX = 52, 17, 12
"""Sizes of the digits of the speed, of the words, and of the technical facts in the corner, at 1280x720."""
LINE_STEP_PX = 21
ROOM_BESIDE_PX = 280
"""Where so much is free at the right of the bars, the words stand there."""
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
        draw.text((5 * unit, y), f"{distance_m} m", fill=DIM, font=fonts[13], anchor="ls")
    return image


@dataclass(frozen=True)
class Facts:
    """What the gauges say in words: the route command, the cameras of the recording, and the network's input.

    Attributes:
        command: of the route; has_ego: whether the recording has ego motion at all.
        present: cameras that the recording has; technical: short texts, written small in a corner.
    """

    command: str
    present: frozenset[str]
    has_ego: bool
    technical: Sequence[str] = ()

    def health(self, health: str) -> str:
        """The faults of a tick without what the recording never had, which is no fault; `ok` if none is left."""
        kept = []
        for flag in health.split(";"):
            cause, _, names = flag.partition("=")
            if cause == "missing":
                names = ",".join(name for name in names.split(",") if name in self.present)
            if (cause == "missing" and not names) or (cause == "no_ego" and not self.has_ego) or cause == "ok":
                continue
            kept.append(f"{cause}={names}" if names else cause)
        return ";".join(kept) or "ok"

    @property
    def all_well(self) -> str:
        """The line of a tick without a fault."""
        count = len(self.present)
        return f"all {count} cameras fresh" if count == len(CAMERAS) else f"{count} of {len(CAMERAS)} cameras, fresh"


def draw_gauges(
    draw: ImageDraw.ImageDraw, box: Box, plan: Plan, ego: EgoSample | None, facts: Facts, fonts: Fonts, unit: float
) -> None:
    """Speed, steering and acceleration with their uncertainty, and `facts`, in a line, a row or a column."""
    draw.rectangle((box.x, box.y, box.x + box.width - 1, box.y + box.height - 1), fill=PANEL)
    left, right = box.x + 16 * unit, box.x + box.width - 14 * unit
    top, bottom = box.y + 8 * unit, box.y + box.height - 6 * unit
    is_line, is_column = box.height < 130 * unit, box.width < 440 * unit
    _draw_speed(draw, (left, top), ego, fonts, unit, is_beside=is_column)
    bars_x, bars_y = (left, top + 58 * unit) if is_column else (left + 136 * unit, top + 4 * unit)
    width = min((right - bars_x - 2 * 36 * unit) / 3 if is_line else right - bars_x, 420 * unit)
    step_x, step_y = (width + 36 * unit, 0.0) if is_line else (0.0, 46 * unit)
    readings = (
        # Left is positive and stands on the left.
        ("steering", -plan.curvature_per_m, plan.curvature_scale_per_m, CURVATURE_RANGE_PER_M),
        ("speed", plan.acceleration_mps2, plan.acceleration_scale_mps2, ACCELERATION_RANGE_MPS2),
    )
    texts = (_describe_curvature(plan.curvature_per_m), _describe_acceleration(plan.acceleration_mps2))
    for place, (reading, text) in enumerate(zip(readings, texts, strict=True)):
        _bar(draw, (bars_x + place * step_x, bars_y + place * step_y), width, reading, text, fonts, unit)
    health = facts.health(plan.health)
    route = "" if facts.command == "none" else f"route: {facts.command.replace('_', ' ')}"
    small = fonts[SMALL_PX]
    corner = [facts.technical] if not is_column else [facts.technical[:2], facts.technical[2:]]
    corner_lines = ["  ·  ".join(texts) for texts in corner if texts]
    words_y = bars_y + (38 if is_line else 92) * unit
    end = bottom - len(corner_lines) * 14 * unit
    for row, line in enumerate(corner_lines):
        draw.text((right, end + row * 14 * unit), line, fill=DIM, font=small, anchor="ra")
    words_x = bars_x if is_line else left
    if not is_line and right - bars_x - width > ROOM_BESIDE_PX * unit:
        words_x, words_y = bars_x + width + 44 * unit, bars_y
    if route and (is_line or is_column):
        at = (bars_x + 2 * step_x, bars_y, "la") if is_line else (right, top + 4 * unit, "ra")
        draw.text(at[:2], route, fill=INK, font=fonts[TEXT_PX], anchor=at[2])
    elif route:
        draw.text((words_x, words_y), route, fill=INK, font=fonts[TEXT_PX])
        words_y += LINE_STEP_PX * unit
    if health == "ok":
        draw.text((words_x, words_y), facts.all_well, fill=DIM, font=fonts[TEXT_PX])
        return
    for size in (TEXT_PX, 14, 12):
        step = (size + 4) * unit
        rows = max(1, int((end - words_y) / step))
        lines = health_lines(draw, health, fonts[size], right - words_x, rows)
        if not lines[-1].endswith("…"):
            break
    for row, line in enumerate(lines):
        draw.text((words_x, words_y + row * step), line, fill=WARNING, font=fonts[size])


def _draw_speed(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    ego: EgoSample | None,
    fonts: Fonts,
    unit: float,
    is_beside: bool,
) -> None:
    """The speed in large digits with its unit below or `is_beside`; words where it is not known."""
    x, y = at
    if ego is None:
        lines = ("speed not recorded",) if is_beside else ("speed", "not", "recorded")
        for row, text in enumerate(lines):
            draw.text((x, y + 4 * unit + row * 19 * unit), text, fill=DIM, font=fonts[TEXT_PX])
        return
    text = f"{ego.speed_mps * 3.6:.0f}"
    draw.text((x, y - 4 * unit), text, fill=INK, font=fonts[SPEED_PX])
    if is_beside:
        draw.text(
            (x + draw.textlength(text, fonts[SPEED_PX]) + 8 * unit, y + 24 * unit), "km/h", fill=DIM, font=fonts[18]
        )
    else:
        draw.text((x, y + 52 * unit), "km/h", fill=DIM, font=fonts[18])


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


def whole_text(
    draw: ImageDraw.ImageDraw, text: str, fonts: "Fonts", sizes: Sequence[int], width: float, rows: int
) -> tuple[Font, list[str]]:
    """The largest of `sizes` at which the text fits into so many lines, and these; cut only at the smallest."""
    lines: list[str] = []
    for size in sizes:
        lines = [
            part for line in wrapped(draw, text, fonts[size], width) for part in _pieces(draw, line, fonts[size], width)
        ]
        if len(lines) <= rows:
            return fonts[size], lines
    font = fonts[sizes[-1]]
    return font, [*lines[: rows - 1], fitted_text(draw, "".join(lines[rows - 1 :]), font, width)]


def _pieces(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> list[str]:
    """A text without a place to break, in pieces that are no wider."""
    pieces = [""]
    for letter in text:
        if pieces[-1] and draw.textlength(pieces[-1] + letter, font) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


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


def _describe_acceleration(acceleration_mps2: float) -> str:
    if abs(acceleration_mps2) < 0.05:
        return "steady"
    return f"{'faster' if acceleration_mps2 > 0 else 'slower'} by {abs(acceleration_mps2):.1f} m/s/s"


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
    draw.text((x, y), name, fill=DIM, font=fonts[TEXT_PX])
    draw.text((x + width, y), text, fill=INK, font=fonts[TEXT_PX], anchor="ra")
    top, bottom = y + 23 * unit, y + 31 * unit
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
