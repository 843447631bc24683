"""One camera of a clip: its files, clock and picture size, as `VideoReader` needs them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fsd.data.clock import SECOND_NS, Timestamps, floor_ns


@dataclass(frozen=True)
class CameraStream:
    """The recording of one camera: one video file, or several part files in order.

    Attributes:
        name: canonical.
        parts: the files, in order.
        width_px, height_px: of the upright pictures.
        codec: of the first part, as FFmpeg names it.
        rate_hz: nominal frames per second, exact.
        has_times: the containers carry times; if not, times are the frame's index over `rate_hz`.
        timestamps: authoritative times, where there is a file of them.
        overlap_frames: number of frames at the start of every later part that repeat the end of the part before.
        parts_continue: container times of a part continue those of the part before, instead of starting anew.
        shift_ns: added to container times.
        start_ns, end_ns: estimated times of the first and the last frame, from headers; None where they are not known.
    """

    name: str
    parts: tuple[Path, ...]
    width_px: int
    height_px: int
    codec: str
    rate_hz: Fraction
    has_times: bool = True
    timestamps: Timestamps | None = None
    overlap_frames: int = 0
    parts_continue: bool = False
    shift_ns: int = 0
    start_ns: int | None = None
    end_ns: int | None = None

    @property
    def path(self) -> Path:
        return self.parts[0]

    @property
    def period_ns(self) -> int:
        """Nominal time from frame to frame."""
        measured_ns = self.timestamps.period_ns if self.timestamps else None
        return measured_ns or floor_ns(1 / self.rate_hz)

    @property
    def pixels_per_second(self) -> float:
        """Decoding load, by which cameras are assigned to workers."""
        return self.width_px * self.height_px * SECOND_NS / self.period_ns
