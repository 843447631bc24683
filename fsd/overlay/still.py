"""Pictures to post: one tick of a drive as PNG, and some seconds of a finished overlay video as GIF."""

import io
from pathlib import Path

import av
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.files import write_bytes
from fsd.data.frames import RATE_HZ
from fsd.overlay.drawing import DRIVEN, GAZE, PLAN, WARNING
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult

GIF_WIDTH_PX, GIF_EVERY_TICKS = 800, 4
GIF_FRAME_MS = 110
"""GIF counts in hundredths of a second; 4 ticks are 111 ms."""
MARKS = (PLAN, GAZE, DRIVEN, WARNING)
"""Colours of thin lines, which a palette made of the images would not have."""
PALETTE_FROM = 8
"""Images of the video that its one palette is made of: a palette per image would make flat areas flicker."""


class Still:
    """Writes the overlay of one tick as PNG; the arguments are those of `Overlay`."""

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig) -> None:
        self._path = path
        self._painter = OverlayPainter(clip, metadata, config)
        self._tick = still_tick(config)
        self._ticks = 0

    def expect(self, ticks: int | None) -> None:
        """Nothing depends on the length of the run."""

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Write the picture, if this is its tick."""
        if self._ticks == self._tick:
            content = io.BytesIO()
            self._painter.paint(result, ego, command).save(content, "png")
            write_bytes(self._path, content.getvalue())
        self._ticks += 1


def still_tick(config: OverlayConfig) -> int:
    """The tick that the still picture shows."""
    return round((config.still_s or 0.0) * RATE_HZ)


def write_gif(video: Path, path: Path) -> None:
    """Write every fourth image of an MP4 file as a GIF that plays for ever."""
    with av.open(str(video)) as container:
        images = [
            frame.to_image(width=GIF_WIDTH_PX, height=round(GIF_WIDTH_PX * frame.height / frame.width))
            for number, frame in enumerate(container.decode(video=0))
            if number % GIF_EVERY_TICKS == 0
        ]
    chosen = images[:: max(1, len(images) // PALETTE_FROM)]
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for row, image in enumerate(chosen):
        sheet.paste(image, (0, row * height))
    palette = sheet.quantize(256 - len(MARKS))
    colours = (palette.getpalette() or [])[: 3 * (256 - len(MARKS))]
    palette.putpalette(
        [*colours, *[0] * (3 * (256 - len(MARKS)) - len(colours)), *(part for mark in MARKS for part in mark)]
    )
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    content = io.BytesIO()
    first.save(content, "gif", save_all=True, append_images=others, duration=GIF_FRAME_MS, loop=0)
    write_bytes(path, content.getvalue())
