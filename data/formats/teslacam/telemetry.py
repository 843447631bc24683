"""Read the telemetry of one TeslaCam video file: one row per picture, bound to that picture's own time.

Demuxes and decodes nothing. The telemetry of a picture stands in the picture's packet, so the packet's presentation
time is the picture's, whatever the decoding order, and wherever in the file the telemetry begins.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import av
import numpy as np

from fsd.data.clock import floor_ns
from fsd.data.formats.teslacam.telemetry_message import TelemetryMessage, messages_in, nal_length_size_of
from fsd.data.physical_limits import MAX_SPEED_MPS
from fsd.data.video_probe import opened

_LIMITS = {
    "speed_mps": MAX_SPEED_MPS,
    "accelerator_pedal_position": 200.0,
    "steering_wheel_angle_deg": 3600.0,
    "latitude_deg": 90.0,
    "longitude_deg": 180.0,
    "heading_deg": 360.0,
    "acceleration_x_mps2": 200.0,
    "acceleration_y_mps2": 200.0,
    "acceleration_z_mps2": 200.0,
}
"""Largest magnitude of a value that is believed."""

_NEVER_ABSENT = ("speed_mps", "accelerator_pedal_position", "steering_wheel_angle_deg")
"""Absent means 0 for these, so NaN was written as such."""


@dataclass(frozen=True)
class TelemetryRows:
    """The telemetry of one file, one row per picture with a message, in order of time; all arrays are (n,).

    Attributes:
        timestamp_ns: int64, container time of the picture, strictly rising.
        gear, frame_sequence_number, autopilot_state: int64; the others as in `TelemetryMessage`, NaN where absent or
            dropped.
        pictures: pictures in the file, with and without a message; `first_ns` and `last_ns` are the times of the first
            and the last of them, None where there is none.
        damaged_messages: messages that cannot be read or are empty, or whose picture has no time or one that came
            before.
        dropped_values: values that no car can have (not finite, above 100 m/s, a latitude above 90 degrees).
        is_truncated: the file ends before its index says.
    """

    timestamp_ns: np.ndarray
    gear: np.ndarray
    frame_sequence_number: np.ndarray
    speed_mps: np.ndarray
    accelerator_pedal_position: np.ndarray
    steering_wheel_angle_deg: np.ndarray
    blinker_left: np.ndarray
    blinker_right: np.ndarray
    brake_applied: np.ndarray
    autopilot_state: np.ndarray
    latitude_deg: np.ndarray
    longitude_deg: np.ndarray
    heading_deg: np.ndarray
    acceleration_x_mps2: np.ndarray
    acceleration_y_mps2: np.ndarray
    acceleration_z_mps2: np.ndarray
    pictures: int
    first_ns: int | None = None
    last_ns: int | None = None
    damaged_messages: int = 0
    dropped_values: int = 0
    is_truncated: bool = False

    def __len__(self) -> int:
        return len(self.timestamp_ns)

    @property
    def coverage(self) -> float:
        """Share of the pictures that have a message; 0 where there is no picture."""
        return len(self) / self.pictures if self.pictures else 0.0


def read_telemetry(path: Path) -> TelemetryRows:
    """Read a file's telemetry; a file that is cut off gives the rows up to there.

    Raises:
        ClipError: the file cannot be opened as video.
    """
    messages: dict[int, TelemetryMessage] = {}
    times_ns: list[int] = []
    pictures, damaged, is_truncated = 0, 0, False
    with opened(path) as (container, stream):
        codec = stream.codec_context.name
        nal_length_size = nal_length_size_of(stream.codec_context.extradata, codec)
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                is_truncated = True
                break
            if packet is None:
                break
            if not packet.size or packet.is_discard:
                continue
            pictures += 1
            is_truncated |= packet.is_corrupt
            found = messages_in(memoryview(packet), nal_length_size, codec)
            if packet.pts is None or packet.time_base is None:
                damaged += bool(found)
                continue
            timestamp_ns = floor_ns(packet.pts * packet.time_base)
            times_ns.append(timestamp_ns)
            read = [message for message in map(_decoded, found) if message is not None]
            damaged += len(found) - len(read)
            if read and timestamp_ns not in messages:
                messages[timestamp_ns] = read[0]
            elif read:
                damaged += 1
    columns, dropped = _columns(messages)
    return TelemetryRows(
        **columns,
        pictures=pictures,
        first_ns=min(times_ns, default=None),
        last_ns=max(times_ns, default=None),
        damaged_messages=damaged,
        dropped_values=dropped,
        is_truncated=is_truncated,
    )


def _decoded(payload: bytes | None) -> TelemetryMessage | None:
    return None if payload is None else TelemetryMessage.decode(payload)


def _columns(messages: dict[int, TelemetryMessage]) -> tuple[dict[str, np.ndarray], int]:
    """The arrays of `TelemetryRows`, and how many values were dropped."""
    times_ns = sorted(messages)
    columns = {"timestamp_ns": np.array(times_ns, np.int64)}
    rows = [messages[time_ns] for time_ns in times_ns]
    dropped = 0
    for field in fields(TelemetryMessage):
        if field.name == "version":
            continue
        values = [getattr(row, field.name) for row in rows]
        if field.type is not float:
            # A damaged number may need 64 bits without a sign.
            columns[field.name] = np.array(values, np.uint64).astype(bool if field.type is bool else np.int64)
            continue
        column = np.array(values, np.float64)
        with np.errstate(invalid="ignore"):
            is_wrong = np.isinf(column) | (np.abs(column) > _LIMITS[field.name])
        if field.name in _NEVER_ABSENT:
            is_wrong |= np.isnan(column)
        columns[field.name] = np.where(is_wrong, np.nan, column)
        dropped += int(is_wrong.sum())
    dropped += _drop_half_positions(columns)
    return columns, dropped


def _drop_half_positions(columns: dict[str, np.ndarray]) -> int:
    latitude, longitude = columns["latitude_deg"], columns["longitude_deg"]
    is_half = np.isnan(latitude) ^ np.isnan(longitude)
    latitude[is_half] = longitude[is_half] = np.nan
    return int(is_half.sum())
