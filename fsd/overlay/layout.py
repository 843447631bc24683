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
LAYOUTS = ("surround", "focus")
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
        "arrangement of the images: surround shows all cameras around the front one, focus one large image",
        choices=LAYOUTS,
        default_text="surround if all cameras are shown and there are at least three, else focus",
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
    layout = config.layout or ("surround" if len(shown) > 2 and config.cameras is None else "focus")
    if layout == "focus":
        tiles, birdseye, gauges = _focus(big, [name for name in shown if name != big], is_wide)
    else:
        tiles, birdseye, gauges = _surround(big, is_wide)
        if config.cameras is not None:
            tiles = {name: box for name, box in tiles.items() if name in shown}
    factor = config.height_px / BASE_HEIGHT_PX
    return OverlayLayout(
        width_px=round(BASE_WIDTH_PX * factor),
        height_px=config.height_px,
        header_px=round(HEADER_PX * factor),
        unit=factor,
        tiles={name: box.scaled(factor) for name, box in tiles.items()},
        main=main,
        fills=layout == "focus",
        birdseye=birdseye.scaled(factor),
        gauges=gauges.scaled(factor),
    )


Places = tuple[dict[str, Box], Box, Box]


def _surround(big: str, is_wide: bool) -> Places:
    """The large image in the middle, left cameras left, right cameras right, the others in a row below.

    The gauges stand at the right of that row for 4:3 cameras, in a line of their own for 16:9.
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
    others = [*[name for name in FRONT_CAMERAS if name != big][:2], "rear"]
    edges, row = ((0, 427, 853, 1280), 240) if is_wide else ((0, 267, 534, 801), 200)
    for column, name in enumerate(name for name in others if name not in tiles):
        tiles[name] = Box(edges[column], top + height, edges[column + 1] - edges[column], row)
    if is_wide:
        return tiles, Box(820, top + 8, 132, 192), Box(0, top + 600, 1280, 80)
    return tiles, Box(804, top + 8, 148, 216), Box(801, top + 480, 479, 200)


def _focus(big: str, others: list[str], is_wide: bool) -> Places:
    """One large image with the gauges below it; bird's-eye view and the other cameras at its right."""
    top = HEADER_PX
    tiles = {big: Box(0, top, 960, 600)}
    columns = 2 if len(others) > 2 else 1
    rows = -(-len(others) // columns)
    tile_width = 320 // columns
    tile_height = min(round(tile_width * (9 / 16 if is_wide else 3 / 4)), 400 // max(1, rows))
    first = BASE_HEIGHT_PX - rows * tile_height
    for place, name in enumerate(others):
        row, column = divmod(place, columns)
        tiles[name] = Box(960 + column * tile_width, first + row * tile_height, tile_width, tile_height)
    return tiles, Box(960, top, 320, first - top), Box(0, top + 600, 960, 80)
