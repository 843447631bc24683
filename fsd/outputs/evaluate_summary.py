"""`summary.json` of `fsd evaluate`, and of `fsd replay` with a data set; docs/evaluation.md describes the fields."""

import msgspec

from fsd.meters.machine import MachineInfo
from fsd.outputs.run_info import ModelInfo, ReportedRun


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over ticks, with a 95% interval over drives; `low` and `high` are None with fewer than two drives."""

    value: float
    low: float | None
    high: float | None
    ticks: int
    drives: int


Scores = dict[str, Estimate]
"""Metric -> estimate; one that no tick supports is left out."""


class ScoredData(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a data set that was run.

    Attributes:
        name: of the folder; index_sha256: of its index: equal ones hold the same rows.
        rows: that were run; scored_rows: those of them that are scored; hours: of recording.
        cameras: camera -> share of the rows that were run in which it had a picture.
        curvature_from: source of the curvature -> clips.
        simulated_clips: whose pictures are rendered.
    """

    name: str
    index_sha256: str
    budget: str
    part: str
    every_ticks: int
    clips: int
    drives: int
    rows: int
    scored_rows: int
    hours: float
    cameras: dict[str, float]
    curvature_from: dict[str, int]
    simulated_clips: int = 0


class DatasetRun(ReportedRun, frozen=True, kw_only=True):
    """A network that was run over a data set.

    Attributes:
        network: starts with `trained` or `untrained`.
        approximate: sentences that say how this differs from a replay of the videos.
        planners: `network` and the baselines -> their errors over the same ticks.
        gains: baseline -> metric -> error of the network minus that of the baseline; below 0 the network is better.
        health: flag of `Plan.health` -> rows; replaced_outputs: as of a replay.
        runs: how often each row was run; ticks_per_s: of all of them; times_real_time: recorded time of all runs over
            the wall time. cpu_ms_per_tick: processor time of the whole process, which other programs disturb less.
        infer_ms_p50: of one tick through the network; None before there was one.
        plan_hash: over all plans of the network in the order of the stretches; None before there was one.
    """

    model: ModelInfo
    network: str
    data: ScoredData
    approximate: tuple[str, ...]
    planners: dict[str, Scores]
    gains: dict[str, Scores]
    health: dict[str, int]
    replaced_outputs: dict[str, int]
    runs: int
    workers: int
    threads: int
    wall_s: float
    ticks_per_s: float | None
    times_real_time: float | None
    cpu_ms_per_tick: float | None
    infer_ms_p50: float | None
    plan_hash: str | None
    machine: MachineInfo


class DatasetReplaySummary(DatasetRun, frozen=True, kw_only=True, tag_field="command", tag="replay dataset"):
    """A replay of a data set."""

    schema_version: int = 1


class BinScores(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks with a value from `low` on, below `high`; planner -> scores. `high` is None in the last bin."""

    low: float
    high: float | None
    ticks: int
    drives: int
    planners: dict[str, Scores]


class WithheldScores(msgspec.Struct, frozen=True, kw_only=True):
    """The same network without some of its inputs.

    Attributes:
        description: what is withheld; scores: over the ticks of the whole network.
        losses: metric -> error minus that of the whole network.
    """

    description: str
    scores: Scores
    losses: Scores


class StatedUncertainty(msgspec.Struct, frozen=True, kw_only=True):
    """Errors against the scale of the Laplace distribution that the network states.

    Attributes:
        mean_ratio: mean of error over scale; 1 where the scale is right, above where it is too small.
        covered: share of the errors within the interval that should hold each of `EvaluateSummary.nominal`.
    """

    mean_ratio: Estimate
    covered: tuple[float, ...]


class EvaluateSummary(DatasetRun, frozen=True, kw_only=True, tag_field="command", tag="evaluate"):
    """The open-loop card of a network.

    Attributes:
        speed_bins: by speed in m/s; curvature_bins: by curvature of either side, in 1/m.
        withheld: name -> scores without some inputs.
        nominal: shares for `uncertainty`, by output.
        resamples: of the drives, behind every interval.
        key: digest of network, rows, options and version; a run with the same one would repeat this one.
    """

    schema_version: int = 1
    speed_bins: tuple[BinScores, ...]
    curvature_bins: tuple[BinScores, ...]
    withheld: dict[str, WithheldScores]
    nominal: tuple[float, ...]
    uncertainty: dict[str, StatedUncertainty]
    resamples: int
    key: str = ""
