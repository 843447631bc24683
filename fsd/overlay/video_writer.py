"""Overlay video: H.264 in fragmented MP4, which plays up to the last second even if the writer was killed."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import RATE_HZ
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.painter import OverlayPainter
from fsd.runtime.planner import PlannerMetadata, StepResult

_BT709, _LIMITED_RANGE = 1, 1  # AVCOL_SPC_BT709 (and _PRI_, _TRC_), AVCOL_RANGE_MPEG


class VideoWriter:
    """Writes rgb24 images at a constant rate.

    Args:
        path: `.mp4` to write; rate_hz: exact; width_px, height_px: even.
    """

    def __init__(self, path: Path, width_px: int, height_px: int, rate_hz: Fraction) -> None:
        # Half-second fragments, flushed at once: the file needs no index at its end, which a crash would lose.
        options = {"movflags": "empty_moov+default_base_moof", "frag_duration": "500000", "flush_packets": "1"}
        self._container = av.open(str(path), "w", options=options)
        self._stream = self._container.add_stream("libx264", rate=rate_hz)
        self._stream.width, self._stream.height = width_px, height_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "21", "g": str(round(rate_hz))}
        codec = self._stream.codec_context
        codec.thread_count = 1
        # Players assume BT.709 for untagged HD video, swscale's default is BT.601: without tags, colours shift.
        codec.colorspace, codec.color_primaries, codec.color_trc = _BT709, _BT709, _BT709
        codec.color_range = _LIMITED_RANGE

    def write(self, image: np.ndarray) -> None:
        """Append one (H, W, 3) uint8 image."""
        picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p", src_color_range="JPEG", dst_color_range="MPEG", dst_colorspace="ITU709", threads=1
        )
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Flush the encoder and end the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class Overlay:
    """Writes `overlay.mp4`, one image per tick that `config` shows; the arguments are those of `OverlayPainter`."""

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig) -> None:
        self._config = config
        self._painter = OverlayPainter(clip, metadata, config)
        layout = self._painter.layout
        self._video = VideoWriter(path, layout.width_px, layout.height_px, RATE_HZ)
        self.close = self._video.close

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Draw one tick, if the video shows it."""
        if self._config.shows(float(result.plan.tick / RATE_HZ)):
            self._video.write(np.asarray(self._painter.paint(result, ego, command)))
