"""Compressed video for viewers: the recording's own packets where a viewer can play them, else newly encoded ones.

A viewer decodes each message to one image: H.264 or H.265 in Annex B form without B-frames, with the parameter sets
before every key frame. Times are exactly those of the frames that the replay used.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.frames import RATE_HZ, Frame
from fsd.data.planes import picture_of
from fsd.data.video_probe import opened
from fsd.data.video_stream import VideoStream
from fsd.viewers.nal_units import has_b_slice, sequence_parameter_sets, without_telemetry

ANNEX_B = {"h264": ("h264_mp4toannexb", "h264"), "hevc": ("hevc_mp4toannexb", "h265")}
"""Codec -> the bitstream filter that turns a packet into a message, and the viewer's name of the codec."""

PROBED_PACKETS = 120
"""Packets of each part that are checked for B-frames before a camera is passed through; later ones while it is."""

MAX_REORDERED = 16
"""Most pictures that may precede another in decoding order and follow it in time: the size of the picture buffer
(H.264 A.3.1, H.265 A.4.2). Of packets out of order, some pair lies at most this far apart."""

MAX_ENCODED_PX = 960
"""Largest width of newly encoded video: eight cameras of full size cost more time than the network."""


@dataclass(frozen=True, slots=True)
class VideoMessage:
    """One compressed image."""

    timestamp_ns: int
    codec: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Packet:
    index: int
    time_s: Fraction | None
    data: bytes


def why_not_passed_through(stream: CameraStream) -> str | None:
    """Why a camera's own packets cannot be used; None if they can."""
    if not isinstance(stream, VideoStream):
        return "its images are not in video files"
    if stream.codec not in ANNEX_B:
        return f"its codec is {stream.codec}"
    for part in stream.parts:
        try:
            why = _why_not_part(part, stream.codec)
        except (av.FFmpegError, StopIteration):
            why = "its file is damaged"
        if why is not None:
            return why
    return None


def _why_not_part(part: Path, codec: str) -> str | None:
    with opened(part) as (container, video):
        if video.codec_context.name != codec:
            return "its part files have different codecs"
        if round(next(container.decode(video)).rotation / 90) % 4:
            return "its images are rotated by metadata"
        may_reorder = video.codec_context.has_b_frames
    with opened(part) as (container, video):
        packets = list(islice((packet for packet in container.demux(video) if packet.size), PROBED_PACKETS))
        if any(packet.is_discard for packet in packets):
            return "an edit list hides some of its images"
        times = [packet.pts for packet in packets if packet.pts is not None]
        if any(later <= earlier for earlier, later in pairwise(times)) or (may_reorder and not times):
            return "it has B-frames"
    return None


class ClipVideo:
    """Video of all cameras of a clip: packets are passed through where possible, images are encoded anew otherwise.

    Args:
        keep_location: leave the telemetry that cameras embed into H.264 and H.265, with the position, in packets that
            are passed through; by default it is removed.

    Attributes:
        how: camera -> `passed through`, `encoded anew: <why>`, or `passed through, then encoded anew: <why>`.
    """

    def __init__(self, clip: Clip, keep_location: bool = False) -> None:
        self._streams = clip.streams
        self.how: dict[str, str] = {}
        self._videos: dict[int, PassedVideo | EncodedVideo] = {}
        for index, stream in enumerate(clip.streams):
            if stream is not None:
                why = why_not_passed_through(stream)
                self.how[stream.name] = "passed through" if why is None else f"encoded anew: {why}"
                if why is None and isinstance(stream, VideoStream):
                    self._videos[index] = PassedVideo(stream, keep_location)
                else:
                    self._videos[index] = EncodedVideo(stream)

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the cameras that the clip has."""
        return tuple(self._videos)

    def scale(self, index: int) -> float:
        """Pixels of the image in the file per pixel of the camera; 1 unless it is encoded smaller."""
        return self._videos[index].scale

    def is_passed(self, index: int) -> bool:
        """Whether the camera's own packets are used; this changes at most once, to False."""
        return isinstance(self._videos[index], PassedVideo)

    def messages(self, index: int, frame: Frame) -> list[VideoMessage]:
        """The messages to write when this camera shows this frame for the first time."""
        try:
            return self._videos[index].messages(frame)
        except ClipError as error:
            # The decoder gave an image that the packets do not have: encode images from now on.
            stream = self._streams[index]
            assert stream is not None
            self._videos[index].close()
            self._videos[index] = EncodedVideo(stream)
            self.how[stream.name] = f"passed through, then encoded anew: {error}"
            return self._videos[index].messages(frame)

    def close(self) -> None:
        """Close all files."""
        for video in self._videos.values():
            video.close()


