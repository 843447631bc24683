"""Overlay video: H.264 in MP4, fragmented while it is written, so that it plays even if the writer was killed."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.errors import OutputError, UsageError
from fsd.data.files import replacing
from fsd.data.frames import RATE_HZ
from fsd.outputs.replay_summary import OverlayFile
from fsd.overlay.background import InOrder
from fsd.overlay.layout import OverlayConfig
from fsd.overlay.painter import OverlayPainter
from fsd.overlay.still import still_tick, write_gif
from fsd.overlay.video_size import HEIGHTS_PX, MEGABYTE, Encoding, encoding_for, least_megabytes
from fsd.runtime.planner import PlannerMetadata, StepResult

FAST: dict[str, object] = {"preset": "ultrafast", "crf": "22", "x264-params": "no-deblock=0:bframes=3:b-adapt=0"}
"""Constant quality, in a quarter of the time of `SMALL`, with up to twice the bytes and no larger errors. Deblocking
keeps flat areas smooth, and B-frames halve what the preset adds to the file; neither takes measurable time."""
SMALL: dict[str, object] = {"preset": "veryfast", "crf": "21"}
"""Where the file has a limit."""
GIF_SECONDS = 12
_BT709, _LIMITED_RANGE = 1, 1  # AVCOL_SPC_BT709 (and _PRI_, _TRC_), AVCOL_RANGE_MPEG


class VideoWriter:
    """Writes RGB images at a constant rate.

    Args:
        path: `.mp4` to write; rate_hz: exact; width_px, height_px: of the images, even.
        encoding: size and bit rate of the video; None is the size of the images, at constant quality.
    """

    def __init__(
        self, path: Path, width_px: int, height_px: int, rate_hz: Fraction, encoding: Encoding | None = None
    ) -> None:
        self.encoding = encoding or Encoding(width_px, height_px)
        # Half-second fragments, flushed at once: the file needs no index at its end, which a crash would lose. The
        # end turns it into a plain MP4 file, in which every player can seek.
        options = {
            "movflags": "hybrid_fragmented+negative_cts_offsets",
            "frag_duration": "500000",
            "flush_packets": "1",
        }
        self._container = av.open(str(path), "w", format="mp4", options=options)
        self._stream = add_stream(self._container, self.encoding, rate_hz)
        self._reformatter = VideoReformatter()
        self._encoder = InOrder("overlay")

    def write(self, image: Image.Image) -> None:
        """Append one image, which must not change any more: it is encoded while the next one is drawn."""
        self._encoder.run(lambda: self._encode(image))

    def _encode(self, image: Image.Image) -> None:
        picture = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(_pixels(image), format="rgba"),
            width=self.encoding.width_px,
            height=self.encoding.height_px,
            format="yuv420p",
            src_color_range="JPEG",
            dst_color_range="MPEG",
            dst_colorspace=Colorspace.ITU709,
            interpolation="BICUBIC" if self.encoding.height_px == image.height else "AREA",
            threads=1,
        )
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Flush the encoder and end the file."""
        try:
            self._encoder.close()
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _pixels(image: Image.Image) -> np.ndarray:
    """(H, W, 4) uint8: Pillow's own memory, which has a fourth byte per RGB pixel; not to be written to.

    Pillow keeps images of up to 16 MB in one piece, which is needed here; the largest of `HEIGHTS_PX` has 14.7 MB.
    """
    return pa.array(image).flatten().to_numpy().reshape(image.height, image.width, 4)


class Overlay:
    """Writes `overlay.mp4`, one image per tick that `config` shows; the arguments are those of `OverlayPainter`.

    Attributes:
        file: describes the video; None before `close`.
    """

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, config: OverlayConfig) -> None:
        self._path = path
        self._config = config
        self._painter = OverlayPainter(clip, metadata, config)
        self._video: VideoWriter | None = None
        self._encoding: Encoding | None = None
        self._images = self._ticks = 0
        self.file: OverlayFile | None = None

    def expect(self, ticks: int | None) -> None:
        """Choose the bit rate for a run of this length; None if it is unknown."""
        max_mb, layout = self._config.max_mb, self._painter.layout
        if max_mb is not None and ticks is not None:
            images = expected_images(self._config, ticks)
            self._encoding = encoding_for(max_mb * MEGABYTE, images, layout.width_px, layout.height_px)

    def add(self, result: StepResult, ego: EgoSample | None, command: str) -> None:
        """Draw one tick, if the video shows it."""
        self._ticks += 1
        if self._config.shows(float(result.plan.tick / RATE_HZ)):
            self._opened().write(self._painter.paint(result, ego, command))
            self._images += 1

    def close(self) -> None:
        """End the video, and encode it again if it is over its limit.

        Raises:
            OutputError: it stays over the limit at the smallest size.
        """
        video, max_mb = self._video, self._config.max_mb
        if video is None:
            self.file = self._without_image()
            return
        video.close()
        if self._config.gif:
            write_gif(self._path, self._path.with_suffix(".gif"))
        encoding = video.encoding
        if max_mb is not None:
            encoding = fit_file(self._path, max_mb * MEGABYTE, self._images, encoding)
        self.file = OverlayFile(
            file=self._path.name,
            images=self._images,
            width_px=encoding.width_px,
            height_px=encoding.height_px,
            megabytes=self._path.stat().st_size / MEGABYTE,
            max_mb=max_mb,
            encoded_twice=encoding is not video.encoding,
        )

    def _without_image(self) -> OverlayFile:
        """Why there is no video."""
        config, end_s = self._config, float(self._ticks / RATE_HZ)
        why = f"--from {config.from_s:g} s lies past the end, {end_s:.2f} s" if self._ticks else "the run has no tick"
        return OverlayFile(file=None, why=why, images=0, width_px=0, height_px=0, megabytes=0.0, max_mb=config.max_mb)

    def _opened(self) -> VideoWriter:
        if self._video is None:
            layout = self._painter.layout
            self._video = VideoWriter(self._path, layout.width_px, layout.height_px, RATE_HZ, self._encoding)
        return self._video


