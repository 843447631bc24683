"""Settings of `fsd dataset build`."""

import json
from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import ALL_BUDGETS
from fsd.data.options import OptionError, option
from fsd.data.recording_options import CameraOptions
from fsd.data.result_record import SUMMARY_FILE
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry
from fsd.networks.drives.clip_builder import BuildSettings
from fsd.networks.drives.quality import MODE_CHOICES
from fsd.networks.drives.recorded_dataset import INDEX_FILE

PAGE_FILE = "dataset.html"
RESULT_FILES = (INDEX_FILE, PAGE_FILE, SUMMARY_FILE)
"""What a build writes besides the folders of the clips."""


@dataclass(frozen=True, kw_only=True)
class DatasetConfig(CameraOptions):
    """Settings of a build. A data set may be built in steps: clips that are in it are kept."""

    sources: tuple[Path, ...] = option(
        help="recordings, or folders of recordings, of any known format", flag="", metavar="SOURCE"
    )
    out: Path = option(Path("out/dataset"), "folder of the data set, created if missing", metavar="DATASET")
    budget: tuple[str, ...] = option(
        BuildSettings.budgets, "budgets of the compressor; several are made from one decode", choices=tuple(ALL_BUDGETS)
    )
    workers: int = option(1, "clips that are built at a time, one process each", at_least=1)
    every_ticks: int = option(
        BuildSettings.every_ticks, "record one in this many ticks, 36 per second; 1 records all", at_least=1, at_most=36
    )
    modes: str = option("all", "ticks to learn from, by who drove, where the recording says so", choices=MODE_CHOICES)
    max_standing_s: float = option(
        BuildSettings.max_standing_s, "how much of each stop to learn from", unit="s", at_least=0
    )
    mend_skew: bool = option(True, "do not shift telemetry whose clock is clearly off from that of the video")
    steering_ratio: float = option(
        LINCOLN_MKZ.ratio, "steering wheel over road wheel angle, for recordings without ego motion", above=0
    )
    wheelbase_m: float = option(
        LINCOLN_MKZ.wheelbase_m, "wheelbase, for recordings without ego motion", unit="m", above=0, flag="--wheelbase-m"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.budget)) < len(self.budget):
            raise OptionError("budget", "names a budget twice")

    @property
    def _reading(self) -> str:
        """The options that decide which pictures are read, as text without the folders of files."""
        cameras = {name: path.name for name, path in (self.cameras or {}).items()}
        return json.dumps([cameras, self.rate_hz, self.align_start, self.mask_cameras])

    @property
    def settings(self) -> BuildSettings:
        return BuildSettings(
            budgets=self.budget,
            every_ticks=self.every_ticks,
            modes=self.modes,
            max_standing_s=self.max_standing_s,
            mends_skew=self.mend_skew,
            geometry=SteeringGeometry(self.steering_ratio, self.wheelbase_m),
            reading=self._reading,
        )
