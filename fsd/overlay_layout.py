"""Where each camera sits in the overlay picture. Pixels only; knows neither frames nor plans."""

from collections.abc import Collection
from dataclasses import dataclass

WIDTH_PX, HEIGHT_PX = 1280, 720
HEADER_PX = 40
FRONT_CAMERAS = ("front_main", "front_wide", "front_narrow")


@dataclass(frozen=True)
class Box:
    """A rectangle of the canvas, pixels from the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """`tiles`: camera -> box; `main`: the camera the plan is drawn into, or None; `birdseye`: box of the inset."""

    tiles: dict[str, Box]
    main: str | None
    birdseye: Box


def choose_layout(present: Collection[str]) -> Layout:
    """Surround view for a rig, one large picture for a dash-cam.

    Args:
        present: canonical names of the cameras that the clip has.
    """
    main = next((name for name in FRONT_CAMERAS if name in present), None)
    if len(present) <= 2:
        return _large(present, main)
    return _surround(main)


def _large(present: Collection[str], main: str | None) -> Layout:
    big = main or next(iter(present))
    tiles = {big: Box(0, HEADER_PX, 900, HEIGHT_PX - HEADER_PX)}
    others = [name for name in present if name != big]
    for row, name in enumerate(others):
        tiles[name] = Box(900, HEADER_PX + 240 * row, 380, 240)
    top = HEADER_PX + 240 * len(others)
    return Layout(tiles, main, Box(900, top, 380, HEIGHT_PX - top))


def _surround(main: str | None) -> Layout:
    """Big front picture, the left cameras left of it, the right ones right, the rest in a strip below."""
    big = main or "front_main"
    tiles = {
        big: Box(320, HEADER_PX, 640, 480),
        "left_pillar": Box(0, HEADER_PX, 320, 240),
        "left_repeater": Box(0, HEADER_PX + 240, 320, 240),
        "right_pillar": Box(960, HEADER_PX, 320, 240),
        "right_repeater": Box(960, HEADER_PX + 240, 320, 240),
    }
    strip = [name for name in FRONT_CAMERAS if name != big] + ["rear"]
    for column, name in enumerate(strip):
        tiles[name] = Box(267 * column, HEADER_PX + 480, 267, 200)
    return Layout(tiles, main, Box(801, HEADER_PX + 480, 479, 200))
