"""TeslaCam events with a known truth: every picture shows its own capture time, and faults come on request.

The form is that of the cars, as public sources describe it: names, 1/10000 s time base, uneven steps of about 36.03 Hz,
H.264 Constrained Baseline with a keyframe every nine pictures, telemetry before every picture. Faults: `gap` (11 s
between minutes), `drift` (cameras of different length), `lag` (a camera that starts 0.9 s late), `zero` (an empty
file), `moov` (a file without its index), `jitter` (an uneven back camera), `halfsei` (no telemetry in the first half),
`hw4` (six cameras, a larger front).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fsd.data.formats.teslacam.telemetry_message import TelemetryMessage, sei_nal

FAULTS = ("gap", "drift", "lag", "zero", "moov", "jitter", "halfsei", "hw4")
HW3_CAMERAS = ("front", "back", "left_repeater", "right_repeater")
HW4_CAMERAS = (*HW3_CAMERAS, "left_pillar", "right_pillar")

UNITS_PER_S = 10_000
PERIOD_UNITS = 277.6
BITS = 24
_FIRST = datetime(2026, 1, 2, 15, 16, 32)
_LAG_UNITS = 9_170
_LAGGING_PICTURES = 4


@dataclass(frozen=True)
class EventForm:
    """Size and coding of an event's videos.

    Attributes:
        segment_s: length of a segment, whole seconds; a car's are 60 s.
        front_px, other_px: (width, height) of the front and the other cameras; the width is at least 24 x 8.
        kbit_per_s: of each camera, which noise in the pictures fills; None codes at a constant, low quality.
    """

    segment_s: int = 2
    segments: int = 3
    cameras: tuple[str, ...] = HW3_CAMERAS
    front_px: tuple[int, int] = (320, 240)
    other_px: tuple[int, int] = (320, 240)
    kbit_per_s: int | None = None


SMALL_HW4 = EventForm(cameras=HW4_CAMERAS, front_px=(480, 320))


def write_event(folder: Path, form: EventForm, faults: Collection[str] = (), seed: int = 0) -> None:
    """Write one event folder; deterministic for a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for segment in range(form.segments):
        hole_s = 11 if "gap" in faults and segment else 0
        second = segment * form.segment_s + hole_s
        stamp = f"{_FIRST + timedelta(seconds=second):%Y-%m-%d_%H-%M-%S}"
        for place, camera in enumerate(form.cameras):
            path = folder / f"{stamp}-{camera}.mp4"
            lags = "lag" in faults and segment == 0 and camera == "right_repeater"
            pictures = _LAGGING_PICTURES if lags else 36 * form.segment_s - (place if "drift" in faults else 0)
            jitter = 130 if "jitter" in faults and camera == "back" else 4
            random = np.random.default_rng((seed, segment, place))
            times = _LAG_UNITS * lags + PERIOD_UNITS * np.arange(pictures) + random.uniform(-jitter, jitter, pictures)
            without = pictures // 2 if "halfsei" in faults and segment == 0 else 0
            _write_video(path, np.maximum(np.rint(times), 0).astype(int), second * 1000, form, camera, without)
            if segment == form.segments - 1 and camera == "back" and "zero" in faults:
                path.write_bytes(b"")
            if segment == form.segments - 1 and camera == "right_repeater" and "moov" in faults:
                content = path.read_bytes()
                path.write_bytes(content[: content.rfind(b"moov") - 4])


def time_ms_in(luma: np.ndarray) -> int:
    """The capture time that a picture shows, milliseconds from the start of the event."""
    width = luma.shape[1] // BITS
    return sum(int(luma[4:12, bit * width + 2 : (bit + 1) * width - 2].mean() > 128) << bit for bit in range(BITS))


def _write_video(
    path: Path, times: np.ndarray, start_ms: int, form: EventForm, camera: str, without_telemetry: int
) -> None:
    size = form.front_px if camera == "front" else form.other_px
    options = {"profile": "baseline", "g": "9", "bf": "0", "preset": "ultrafast", "tune": "zerolatency"}
    rate = {"crf": "30"} if form.kbit_per_s is None else {"b": f"{form.kbit_per_s}k"}
    with av.open(str(path), "w", options={"video_track_timescale": str(UNITS_PER_S)}) as container:
        stream = container.add_stream("libx264", rate=36, options={**options, **rate})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, UNITS_PER_S)
        done = 0
        noise = np.random.default_rng(1).integers(0, 12, size[0] * size[1], np.uint8)
        texture = np.random.default_rng(0).integers(70, 150, (size[1] // 8 + 1, size[0] // 8 + 1), np.uint8)
        for time in (*times, None):
            picture = None
            if time is not None:
                drawn = _drawn(size, start_ms + round(time / 10), texture)
                if form.kbit_per_s is not None:
                    drawn[16:] += np.roll(noise, 977 * done)[: drawn[16:].size].reshape(drawn[16:].shape)
                picture = av.VideoFrame.from_ndarray(drawn, "gray")
                picture = picture.reformat(format="yuv420p")
                picture.pts, picture.time_base = int(time), Fraction(1, UNITS_PER_S)
            for packet in stream.encode(picture):
                container.mux(packet if done < without_telemetry else _with_telemetry(packet, done))
                done += 1


def _with_telemetry(packet: av.Packet, number: int) -> av.Packet:
    message = TelemetryMessage(gear=1, frame_sequence_number=number, speed_mps=12.0, heading_deg=90.0)
    with_message = av.Packet(b"\0\0\0\1" + sei_nal(message) + bytes(packet))
    for name in ("pts", "dts", "time_base", "stream", "is_keyframe"):
        setattr(with_message, name, getattr(packet, name))
    return with_message


def _drawn(size: tuple[int, int], time_ms: int, texture: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the time as 24 dark or bright blocks in the top rows, above a texture that moves."""
    width, height = size
    picture = np.kron(np.roll(texture, time_ms // 28, axis=1), np.ones((8, 8), np.uint8))[:height, :width].copy()
    block = width // BITS
    for bit in range(BITS):
        picture[:16, bit * block : (bit + 1) * block] = 235 if time_ms >> bit & 1 else 20
    return picture