def expected_images(config: OverlayConfig, ticks: int) -> int:
    """How many of the first `ticks` ticks the video shows."""
    return sum(config.shows(float(tick / RATE_HZ)) for tick in range(ticks))


def check_limits(config: OverlayConfig, ticks: int | None, has_overlay: bool) -> None:
    """Refuse what the video of a run of `ticks` ticks cannot keep; None is an unknown length.

    Raises:
        UsageError: names what can be kept.
    """
    if config.gif and not has_overlay:
        raise UsageError("--gif is made of overlay.mp4. Leave out --no-overlay.")
    if ticks is None:
        return
    images, length_s = expected_images(config, ticks), float(ticks / RATE_HZ)
    if config.still_s is not None and still_tick(config) >= ticks:
        raise UsageError(f"--still {config.still_s:g} s lies past the end: the run has {length_s:.2f} s.")
    if config.gif and images > GIF_SECONDS * RATE_HZ:
        raise UsageError(
            f"--gif takes at most {GIF_SECONDS} s, and the video has {float(images / RATE_HZ):.1f} s. Choose with "
            "--from and --to."
        )
    if config.max_mb is not None and config.max_mb < (least_mb := least_megabytes(images)):
        raise UsageError(
            f"--max-mb {config.max_mb:g} is too small for {images} images ({float(images / RATE_HZ):.1f} s at 36 Hz): "
            f"the least possible is {least_mb:g}. Allow more, or show less of the drive with --from and --to."
        )


def fit_file(path: Path, max_bytes: float, images: int, encoding: Encoding) -> Encoding:
    """Encode a finished video again if it is over the limit: at a lower rate, and if need be at the smallest size.

    Args:
        encoding: of the file as it is.

    Returns:
        The encoding of the file that is there now; `encoding` itself if it was not encoded again.

    Raises:
        OutputError: it is over the limit at the smallest size too; that file is kept.
    """
    size_px = (encoding.width_px, encoding.height_px)
    for allowed in (0.97 * max_bytes, 0.9 * max_bytes, 0.0):
        if path.stat().st_size <= max_bytes:
            return encoding
        encoding = encoding_for(allowed, images, *size_px)
        _encode_again(path, encoding)
    if (size := path.stat().st_size) > max_bytes:
        raise OutputError(
            f"{path} is {size / MEGABYTE:.2f} MB with the coarsest encoding, {HEIGHTS_PX[-1]} pixels high. Set "
            f"--max-mb to {-(-size // 10_000) / 100:g} or more, or show less of the drive with --from and --to."
        )
    return encoding


def _encode_again(path: Path, encoding: Encoding) -> None:
    # The index first, so that a mailed video plays while it loads.
    with (
        replacing(path) as unfinished,
        av.open(str(path)) as source,
        av.open(str(unfinished), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = add_stream(container, encoding, RATE_HZ)
        size = {"width": encoding.width_px, "height": encoding.height_px}
        for number, picture in enumerate(source.decode(video=0)):
            smaller = picture.reformat(**size, format="yuv420p", interpolation="AREA", threads=1)
            smaller.pts, smaller.time_base, smaller.pict_type = number, 1 / RATE_HZ, av.video.frame.PictureType.NONE
            container.mux(stream.encode(smaller))
        container.mux(stream.encode(None))


def add_stream(
    container: av.container.OutputContainer,
    encoding: Encoding,
    rate_hz: Fraction,
    settings: dict[str, object] = SMALL,
    group: int = 8 * round(RATE_HZ),
) -> av.video.stream.VideoStream:
    """Add an H.264 stream.

    Args:
        settings: of x264, where the encoding has a bit rate; group: most images between two that stand alone.
    """
    stream = container.add_stream("libx264", rate=rate_hz)
    stream.width, stream.height = encoding.width_px, encoding.height_px
    stream.pix_fmt = "yuv420p"
    if encoding.bit_rate is None:
        stream.options = FAST | {"g": str(round(rate_hz))}
    else:  # as good as without a limit where the scene needs few bits, and no larger
        limit: dict[str, object] = {"maxrate": str(encoding.bit_rate), "bufsize": str(encoding.buffer_bits)}
        stream.options = settings | limit | {"g": str(group)}
    codec = stream.codec_context
    codec.thread_count = 1
    # Players assume BT.709 for untagged HD video, swscale's default is BT.601: without tags, colours shift.
    codec.colorspace, codec.color_primaries, codec.color_trc = _BT709, _BT709, _BT709
    codec.color_range = _LIMITED_RANGE
    return stream
