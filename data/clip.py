"""A recording of any form, opened: its cameras, calibration, clocks, ego motion and commands. `open_clip` makes one."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.camera_stream import CameraStream
from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.ego import CommandTrack, EgoTrack
from fsd.data.place_track import PlaceTrack
from fsd.data.rig import Rig
from fsd.data.steering import SteeringTrack
from fsd.data.wall_clock import Moment, WallClock


@dataclass(frozen=True)
class Clip:
    """A recording, ready to be read.

    Attributes:
        name: for display; path: what was opened.
        format: name of the format, such as `native` (with rig.json), `folder`, `parts`, `file`, `mapping`, `teslacam`.
        rig: described or assumed; `rig_is_assumed` says which.
        streams: (8,) one per camera of `CAMERAS`; None where there is no video.
        ego, commands: ego motion and route commands, where recorded.
        notes: sentences that state what was assumed.
        steering: angle of the steering wheel, where a CSV file beside a video has it.
        modes: who drove, where recorded; wall_clock: date and time, where known.
        moments: instants that the recording itself marks, in order.
        places: positions on the earth, where recorded; no output holds them.
    """

    name: str
    path: Path
    format: str
    rig: Rig
    rig_is_assumed: bool
    streams: tuple[CameraStream | None, ...]
    ego: EgoTrack | None = None
    commands: CommandTrack | None = None
    notes: tuple[str, ...] = ()
    steering: SteeringTrack | None = None
    modes: DrivingModeTrack | None = None
    wall_clock: WallClock | None = None
    moments: tuple[Moment, ...] = ()
    places: PlaceTrack | None = None

    @property
    def sizes_px(self) -> dict[str, tuple[int, int]]:
        """Camera -> width and height of its pictures; cameras without video are left out."""
        return {stream.name: (stream.width_px, stream.height_px) for stream in self.streams if stream is not None}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold pictures."""
        return tuple(file for stream in self.streams if stream is not None for file in stream.files)
