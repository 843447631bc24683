"""`summary.json` of `fsd dataset build`; docs/dataset.md describes the fields for people."""

import msgspec

from fsd.networks.drives.clip_record import Histogram
from fsd.outputs.run_info import ReportedRun


class BadClip(msgspec.Struct, frozen=True):
    """A recording that is not in the data set, and why."""

    clip: str
    reason: str


class SkewedClip(msgspec.Struct, frozen=True, kw_only=True):
    """A clip whose telemetry is clearly off from the video by more than a tick; `offset_ms` as in `SkewRecord`."""

    clip: str
    against: str
    offset_ms: float
    uncertainty_ms: float
    correlation: float
    is_mended: bool


class SkewSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Clips by what was found: in time within a tick, `off`, or not clear (too straight, too short, no agreement)."""

    in_time: int
    not_clear: int
    off: tuple[SkewedClip, ...]


class BudgetSize(msgspec.Struct, frozen=True, kw_only=True):
    """Size of the shards of one budget: per recorded tick, and per hour of recording."""

    total_bytes: int
    bytes_per_tick: int
    bytes_per_hour: int


class PartSize(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the data set: rows to learn from or to score, their time, drives and clips that have some."""

    rows: int
    hours: float
    drives: int
    clips: int


class DatasetSummary(ReportedRun, frozen=True, kw_only=True, tag_field="command", tag="dataset"):
    """A data set.

    Attributes:
        options: of the build, as JSON; every clip was built with them.
        clips: in the data set, of which `kept_clips` were there before this build; bad_clips: those left out.
        hours: of recordings; ticks: at 36 Hz; rows: recorded ticks; used_rows: those to learn from.
        label_bytes: of the labels of all clips; sizes: budget -> size.
        left_out: reason -> rows; standing_rows: all rows at standstill, of which some are left out.
        horizon_rows: used rows with a known path at each waypoint time, 0.25 to 4 s.
        parts: `train`, `validation`, `test`; split_by: `place` or `drive` -> clips.
        modes: driving mode -> rows; paths: source of the path -> clips.
        simulated_clips: whose pictures are rendered, as their rigs say.
        odometry_off_clips: compressed with ego motion at times that were mended only for the labels.
        built_ticks_per_s: ticks of this build over its wall time, None if all clips were kept.
    """

    schema_version: int = 1
    options: str
    every_ticks: int
    clips: int
    kept_clips: int
    bad_clips: tuple[BadClip, ...]
    hours: float
    ticks: int
    rows: int
    used_rows: int
    label_bytes: int
    sizes: dict[str, BudgetSize]
    left_out: dict[str, int]
    standing_rows: int
    horizon_rows: tuple[int, ...]
    skew: SkewSummary
    odometry_off_clips: int
    parts: dict[str, PartSize]
    split_by: dict[str, int]
    modes: dict[str, int]
    paths: dict[str, int]
    histograms: dict[str, Histogram]
    wall_s: float
    built_ticks_per_s: float | None
    simulated_clips: int = 0
