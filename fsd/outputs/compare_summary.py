"""Results of `fsd compare` (two replays, or two whole runs) and of `fsd profile --compare` (two profiles)."""

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


class ComparedWhole(msgspec.Struct, frozen=True, kw_only=True):
    """One of two whole runs; `models` and `budgets` are more than one where its clips were not replayed alike."""

    folder: str
    run: str
    clips: int
    hours: float
    models: tuple[str, ...]
    budgets: tuple[str, ...]
    fsd_versions: tuple[str, ...]


class MeanChange(msgspec.Struct, frozen=True, kw_only=True):
    """A value of every clip, in the unit that its name ends in: means over the clips, and the change from A to B.

    Attributes:
        clips: that have it in both runs; every one counts the same.
        low_95, high_95: bootstrap interval of `change`, over the clips; None for one clip, which tells no spread.
        worst_clip, worst_change: the clip of the largest rise.
        verdict: `better`, `worse`, `within noise` where the interval holds 0, or `one clip`.
    """

    clips: int
    mean_a: float
    mean_b: float
    change: float
    low_95: float | None
    high_95: float | None
    worst_clip: str
    worst_change: float
    verdict: str


class LargestDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute differences of plans: the largest of every clip. `max_clip` and `max_tick` are those of the largest."""

    median: float
    p99: float
    max: float
    max_clip: str
    max_tick: int


class RunCompareSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="compare-runs"):
    """Two whole runs, paired by recording.

    Attributes:
        clips_only_in_a, clips_only_in_b: recordings that are complete in one run only.
        changes: value of a clip -> change of its mean.
        differences: name -> plans at all ticks of all pairs; empty where the clips' own results are not there.
        tolerance: name -> limit. over: names over their limit; within_tolerance: None without a limit, and False where
            a recording is complete in one run only, or where nothing was compared that has a limit.
    """

    schema_version: int = 1
    a: ComparedWhole
    b: ComparedWhole
    common_clips: int
    clips_only_in_a: tuple[str, ...]
    clips_only_in_b: tuple[str, ...]
    changes: dict[str, MeanChange]
    differences: dict[str, LargestDifference]
    tolerance: dict[str, float]
    over: tuple[str, ...]
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
