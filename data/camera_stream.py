"""One camera of a clip, wherever its pictures are: what `FrameSource` needs to know, and how to read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fsd.data.cadence import Cadence
from fsd.data.clock import SECOND_NS, Timestamps, floor_ns
from fsd.data.sync_report import CameraCounters

if TYPE_CHECKING:
    import av


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: its place in the recording, counted from 0, and its time; `is_damaged` as the decoder says."""

    index: int
    timestamp_ns: int
    picture: "av.VideoFrame"
    is_damaged: bool = False


@dataclass(frozen=True, kw_only=True)
class CameraStream:
    """The recording of one camera; `VideoStream`, `ImageStream` and others say where the pictures are.

    Attributes:
        name: canonical.
        width_px, height_px: of the upright pictures.
        codec: as FFmpeg names it.
        rate_hz: nominal frames per second, exact.
        timestamps: authoritative times, where there is a table of them.
        start_ns, end_ns: estimated times of the first and the last frame; None where they are not known.
        cadence: measured from headers or a table; None where they do not state times.
        hwaccel: kind of hardware that decodes the pictures; "" is software.
        may_use_hardware: whether `pictures` heeds `hwaccel`.
    """

    may_use_hardware: ClassVar[bool] = False

    name: str
    width_px: int
    height_px: int
    codec: str
    rate_hz: Fraction
    timestamps: Timestamps | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    cadence: Cadence | None = None
    hwaccel: str = ""

    def pictures(self, counters: CameraCounters) -> Iterator[Picture]:
        """Decode all pictures in order. Times may fall or stray; `timed_pictures` sees to that."""
        raise NotImplementedError

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the pictures, in order; there is at least one."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        return self.files[0]

    @property
    def period_ns(self) -> int:
        """Nominal time from frame to frame."""
        measured_ns = self.timestamps.period_ns if self.timestamps else None
        return measured_ns or floor_ns(1 / self.rate_hz)

    @property
    def spans_ns(self) -> tuple[tuple[int, int], ...]:
        """First and last frame time of each stretch without a hole, estimated; empty where they are not known."""
        return () if self.start_ns is None or self.end_ns is None else ((self.start_ns, self.end_ns),)

    @property
    def pixels_per_second(self) -> float:
        """Decoding load, by which cameras are assigned to workers."""
        return self.width_px * self.height_px * SECOND_NS / self.period_ns
