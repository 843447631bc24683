"""One scenario of a profile's `summary.json`; docs/profile.md describes the fields for people."""

import msgspec

from fsd.meters.cpu_steal import CpuSteal, NearCpuSteal
from fsd.meters.machine_load import MachineLoad
from fsd.meters.quantity import Quantity


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of a sample, milliseconds.

    A percentile that the samples do not support is None, and `refused` says how many it needs. `p99_upper_99` lies
    above the true p99 with 99% confidence. Everything is None without samples.
    """

    samples: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = msgspec.field(name="p99.9", default=None)
    p50_upper_99: float | None = None
    p90_upper_99: float | None = None
    p99_upper_99: float | None = None
    p99_9_upper_99: float | None = msgspec.field(name="p99.9_upper_99", default=None)
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    refused: dict[str, str] = {}

    def value(self, name: str) -> float | None:
        """A field by its name in the file, such as `p99.9`."""
        found: float | None = getattr(self, name.replace(".", "_"))
        return found


class StagePercentiles(Percentiles, frozen=True, kw_only=True):
    """Times of a stage, and its share of all time."""

    share: float


class StageSum(msgspec.Struct, frozen=True, kw_only=True):
    """Gap between the stages' sum and the total, as a share of the total: mean, and of the worst tick."""

    mean_gap: float
    worst_gap: float
    is_ok: bool


class ScenarioDeadline(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks that were planned after the deadline (`late`) or never (`skipped`); `misses` are both.

    `longest_run` is the most misses in a row. `near_cpu_steal` is None where the system does not report steal.
    """

    deadline_ms: float
    ticks: int
    late: int
    skipped: int
    misses: int
    longest_run: int
    near_cpu_steal: NearCpuSteal | None = None


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory, MiB."""

    start: float
    end: float
    max: float


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """Slope of the resident memory, KiB per minute, with a 95% interval."""

    kib_per_minute: float
    low_95: float
    high_95: float
    is_zero_within_noise: bool
    samples: int
    seconds: float


class MemoryPeaks(msgspec.Struct, frozen=True, kw_only=True):
    """Peak of the resident memory, MiB."""

    first_half: float
    second_half: float


class MemoryTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory over time, thinned."""

    seconds: list[float]
    mib: list[float]


class MemoryGrowth(Growth, frozen=True, kw_only=True):
    """Over the whole run; `second_half` is None where that is too short."""

    second_half: Growth | None
    peak_mib: MemoryPeaks
    timeline: MemoryTimeline


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time and memory of the process.

    Attributes:
        load: who used the processor meanwhile, and whether the times are a measurement.
        cpu_steal: None where the system does not report it.
        memory_growth: None for runs of less than a minute.
    """

    wall_s: float
    cpu_s: float
    cores_used: float | None
    load: MachineLoad | None = None
    cpu_steal: CpuSteal | None
    memory_mib: MemoryUse
    memory_growth: MemoryGrowth | None


class MeterEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """What one meter measured."""

    joules_per_tick: Quantity
    watts: Quantity


class Energy(MeterEnergy, frozen=True, kw_only=True):
    """The sum over all meters, which cover different parts, and each of them by name."""

    meters: dict[str, MeterEnergy] = {}


class MachineStallSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Stalls of threads that only read the clock, right before and after the scenario.

    Attributes:
        watched_s: summed over `threads`.
        stalls: gaps of more than `stalls_over_ms`; share_of_time_lost: their sum over `watched_s`.
    """

    watched_s: float
    threads: int
    stalls_over_ms: float
    stalls: int
    stalls_per_second: float | None
    longest_ms: float
    share_of_time_lost: float | None


class ScenarioSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario.

    Attributes:
        ticks: intended; planned: that came to a plan; warm_up_ticks: before them, without samples.
        latency_ms: from when the tick was due to its plan; total_ms: until it was written.
        age_of_information_ms: camera -> from capture to plan.
        dropped_frames, jitter_ms, machine_stalls: of `constant-stream` only.
    """

    ticks: int
    planned: int
    warm_up_ticks: int
    ticks_per_second: float
    times_real_time: float
    latency_ms: Percentiles
    total_ms: Percentiles
    stages_ms: dict[str, StagePercentiles]
    stage_check: StageSum
    deadline: ScenarioDeadline
    age_of_information_ms: dict[str, Percentiles]
    resources: Resources
    energy: Energy
    dropped_frames: dict[str, int] | None = None
    jitter_ms: Percentiles | None = None
    machine_stalls: MachineStallSummary | None = None
