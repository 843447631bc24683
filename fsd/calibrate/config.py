"""Settings of `fsd calibrate`."""

from dataclasses import dataclass
from pathlib import Path

from fsd.data.options import option
from fsd.data.recording_options import RecordingOptions

RIG_FILE = "rig.json"


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(RecordingOptions):
    """Settings of a calibration. `out` is a file, or an existing folder to write `rig.json` into."""

    out: Path = option(Path("out") / RIG_FILE, "file for the calibration", metavar="FILE")
    force: bool = option(False, "replace the calibration that is there")
    use_ego: bool = option(True, "ignore the recorded ego motion; focal lengths are then unknown", flag="--no-ego")

    @property
    def rig_path(self) -> Path:
        return self.out / RIG_FILE if self.out.is_dir() else self.out
