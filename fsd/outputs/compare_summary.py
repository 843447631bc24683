"""Results of `fsd compare` (two replays) and of `fsd profile --compare` (two profiles)."""

import msgspec

from fsd.outputs.replay_summary import Scores
from fsd.outputs.run_info import ModelInfo, Status, TimePercentiles
from fsd.outputs.summary_file import Summary


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two replays.

    Attributes:
        clip: name of the recording; network: whether it is trained.
        plan_ms: compress + infer + post per tick.
        scores: plan errors of the network; None without a driven path.
    """

    folder: str
    fsd_version: str
    status: Status
    clip: str
    model: ModelInfo
    network: str
    budget: str | None
    ticks: int
    plan_ms: TimePercentiles
    scores: Scores | None
    health: dict[str, int]


class ComparedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Both replays."""

    a: ComparedRun
    b: ComparedRun


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute differences over the common ticks; `max_tick` is the tick of the largest in run A."""

    median: float
    p99: float
    max: float
    max_tick: int


class CompareSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="compare"):
    """Two replays, matched by time.

    Attributes:
        same_frames: both read the same images at every common tick.
        first_different_input_tick, first_different_plan_tick: of run A; None if they never differ.
        differences: name -> spread, in the unit that the name ends in.
        tolerance: name -> limit. ticks_over_tolerance, within_tolerance: None without a limit; a tick that only one run
            has is not within any tolerance.
    """

    schema_version: int = 1
    runs: ComparedRuns
    common_ticks: int
    ticks_only_in_a: int
    ticks_only_in_b: int
    same_frames: bool
    first_different_input_tick: int | None
    first_different_plan_tick: int | None
    differences: dict[str, Spread]
    tolerance: dict[str, float]
    ticks_over_tolerance: int | None
    first_tick_over_tolerance: int | None
    within_tolerance: bool | None


class PercentileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One percentile of two profiles: `ratio` is new over old, with a 95% interval."""

    percentile: str
    old_ms: float
    new_ms: float
    ratio: float
    low_95: float
    high_95: float
    verdict: str


class ScenarioChange(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario of two profiles: sample counts, and the percentiles that both support."""

    samples: tuple[int, int]
    percentiles: tuple[PercentileChange, ...]


class ProfileComparison(Summary, frozen=True, kw_only=True, tag_field="command", tag="profile-compare"):
    """Two profiles.

    Attributes:
        old, new: paths of the summaries.
        changed: settings and facts that differ, one line each.
        machine_drift: largest ratio between the machine's measured peaks, 1 or more.
    """

    schema_version: int = 1
    old: str
    new: str
    changed: tuple[str, ...]
    machine_drift: float
    scenarios: dict[str, ScenarioChange]
