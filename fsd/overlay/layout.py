"""Where each camera stands in the overlay, and the options of the overlay video.

Pixels only; knows neither frames nor plans. Everything is laid out on 1280x720 and scaled to the chosen height.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from fsd.data.frames import CAMERAS
from fsd.data.options import OptionError, Options, option

BASE_WIDTH_PX, BASE_HEIGHT_PX = 1280, 720
HEADER_PX = 40
HEIGHTS_PX = (720, 1080, 1440)
FRONT_CAMERAS = ("front_main", "front_wide", "front_narrow")
SIDE_CAMERAS = ("left_pillar", "left_repeater", "right_pillar", "right_repeater")
LAYOUTS = ("surround", "focus")
WIDE_ROW = 3
"""16:9 cameras that fill the row below the large image."""
LEAST_GAUGES_PX, COLUMN_GAUGES_PX, LINE_PX = 420, 250, 110
"""Least width of gauges beside other cameras; their height in the right column, and below a single image."""
WIDE_ASPECT = 1.55
"""Images wider than this are laid out as 16:9, others as 4:3."""

UNKNOWN_LETTER = "?"
_PLAIN = str.maketrans(
    {"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "AE", "œ": "oe"}
    | dict.fromkeys("–—‑−", "-")
    | dict.fromkeys("‘’‚", "'")
    | dict.fromkeys("“”„«»", '"')
    | {"…": "...", "·": "-"}
)


def drawable(text: str) -> str:
    """The text in letters that Pillow's built-in font has: on one line, without accents, `?` for what it lacks."""
    bare = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_PLAIN))
    shown = (letter for letter in bare if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() and letter.isprintable() else UNKNOWN_LETTER for letter in shown)


