"""H.264 video that can be played up to the last second even when the writer was killed (fragmented MP4)."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_BT709, _LIMITED_RANGE = 1, 1  # AVCOL_SPC_BT709 (and _PRI_, _TRC_), AVCOL_RANGE_MPEG


class VideoWriter:
    """Writes rgb24 pictures at a constant rate.

    Args:
        path: `.mp4` to write; rate_hz: exact; width_px, height_px: even.
    """

    def __init__(self, path: Path, width_px: int, height_px: int, rate_hz: Fraction) -> None:
        # Half-second fragments, flushed at once: no index at the end that a crash could cost us.
        options = {"movflags": "empty_moov+default_base_moof", "frag_duration": "500000", "flush_packets": "1"}
        self._container = av.open(str(path), "w", options=options)
        self._stream = self._container.add_stream("libx264", rate=rate_hz)
        self._stream.width, self._stream.height = width_px, height_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "21", "g": str(round(rate_hz))}
        codec = self._stream.codec_context
        codec.thread_count = 1
        # Players take untagged HD video for BT.709 while swscale's default is BT.601: colours would shift.
        codec.colorspace, codec.color_primaries, codec.color_trc = _BT709, _BT709, _BT709
        codec.color_range = _LIMITED_RANGE

    def write(self, image: np.ndarray) -> None:
        """Append one (H, W, 3) uint8 picture."""
        picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p", src_color_range="JPEG", dst_color_range="MPEG", dst_colorspace="ITU709", threads=1
        )
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Flush the encoder and end the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
