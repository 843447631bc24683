"""The small video of a replay's report, collected while the run lasts: front camera with the plan, others below.

Kept in memory: its size has a limit whatever the length of the drive. Knows no HTML.
"""

import io
from dataclasses import dataclass
from itertools import pairwise

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, RATE_HZ
from fsd.overlay.background import InOrder
from fsd.overlay.drawing import DARK, camera_image, draw_plan, fitted
from fsd.overlay.layout import FRONT_CAMERAS, Box
from fsd.overlay.video_size import Encoding
from fsd.overlay.video_writer import add_stream
from fsd.runtime.planner import StepResult
from fsd.scoring.plan_errors import driven_ahead

WIDTH_PX, MOST_HEIGHT_PX = 640, 480
MOST_IN_ROW = 4
MOST_ROW_PX = 240
"""Where a camera would be taller, it fills its place, and its top and bottom are cut."""
EVERY_TICKS = 3
"""12 images per second of a short drive."""
MOST_IMAGES = 2400
"""Of a longer drive, fewer images per second."""
MOST_BYTES = 8_000_000
"""The page has a third more, as base64; beside it up to 2 MB of pictures and numbers: an hour's page is below 15 MB."""
GOOD_BIT_RATE = 1_500_000
SETTINGS: dict[str, object] = {"preset": "veryfast", "crf": "27"}
QUICK: dict[str, object] = SETTINGS | {"preset": "superfast"}
"""Where bytes are not short: in half of the time, a quarter more of them."""


@dataclass(frozen=True)
class FilmVideo:
    """A finished film.

    Attributes:
        content: MP4 file, in which a tick stands at row / 36 s; rows (n,) that have an image.
        aspect: width over height.
    """

    content: bytes
    rows: np.ndarray
    aspect: float


class Film:
    """Draws and encodes some ticks of one clip."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._boxes = arrange(clip.sizes_px)
        self._reformatters = {name: VideoReformatter() for name in self._boxes}
        self._every, self._ticks, self._length = EVERY_TICKS, 0, EVERY_TICKS * MOST_IMAGES
        self._rows: list[int] = []
        self._encoder = InOrder("film")
        self._file = io.BytesIO()
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._finished: FilmVideo | None = None

    def expect(self, ticks: int | None) -> None:
        """Spread the images over a run of this length; None, unknown, shows its beginning."""
        if ticks is not None:
            self._length = max(1, ticks)
            self._every = max(EVERY_TICKS, -(-ticks // MOST_IMAGES))

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Draw one tick, if the film shows it."""
        row, self._ticks = self._ticks, self._ticks + 1
        if row % self._every or len(self._rows) >= MOST_IMAGES or not self._boxes:
            return
        image = self._paint(result)
        self._encoder.run(lambda: self._encode(image, row))
        self._rows.append(row)

    def finished(self) -> FilmVideo | None:
        """The film; None without an image, or where it came out larger than it may be."""
        self._encoder.close()
        container, self._container = self._container, None
        if container is not None and self._stream is not None:
            container.mux(self._stream.encode(None))
            container.close()
            content = self._file.getvalue()
            if len(content) <= MOST_BYTES * 1.2:  # the encoder keeps a mean rate, not the last byte
                self._finished = FilmVideo(content, np.array(self._rows), self._stream.width / self._stream.height)
        return self._finished

    def _encode(self, image: Image.Image, row: int) -> None:
        picture = av.VideoFrame.from_image(image)
        stream = self._open(picture.width, picture.height)
        frame = picture.reformat(format="yuv420p", dst_colorspace="ITU709", threads=1)
        frame.pts, frame.time_base = row, 1 / RATE_HZ
        assert self._container is not None
        self._container.mux(stream.encode(frame))

    def _open(self, width_px: int, height_px: int) -> av.video.stream.VideoStream:
        if self._stream is None:
            bit_rate = min(GOOD_BIT_RATE, round(8 * MOST_BYTES * float(RATE_HZ) / self._length))
            group = max(1.0, 12 * self._every / float(RATE_HZ))  # seconds between two images that stand alone
            encoding = Encoding(width_px, height_px, bit_rate, round(bit_rate * 2 * group))
            self._container = av.open(self._file, "w", format="mp4")
            settings = QUICK if bit_rate == GOOD_BIT_RATE else SETTINGS
            self._stream = add_stream(self._container, encoding, RATE_HZ, settings, group=12)
        return self._stream

    def _paint(self, result: StepResult) -> Image.Image:
        bottom = max(box.y + box.height for box in self._boxes.values())
        canvas = Image.new("RGB", (WIDTH_PX, bottom + bottom % 2), DARK)
        driven = driven_ahead(self._clip.ego, result.plan.timestamp_ns)
        for place, (name, box) in enumerate(self._boxes.items()):
            frame = result.frame_set.frames[CAMERAS.index(name)]
            if frame is None:
                continue
            height_px, width_px = frame.y_plane.shape
            view = fitted(width_px, height_px, box.width, box.height, fills=place > 0)
            image = camera_image(frame, view, self._reformatters[name])
            camera = self._clip.rig.camera(name)
            if place == 0 and name in FRONT_CAMERAS and camera is not None:
                draw_plan(image, view, camera, result.plan, driven, unit=1.0)
            canvas.paste(image, (box.x + (box.width - view.width) // 2, box.y + (box.height - view.height) // 2))
        return canvas


def arrange(sizes: dict[str, tuple[int, int]]) -> dict[str, Box]:
    """Places of the cameras with these (width, height): the front one first and large, others in full rows below."""
    if not sizes:
        return {}
    main = next((name for name in FRONT_CAMERAS if name in sizes), next(iter(sizes)))
    others = [name for name in sizes if name != main]
    top = min(MOST_HEIGHT_PX, round(WIDTH_PX * sizes[main][1] / sizes[main][0]))
    boxes = {main: Box(0, 0, WIDTH_PX, top)}
    rows = -(-len(others) // MOST_IN_ROW)
    for part in np.array_split(np.array(others), rows) if rows else ():
        names = part.tolist()
        aspects = np.array([sizes[name][0] / sizes[name][1] for name in names])
        edges = np.rint(WIDTH_PX * np.concatenate([[0.0], np.cumsum(aspects)]) / aspects.sum()).astype(int).tolist()
        height = min(MOST_ROW_PX, round(WIDTH_PX / aspects.sum()))
        for name, (left, right) in zip(names, pairwise(edges), strict=True):
            boxes[name] = Box(left, top, right - left, height)
        top += height
    return boxes