@dataclass(frozen=True, kw_only=True)
class OverlayConfig(Options):
    """What the overlay video shows."""

    heading = "overlay video"

    layout: str | None = option(
        None,
        "arrangement of the images: surround shows all cameras around the front one, focus one large image with the "
        "others in a row",
        choices=LAYOUTS,
        default_text="surround if all side cameras are there and none is left out, else focus",
    )
    cameras: tuple[str, ...] | None = option(
        None,
        "cameras to show; the first one that faces forward becomes the large image",
        choices=CAMERAS,
        flag="--overlay-cameras",
        metavar="NAME",
        default_text="all",
    )
    from_s: float = option(0.0, "time in the recording at which the video begins", unit="s", at_least=0, flag="--from")
    to_s: float | None = option(
        None, "time in the recording at which the video ends", unit="s", flag="--to", default_text="the end"
    )
    height_px: int = option(
        BASE_HEIGHT_PX, "height of the video in pixels; the width follows", choices=HEIGHTS_PX, flag="--overlay-height"
    )
    max_mb: float | None = option(
        None,
        "largest size of overlay.mp4 in megabytes (10^6 bytes), for a video to be mailed",
        unit="MB",
        above=0,
        default_text="no limit",
    )
    gif: bool = option(
        False, "also write overlay.gif, 800 pixels wide, of at most 12 s; choose them with --from and --to"
    )
    still_s: float | None = option(
        None,
        "also write still.png, the overlay at this time in the recording",
        unit="s",
        at_least=0,
        flag="--still",
        default_text="none",
    )
    title: str | None = option(
        None, "text in the header of the video", metavar="TEXT", default_text="the recording's name"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        lost = sorted({letter for letter in self.title or "" if UNKNOWN_LETTER in drawable(letter.replace("?", ""))})
        if lost:
            raise OptionError("title", f"has letters that the video's font lacks: {' '.join(lost)}")
        if self.to_s is not None and not self.to_s > self.from_s:
            raise OptionError(
                "to_s", f"must be later than the start of the video, {self.from_s:g} s; got {self.to_s:g}"
            )

    @property
    def has_limits(self) -> bool:
        """Whether a wish depends on the length of the run."""
        return self.max_mb is not None or self.gif or self.still_s is not None

    def shows(self, time_s: float) -> bool:
        """Whether this time of the recording is in the video."""
        return self.from_s <= time_s and (self.to_s is None or time_s < self.to_s)


@dataclass(frozen=True)
class Box:
    """A rectangle of the canvas, pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    def scaled(self, factor: float) -> "Box":
        """The same place on a larger canvas; boxes that touch still touch."""
        x, y = round(self.x * factor), round(self.y * factor)
        right, bottom = round((self.x + self.width) * factor), round((self.y + self.height) * factor)
        return Box(x, y, right - x, bottom - y)


@dataclass(frozen=True)
class OverlayLayout:
    """Places on the canvas.

    Attributes:
        width_px, height_px, header_px: of the canvas and of the line of text at its top.
        unit: pixels of this canvas per pixel of 1280x720; scales fonts and lines.
        tiles: camera -> box; main: camera that shows the plan, or None.
        fills: whether the main image is cropped to fill its box instead of fitted into it.
        birdseye, gauges: boxes; the former may lie on the main image.
    """

    width_px: int
    height_px: int
    header_px: int
    unit: float
    tiles: dict[str, Box]
    main: str | None
    fills: bool
    birdseye: Box
    gauges: Box


def choose_layout(sizes: Mapping[str, tuple[int, int]], config: OverlayConfig | None = None) -> OverlayLayout:
    """Lay out a clip; `sizes` has the (width, height) of each of its cameras."""
    config = config or OverlayConfig()
    shown = [name for name in config.cameras or sizes if name in sizes] or list(sizes)
    preferred = FRONT_CAMERAS if config.cameras is None else shown
    main = next((name for name in preferred if name in shown and name in FRONT_CAMERAS), None)
    big = main or shown[0]
    aspects = sorted(sizes[name][0] / sizes[name][1] for name in shown)
    is_wide = aspects[len(aspects) // 2] > WIDE_ASPECT
    others = [name for name in shown if name != big]
    sides = {name for name in SIDE_CAMERAS if name in others}
    ahead_or_rear = len(others) - len(sides)
    # Around the large image only where no place stays empty.
    surrounds = len(sides) == len(SIDE_CAMERAS) and (not is_wide or ahead_or_rear == WIDE_ROW)
    is_surround = surrounds and (config.layout or ("focus" if config.cameras else "surround")) == "surround"
    tiles, birdseye, gauges = (_surround if is_surround else _focus)(big, others, is_wide)
    factor = config.height_px / BASE_HEIGHT_PX
    return OverlayLayout(
        width_px=round(BASE_WIDTH_PX * factor),
        height_px=config.height_px,
        header_px=round(HEADER_PX * factor),
        unit=factor,
        tiles={name: box.scaled(factor) for name, box in tiles.items()},
        main=main,
        fills=not is_surround,
        birdseye=birdseye.scaled(factor),
        gauges=gauges.scaled(factor),
    )


Places = tuple[dict[str, Box], Box, Box]


def _surround(big: str, others: list[str], is_wide: bool) -> Places:
    """The large image in the middle, left cameras left, right cameras right, others in a row below.

    The gauges take the rest of that row for 4:3 cameras, and a line of their own for 16:9.
    """
    top, height = HEADER_PX, 360 if is_wide else 480
    side = height // 2
    tiles = {
        big: Box(320, top, 640, height),
        "left_pillar": Box(0, top, 320, side),
        "left_repeater": Box(0, top + side, 320, side),
        "right_pillar": Box(960, top, 320, side),
        "right_repeater": Box(960, top + side, 320, side),
    }
    row = [name for name in (*FRONT_CAMERAS, "rear") if name in others]
    edges, row_height = ((0, 427, 853, 1280), 240) if is_wide else ((0, 267, 534, 801), 200)
    for column, name in enumerate(row):
        tiles[name] = Box(edges[column], top + height, edges[column + 1] - edges[column], row_height)
    if is_wide:
        return tiles, Box(820, top + 8, 132, 192), Box(0, top + 600, 1280, 80)
    return tiles, Box(804, top + 8, 148, 216), Box(edges[len(row)], top + 480, 1280 - edges[len(row)], 200)


def _focus(big: str, others: list[str], is_wide: bool) -> Places:
    """One large image, the bird's-eye view at its right, the other cameras in a row below.

    The gauges take the rest of that row, or of the right column where the row is full.
    """
    top, aspect = HEADER_PX, 16 / 9 if is_wide else 4 / 3
    width = min(round(200 * aspect), BASE_WIDTH_PX // max(1, len(others)))
    is_full = BASE_WIDTH_PX - width * len(others) < LEAST_GAUGES_PX
    if is_full:
        width = BASE_WIDTH_PX // len(others)
    row = min(240, round(width / aspect)) if others else LINE_PX
    tall = BASE_HEIGHT_PX - top - row
    edges = [
        round(place * BASE_WIDTH_PX / len(others)) if is_full else place * width for place in range(len(others) + 1)
    ]
    tiles = {big: Box(0, top, 960, tall)}
    for name, left, right in zip(others, edges, edges[1:], strict=False):
        tiles[name] = Box(left, top + tall, right - left, row)
    if is_full:
        return (
            tiles,
            Box(960, top, 320, tall - COLUMN_GAUGES_PX),
            Box(960, top + tall - COLUMN_GAUGES_PX, 320, COLUMN_GAUGES_PX),
        )
    return tiles, Box(960, top, 320, tall), Box(edges[-1], top + tall, BASE_WIDTH_PX - edges[-1], row)
