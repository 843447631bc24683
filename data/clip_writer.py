"""Write a native clip folder: `rig.json`, one video per camera, exact times, ego motion and route commands.

Times in the Parquet files are authoritative; the videos carry them too, rounded to 1/90000 s.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import av
import numpy as np

from fsd.data.ego import COMMANDS
from fsd.data.errors import ClipError, OutputError
from fsd.data.files import check_space, replacing
from fsd.data.frames import RATE_HZ
from fsd.data.rig import Camera, Rig, save_rig

_TIME_BASE = Fraction(1, 90_000)


class ClipWriter:
    """Records a clip, one call of `write` per moment; use it as a context manager.

    The defaults (H.264 veryfast, tuned for decoding, no B-frames) are what this program decodes fastest: two to
    three times plain veryfast. I-frames are staggered over the cameras so that no moment has to decode all of them.

    Args:
        path: the clip folder, made if absent; it must not hold a `rig.json`.
        rig: cameras to record, in this order; every picture must have its camera's size.
        rate_hz: nominal rate, for the encoder's rate control.
        codec: an encoder that FFmpeg knows; `options` are passed to it and replace the defaults.
        crf: quality of the default encoder, 0 … 51, smaller is better and larger.
        gop: pictures from one I-frame to the next.
    """

    def __init__(
        self,
        path: Path,
        rig: Rig,
        rate_hz: Fraction = RATE_HZ,
        codec: str = "libx264",
        options: Mapping[str, str] | None = None,
        crf: int = 23,
        gop: int = int(RATE_HZ),
    ) -> None:
        self.path = path
        self.rig = rig
        tables = ("rig.json", "ego.parquet", "command.parquet")
        of_cameras = (f"{camera.name}{suffix}" for camera in rig.cameras for suffix in (".mp4", ".timestamps.parquet"))
        there = next((name for name in (*tables, *of_cameras) if (path / name).exists()), None)
        if there is not None:
            raise OutputError(f"{path} already holds a clip ({there}). Choose another folder, or remove this one.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            save_rig(rig, path / "rig.json")
        except OSError as error:
            raise ClipError(f"{path} cannot be written ({error.strerror}). Choose another folder.") from error
        if options is None:
            options = {"preset": "veryfast", "tune": "fastdecode,zerolatency", "crf": str(crf), "threads": "1"}
        self._videos = [
            _Video(path, camera, rate_hz, codec, dict(options), gop, stagger=i * gop // len(rig.cameras))
            for i, camera in enumerate(rig.cameras)
        ]
        self._pictures = 0
        self._ego_rows: list[dict[str, float]] = []
        self._commands: list[tuple[int, str]] = []
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    def write(
        self,
        images: Sequence[np.ndarray | av.VideoFrame | None],
        timestamp_ns: int,
        ego: Mapping[str, float] | None = None,
        command: str = "none",
    ) -> None:
        """Add one moment.

        Args:
            images: one per camera of the rig, in its order: (H, W, 3) uint8 RGB or an `av.VideoFrame`; None where the
                camera dropped the picture.
            timestamp_ns: mid-exposure, later than that of the call before.
            ego: a row of `ego.parquet` without its time (x, y, z, qw, qx, qy, qz, v_mps, yaw_rate_rps, …).
            command: the route command, one of `COMMANDS`.

        Raises:
            ClipError: a wrong number or size of pictures, a time that does not rise, an unknown command.
        """
        if len(images) != len(self._videos):
            raise ClipError(
                f"Got {len(images)} pictures for {len(self._videos)} cameras. Pass one per camera of the rig."
            )
        if self._last_ns is not None and timestamp_ns <= self._last_ns:
            raise ClipError(f"Time {timestamp_ns} ns does not rise above {self._last_ns} ns. Write moments in order.")
        if command not in COMMANDS:
            raise ClipError(f"Unknown command {command!r}. Use one of {', '.join(COMMANDS)}.")
        self._check_space()
        self._first_ns = timestamp_ns if self._first_ns is None else self._first_ns
        for video, image in zip(self._videos, images, strict=True):
            if image is not None:
                video.write(image, timestamp_ns, self._first_ns)
        if ego is not None:
            self._add_ego(ego, timestamp_ns)
        if not self._commands or self._commands[-1][1] != command:
            self._commands.append((timestamp_ns, command))
        self._last_ns = timestamp_ns

    def _check_space(self) -> None:
        cameras = self.rig.cameras
        largest = max(cameras, key=lambda camera: camera.width_px * camera.height_px)
        try:
            check_space(self.path, self._pictures, len(cameras), largest.width_px, largest.height_px)
        except OSError as error:
            raise ClipError(f"{self.path} cannot be written: {error.strerror}. Free some space.") from error
        self._pictures += len(cameras)

    def _add_ego(self, ego: Mapping[str, float], timestamp_ns: int) -> None:
        row = {name: float(value) for name, value in ego.items()}
        if self._ego_rows and list(self._ego_rows[0]) != ["t_ns", *row]:
            raise ClipError(
                f"The ego row has {', '.join(row)}; the first had {', '.join(list(self._ego_rows[0])[1:])}. "
                "Give the same columns every time."
            )
        self._ego_rows.append({"t_ns": timestamp_ns, **row})

    def close(self) -> None:
        """Finish the videos and write the tables. What was recorded so far is a readable clip, or nothing."""
        with ExitStack() as stack:  # all of it, also where a part fails
            if self._commands:
                times, commands = zip(*self._commands, strict=True)
                stack.callback(_write_table, self.path / "command.parquet", {"t_ns": times, "command": commands})
            if self._ego_rows:
                columns = {name: [row[name] for row in self._ego_rows] for name in self._ego_rows[0]}
                stack.callback(_write_table, self.path / "ego.parquet", columns)
            if self._first_ns is None:  # a clip without a picture would only be in the way of the next recording
                stack.callback((self.path / "rig.json").unlink, missing_ok=True)
            for video in reversed(self._videos):
                stack.callback(video.close)
        self._videos, self._ego_rows, self._commands = [], [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class _Video:
    """One camera's video file and its times."""

    def __init__(
        self,
        folder: Path,
        camera: Camera,
        rate_hz: Fraction,
        codec: str,
        options: dict[str, str],
        gop: int,
        stagger: int,
    ) -> None:
        self._folder, self._camera, self._gop, self._stagger = folder, camera, gop, stagger
        self._times_ns: list[int] = []
        try:
            # MP4 states when a track starts in units of the movie's time scale, by default whole milliseconds.
            precise = {"movie_timescale": str(_TIME_BASE.denominator)}
            self._container = av.open(str(folder / f"{camera.name}.mp4"), "w", container_options=precise)
            self._stream = cast(av.VideoStream, self._container.add_stream(codec, rate=rate_hz, options=options))
        except (av.FFmpegError, ValueError, OSError) as error:
            raise ClipError(
                f"{folder} cannot be written with encoder {codec!r}: {error}. Use another encoder.", camera=camera.name
            ) from error
        self._stream.width, self._stream.height = camera.width_px, camera.height_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = gop
        self._stream.codec_context.time_base = _TIME_BASE
        self._stream.codec_context.thread_count = 1

    def write(self, image: np.ndarray | av.VideoFrame, timestamp_ns: int, first_ns: int) -> None:
        frame = image if isinstance(image, av.VideoFrame) else self._from_rgb(image)
        if (frame.width, frame.height) != (self._camera.width_px, self._camera.height_px):
            raise ClipError(
                f"{self._camera.name} got a picture of {frame.width}x{frame.height}; the rig says "
                f"{self._camera.width_px}x{self._camera.height_px}. Resize the picture or correct the rig.",
                camera=self._camera.name,
            )
        if frame.format.name != "yuv420p":
            frame = frame.reformat(format="yuv420p")
        index = len(self._times_ns)
        self._times_ns.append(timestamp_ns)
        frame.pts = round((timestamp_ns - first_ns) / (10**9 * _TIME_BASE))
        frame.time_base = _TIME_BASE
        is_key = index == 0 or index % self._gop == self._stagger
        frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise ClipError(
                f"{self._camera.name} cannot be written to {self._folder}: {error}. "
                "Check the free space, and that the encoder takes this picture size (H.264 needs even sizes).",
                camera=self._camera.name,
            ) from error

    def _from_rgb(self, image: np.ndarray) -> av.VideoFrame:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ClipError(
                f"{self._camera.name} got a picture of shape {image.shape} and type {image.dtype}. "
                "Pass (H, W, 3) uint8 RGB.",
                camera=self._camera.name,
            )
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")

    def close(self) -> None:
        try:
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise ClipError(f"{self._camera.name} cannot be written to {self._folder}: {error}.") from error
        finally:
            self._end()

    def _end(self) -> None:
        """Write the times of the pictures; without one, there is no video."""
        if not self._times_ns:
            (self._folder / f"{self._camera.name}.mp4").unlink(missing_ok=True)
            return
        rows = {"frame_index": np.arange(len(self._times_ns), dtype=np.int32), "t_ns": self._times_ns}
        _write_table(self._folder / f"{self._camera.name}.timestamps.parquet", rows)


def _write_table(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with replacing(path) as unfinished:
            pq.write_table(pa.table(dict(columns)), unfinished)
    except OSError as error:
        raise ClipError(f"{path} cannot be written ({error}). Free some space or choose another folder.") from error