class PassedVideo:
    """The packets of one camera, in Annex B form; only for streams where `why_not_passed_through` is None."""

    scale = 1.0

    def __init__(self, stream: VideoStream, keep_location: bool = False) -> None:
        self._stream = stream
        self._keep_location = keep_location
        self._codec = ANNEX_B[stream.codec][1]
        self._packets = _numbered(stream)
        self._last_index = -1
        self._last_ns = -(2**62)

    def messages(self, frame: Frame) -> list[VideoMessage]:
        """The packets up to a frame that is shown now, with those of the frames that were skipped before it.

        Raises:
            ClipError: the packets do not go as far as the frame's index, or are out of order there or soon after.
        """
        batch: list[_Packet] = []
        while self._last_index < frame.index:
            try:
                packet = next(self._packets, None)
            except av.FFmpegError as error:
                raise ClipError(f"{self._stream.name}: its packets end with an error ({error}).") from error
            if packet is None:
                raise ClipError(f"{self._stream.name}: image {frame.index} has no packet.")
            batch.append(packet)
            self._last_index = packet.index
        found = []
        for packet in batch:
            timestamp_ns = frame.timestamp_ns if packet.index == frame.index else self._skipped_ns(packet, batch, frame)
            self._last_ns = max(timestamp_ns, self._last_ns + 1) if packet.index < frame.index else timestamp_ns
            data = packet.data if self._keep_location else without_telemetry(packet.data, self._stream.codec)
            found.append(VideoMessage(self._last_ns, self._codec, data))
        return found

    def close(self) -> None:
        """Close the file."""
        self._packets.close()

    def _skipped_ns(self, packet: _Packet, batch: list[_Packet], frame: Frame) -> int:
        """The time of a frame that no tick showed; later images need its packet nevertheless."""
        if self._stream.timestamps is not None:
            return self._stream.timestamps.time_of(packet.index) or self._last_ns + 1
        shown = batch[-1]
        if packet.time_s is None or shown.time_s is None or packet.time_s >= shown.time_s:
            return self._last_ns + 1
        return frame.timestamp_ns - round((shown.time_s - packet.time_s) * 10**9)


class EncodedVideo:
    """One camera encoded anew: H.264 without B-frames, no wider than `MAX_ENCODED_PX`.

    Attributes:
        scale: pixels of the new image per pixel of the camera.
    """

    def __init__(self, stream: CameraStream) -> None:
        self.scale = min(1.0, MAX_ENCODED_PX / stream.width_px)
        self._width = round(stream.width_px * self.scale) // 2 * 2
        self._height = round(stream.height_px * self.scale) // 2 * 2
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = self._width, self._height
        encoder.pix_fmt = "yuv420p"
        encoder.time_base, encoder.framerate = 1 / RATE_HZ, RATE_HZ
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "27", "g": "36", "bf": "0"}
        encoder.thread_count = 1
        self._encoder = encoder
        self._reformatter = VideoReformatter()
        self._count = 0

    def messages(self, frame: Frame) -> list[VideoMessage]:
        """The frame, encoded; with zero latency there is one packet per image."""
        picture = self._reformatter.reformat(
            picture_of(frame),
            width=self._width,
            height=self._height,
            format="yuv420p",
            interpolation="FAST_BILINEAR",
            threads=1,
        )
        picture.pts, picture.time_base = self._count, 1 / RATE_HZ
        self._count += 1
        data = b"".join(bytes(packet) for packet in self._encoder.encode(picture))
        return [VideoMessage(frame.timestamp_ns, "h264", data)] if data else []

    def close(self) -> None:
        """Nothing to do: the encoder holds no image back."""


def _numbered(stream: VideoStream) -> Generator[_Packet, None, None]:
    """All packets of a camera with the index of their image, parts joined.

    Where parts overlap, the first image of the later part repeats the last one of the earlier part. Later images depend
    on the repeated packet, so the earlier one is left out.

    Raises:
        ClipError: packets are out of order, in time before the first of them is given.
    """
    index, held = -1, None
    for part, path in enumerate(stream.parts):
        overlap = stream.overlap_frames if part else 0
        for place, (time_s, data) in enumerate(_in_order(_annex_b(path, stream.codec), stream)):
            if place < overlap:
                held = None if held is None else _Packet(held.index, held.time_s, data)
                continue
            if held is not None:
                yield held
            index += 1
            held = _Packet(index, time_s, data)
    if held is not None:
        yield held


def _annex_b(path: Path, codec: str) -> Iterator[tuple[Fraction | None, bytes]]:
    """Container time, if it has times, and data of every packet of a file."""
    with opened(path) as (container, video):
        to_annex_b = av.BitStreamFilterContext(ANNEX_B[codec][0], video)
        time_base = video.time_base or Fraction(1)
        for packet in container.demux(video):
            if packet.size:
                time_s = None if packet.pts is None else packet.pts * time_base
                yield time_s, b"".join(bytes(filtered) for filtered in to_annex_b.filter(packet))


def _in_order(
    packets: Iterable[tuple[Fraction | None, bytes]], stream: VideoStream
) -> Iterator[tuple[Fraction | None, bytes]]:
    """The packets of one file, held back until no later one can belong before them.

    Without times, B slices tell it in H.264; in H.265 the first parameter sets have excluded it.
    """
    held: deque[tuple[Fraction | None, bytes]] = deque()
    first_sets: list[bytes] = []
    for time_s, data in packets:
        if time_s is not None:
            is_late = any(other_s is not None and other_s >= time_s for other_s, _ in held)
        elif stream.codec == "h264":
            is_late = has_b_slice(data)
        else:
            sets = sequence_parameter_sets(data, stream.codec)
            first_sets = first_sets or sets
            is_late = any(each not in first_sets for each in sets)
        if is_late:
            raise ClipError(f"{stream.name}: it has B-frames from here on.")
        held.append((time_s, data))
        if len(held) > MAX_REORDERED:
            yield held.popleft()
    yield from held
