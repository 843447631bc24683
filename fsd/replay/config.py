"""Settings of `fsd replay` and `fsd demo`: what is read, what plans, and what is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fsd.data.ego import COMMANDS
from fsd.data.options import Options, option, results_folder
from fsd.data.recording_options import RecordingOptions
from fsd.data.result_record import SUMMARY_FILE
from fsd.overlay.layout import OverlayConfig
from fsd.runtime.options import ModelOptions
from fsd.viewers.foxglove_layout import LAYOUT_FILE

STILL_FILE, GIF_FILE = "still.png", "overlay.gif"
ERRORS_FILE, WORST_TICKS_FILE = "errors.parquet", "worst_ticks.parquet"
TABLES = ("plan.parquet", "ticks.parquet", "plan.arrows", "ticks.arrows", ERRORS_FILE, WORST_TICKS_FILE)
RESULT_FILES = (
    *TABLES,
    SUMMARY_FILE,
    "overlay.mp4",
    STILL_FILE,
    GIF_FILE,
    "report.html",
    "drive.mcap",
    LAYOUT_FILE,
    "drive.rrd",
)
"""What a replay may write."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Options):
    """Which files a replay writes besides its tables and `summary.json`.

    Without the extra `viewer`, no `drive.mcap` is written and the summary says so; `rerun` needs the extra `rerun`.
    """

    heading = "output"

    out: Path = results_folder("out/replay")
    overlay: bool = option(True, "do not write the overlay video, overlay.mp4")
    report: bool = option(True, "do not write the report, report.html")
    mcap: bool = option(True, "do not write the Foxglove recording, drive.mcap")
    rerun: bool = option(False, "also write the Rerun recording, drive.rrd; needs the extra `rerun`")
    keep_location: bool = option(
        False,
        "leave the telemetry that a car embeds in its video, with the position, in drive.mcap and drive.rrd; "
        "by default it is removed",
    )
    latency_ms: float | None = option(
        None,
        "latency that the latency-charged scores assume for every plan",
        unit="ms",
        at_least=0,
        default_text="the latency measured in this run",
    )

    @property
    def result_files(self) -> tuple[str, ...]:
        """What this replay writes, of `RESULT_FILES`."""
        wanted = {
            "overlay.mp4": self.overlay,
            "report.html": self.report,
            WORST_TICKS_FILE: self.report,
            "drive.mcap": self.mcap,
            LAYOUT_FILE: self.mcap,
            "drive.rrd": self.rerun,
        }
        return tuple(name for name in RESULT_FILES if wanted.get(name, True))


@dataclass(frozen=True, kw_only=True)
class ReplayConfig(OutputOptions, ModelOptions, RecordingOptions):
    """Settings of a replay."""

    heading = "network"

    command: str | None = option(
        None,
        "route command given to the network throughout the recording",
        choices=COMMANDS,
        default_text=f"the recorded commands, or {COMMANDS[0]}",
    )
    overlay_config: OverlayConfig = field(default_factory=OverlayConfig)

    @property
    def result_files(self) -> tuple[str, ...]:
        """What this replay writes, of `RESULT_FILES`."""
        unwanted = {STILL_FILE} if self.overlay_config.still_s is None else set()
        unwanted |= set() if self.overlay_config.gif else {GIF_FILE}
        return tuple(name for name in super().result_files if name not in unwanted)

    def inputs(self, videos: Sequence[Path]) -> tuple[Path, ...]:
        """The files that this replay reads; `videos` are those of the recording."""
        return (self.clip, *videos, *self.model_files)


@dataclass(frozen=True)
class Shard:
    """Every `count`-th recording from `index` on: `Shard(0, 4)` to `Shard(3, 4)` share a list between four machines."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"A shard is I/N with I from 0 to N-1, got {self}.")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `I/N`.

        Raises:
            ValueError: anything else.
        """
        index, slash, count = text.partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal():
            raise ValueError(f"A shard is I/N such as 0/4, got {text!r}.")
        return cls(int(index), int(count))


@dataclass(frozen=True, kw_only=True)
class BatchOptions(Options):
    """How many recordings are replayed: see `replay_many`."""

    heading = "several recordings (each gets its own folder below --out)"

    workers: int | None = option(
        None,
        "recordings that are replayed at the same time",
        at_least=1,
        default_text="1, or with --ray as many as fit into the cluster",
    )
    shard: Shard = option(
        Shard(), "replay only every N-th recording, starting at index I (from 0)", metavar="I/N", parse=Shard.parse
    )
    force: bool = option(False, "also replay recordings whose results are already complete")
