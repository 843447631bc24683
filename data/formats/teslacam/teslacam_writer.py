"""Write an event folder as a Tesla does: one video per camera and minute, telemetry in every picture, `event.json`.

Layout and values: public notes of real sticks and `ffprobe` tables (mulka/teslausb-download, ehendrix23/tesla_dashcam,
mphacker/TeslaUSB). File names and `event.json` have the local time of the car, the movie header has UTC.
"""

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np

from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError, OutputError
from fsd.data.files import check_space, replacing, write_text
from fsd.data.formats.teslacam.telemetry_message import TelemetryMessage, sei_nal
from fsd.data.frames import RATE_HZ

HW3_CAMERAS = ("front", "back", "left_repeater", "right_repeater")
HW4_CAMERAS = (*HW3_CAMERAS, "left_pillar", "right_pillar")

SEGMENT_NS = 60 * SECOND_NS
KEYFRAME_INTERVAL = 9
TIME_BASE = Fraction(1, 10_000)

_STAMP = "%Y-%m-%d_%H-%M-%S"
_THUMB_WIDTH_PX = 320


class TeslaCamWriter:
    """Records one saved event, one call of `write` per moment; use it as a context manager.

    The folder `SavedClips/<stamp>` appears in `path` when the recording is closed, since its name is the time of
    saving. Until then it is `SavedClips/.<stamp of the start>.part`.

    Args:
        path: the folder that stands for `TeslaCam`, made if absent.
        start: UTC, whole seconds, of the first picture.
        cameras: names as in the files.
        utc_offset: of the car's local time.
        crf: quality of the encoder, 0 … 51, smaller is better and larger.

    Raises:
        ClipError: the folder cannot be written.
        OutputError: it already holds a recording from this start.
    """

    def __init__(
        self,
        path: Path,
        start: datetime,
        cameras: Sequence[str] = HW3_CAMERAS,
        utc_offset: timedelta = timedelta(0),
        crf: int = 23,
    ) -> None:
        if start.tzinfo is None or start.microsecond:
            raise ValueError(f"`start` must be whole seconds with a time zone, got {start.isoformat()}.")
        self.path, self.cameras = path, tuple(cameras)
        self._start, self._utc_offset, self._crf = start.astimezone(UTC), utc_offset, crf
        self._folder = path / "SavedClips" / f".{self._stamp(0)}.part"
        self._videos: list[_Segment | None] = [None] * len(self.cameras)
        self._segment = -1
        self._pictures = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._last_message = TelemetryMessage()
        self._thumb: av.VideoFrame | None = None
        self._is_open = True
        if any((path / "SavedClips").glob(f"*/{self._stamp(0)}-*.mp4")):
            raise OutputError(
                f"{path} already holds a recording from {self._stamp(0)}. Choose another folder or start, or remove it."
            )
        try:
            self._folder.mkdir(parents=True)
        except FileExistsError as error:
            raise OutputError(
                f"{self._folder} is left over from a recording that was interrupted, or is being written. "
                "Remove it, or choose another folder."
            ) from error
        except OSError as error:
            raise ClipError(f"{path} cannot be written ({error.strerror}). Choose another folder.") from error

    def _local(self, since_start_ns: int) -> datetime:
        return self._start + self._utc_offset + timedelta(seconds=since_start_ns // SECOND_NS)

    def _stamp(self, since_start_ns: int) -> str:
        return self._local(since_start_ns).strftime(_STAMP)

    def write(
        self,
        images: Sequence[np.ndarray | av.VideoFrame | None],
        timestamp_ns: int,
        telemetry_message: TelemetryMessage | None,
    ) -> None:
        """Add one moment.

        Args:
            images: one per camera: (H, W, 3) uint8 RGB or an `av.VideoFrame`, even sizes; None where the camera dropped
                the picture.
            timestamp_ns: later than that of the call before; stored in steps of 0.1 ms.
            telemetry_message: goes into every picture; None leaves it out.

        Raises:
            ClipError: a wrong number of pictures, a time that does not rise, or the encoder refuses.
        """
        if len(images) != len(self.cameras):
            raise ClipError(f"Got {len(images)} pictures for {len(self.cameras)} cameras. Pass one per camera.")
        if self._last_ns is not None and timestamp_ns <= self._last_ns:
            raise ClipError(f"Time {timestamp_ns} ns does not rise above {self._last_ns} ns. Write moments in order.")
        self._first_ns = timestamp_ns if self._first_ns is None else self._first_ns
        self._check_space(images)
        since_start_ns = timestamp_ns - self._first_ns
        if since_start_ns // SEGMENT_NS != self._segment:
            self._close_segment()
            self._segment = since_start_ns // SEGMENT_NS
        for index, image in enumerate(images):
            if image is not None:
                frame = _yuv420p(self.cameras[index], image)
                self._thumb = frame if index == 0 else self._thumb
                self._video(index, frame).write(frame, since_start_ns - self._segment * SEGMENT_NS, telemetry_message)
        self._last_ns = timestamp_ns
        self._last_message = telemetry_message or self._last_message

    def _check_space(self, images: Sequence[np.ndarray | av.VideoFrame | None]) -> None:
        given = [image for image in images if image is not None]
        sizes = [(each.width, each.height) if isinstance(each, av.VideoFrame) else each.shape[1::-1] for each in given]
        width_px, height_px = max(sizes, key=math.prod, default=(0, 0))
        try:
            check_space(self._folder, self._pictures, len(self.cameras), width_px, height_px)
        except OSError as error:
            raise ClipError(f"{self._folder} cannot be written: {error.strerror}. Free some space.") from error
        self._pictures += len(given)

    def _video(self, index: int, frame: av.VideoFrame) -> "_Segment":
        video = self._videos[index]
        if video is None:
            start_ns = self._segment * SEGMENT_NS
            path = self._folder / f"{self._stamp(start_ns)}-{self.cameras[index]}.mp4"
            video = _Segment(path, self._start + timedelta(seconds=start_ns // SECOND_NS), frame, self._crf)
            self._videos[index] = video
        return video

    def _close_segment(self) -> None:
        videos, self._videos = self._videos, [None] * len(self.cameras)
        with ExitStack() as stack:  # all of them, also where one fails
            for video in videos:
                if video is not None:
                    stack.callback(video.close)

    def close(self) -> Path | None:
        """Finish the event and return its folder; None where nothing was written."""
        if not self._is_open:
            return None
        self._is_open = False
        try:
            self._close_segment()
        finally:
            event = self._finish()
        return event

    def _finish(self) -> Path | None:
        """Give the event its name; None where nothing was written."""
        if self._first_ns is None or self._last_ns is None:
            self._folder.rmdir()
            return None
        saved_ns = self._last_ns - self._first_ns
        event = self._folder.with_name(self._stamp(saved_ns))
        try:
            write_text(self._folder / "event.json", json.dumps(self._event(saved_ns), indent=1))
            if self._thumb is not None:
                self._write_thumb(self._thumb)
            self._folder.rename(event)
        except OSError as error:
            raise ClipError(
                f"{event} cannot be written ({error.strerror}). If it holds an event already, remove it or choose "
                f"another folder; the recording lies in {self._folder}."
            ) from error
        return event

    def _event(self, saved_ns: int) -> dict[str, str]:
        message = self._last_message
        has_fix = np.isfinite(message.latitude_deg) and np.isfinite(message.longitude_deg)
        return {
            "timestamp": f"{self._local(saved_ns):%Y-%m-%dT%H:%M:%S}",
            "city": "",
            "est_lat": f"{message.latitude_deg:.4f}" if has_fix else "",
            "est_lon": f"{message.longitude_deg:.4f}" if has_fix else "",
            "reason": "user_interaction_dashcam_icon_tapped",
            "camera": "0",
        }

    def _write_thumb(self, frame: av.VideoFrame) -> None:
        height_px = max(1, round(_THUMB_WIDTH_PX * frame.height / frame.width))
        with replacing(self._folder / "thumb.png") as unfinished:
            frame.to_image(width=_THUMB_WIDTH_PX, height=height_px).save(unfinished, format="png")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class _Segment:
    """One camera's video of one minute."""

    def __init__(self, path: Path, start: datetime, frame: av.VideoFrame, crf: int) -> None:
        self._path, self._size_px = path, (frame.width, frame.height)
        self._pictures = 0
        self._messages: dict[int, TelemetryMessage | None] = {}
        # The time scale of the movie is that of its edit list, which says when a late first picture starts.
        scale = {"video_track_timescale": str(TIME_BASE.denominator), "movie_timescale": str(TIME_BASE.denominator)}
        options = {"profile": "baseline", "preset": "veryfast", "tune": "zerolatency", "bf": "0", "threads": "1"}
        options |= {"crf": str(crf), "g": str(KEYFRAME_INTERVAL), "sc_threshold": "0"}
        try:
            self._container = av.open(str(path), "w", container_options=scale)
            self._container.metadata["creation_time"] = f"{start:%Y-%m-%dT%H:%M:%S}.000000Z"
            self._stream = self._container.add_stream("libx264", rate=RATE_HZ, options=options)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise ClipError(
                f"{path} cannot be written with encoder libx264: {error}. Choose another folder."
            ) from error
        self._stream.width, self._stream.height = self._size_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = TIME_BASE
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.codec_context.thread_count = 1

    def write(self, frame: av.VideoFrame, since_start_ns: int, message: TelemetryMessage | None) -> None:
        if (frame.width, frame.height) != self._size_px:
            raise ClipError(
                f"{self._path.name} got a picture of {frame.width}x{frame.height} after {self._size_px[0]}x"
                f"{self._size_px[1]}. Keep the size of a camera's pictures."
            )
        frame.pts = round(since_start_ns / (SECOND_NS * TIME_BASE))
        frame.time_base = TIME_BASE
        is_key = self._pictures % KEYFRAME_INTERVAL == 0
        frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
        self._pictures += 1
        self._messages[frame.pts] = message
        self._mux(frame)

    def close(self) -> None:
        try:
            self._mux(None)
        finally:
            try:
                self._container.close()
            except (av.FFmpegError, OSError) as error:
                raise ClipError(f"{self._path} cannot be written: {error}. Check the free space.") from error

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(self._with_telemetry(packet))
        except (av.FFmpegError, OSError) as error:
            raise ClipError(
                f"{self._path} cannot be written: {error}. Check the free space, and that width and height are even."
            ) from error

    def _with_telemetry(self, packet: av.Packet) -> av.Packet:
        message = None if packet.pts is None else self._messages.pop(packet.pts, None)
        if message is None:
            return packet
        # The encoder gives start codes; the muxer turns them into lengths.
        carrier = av.Packet(b"\0\0\0\1" + sei_nal(message) + bytes(packet))
        carrier.pts, carrier.dts, carrier.duration = packet.pts, packet.dts, packet.duration
        carrier.time_base, carrier.stream, carrier.is_keyframe = packet.time_base, packet.stream, packet.is_keyframe
        return carrier


def _yuv420p(camera: str, image: np.ndarray | av.VideoFrame) -> av.VideoFrame:
    if isinstance(image, av.VideoFrame):
        return image if image.format.name == "yuv420p" else image.reformat(format="yuv420p")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ClipError(
            f"{camera} got a picture of shape {image.shape} and type {image.dtype}. Pass (H, W, 3) uint8 RGB."
        )
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format="yuv420p")
