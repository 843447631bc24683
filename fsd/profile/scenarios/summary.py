"""Turns a scenario's samples into its part of `summary.json`; docs/profile.md describes every field."""

import msgspec
import numpy as np

from fsd.data.frames import CAMERAS, RATE_HZ, TICK_NS
from fsd.meters.cpu_steal import NearCpuSteal, near_cpu_steal
from fsd.meters.quantity import measured, unavailable
from fsd.outputs.profile_scenario import (
    Energy,
    Percentiles,
    ScenarioDeadline,
    ScenarioSummary,
    StagePercentiles,
    StageSum,
)
from fsd.profile.config import PACED
from fsd.profile.scenarios.machine_stalls import MachineStalls
from fsd.profile.scenarios.runs import ScenarioRun
from fsd.profile.scenarios.samples import STAGES, TickSamples
from fsd.profile.stats.deadlines import check_deadline, interval_errors_ms
from fsd.profile.stats.percentiles import summarise_percentiles


def summarise(run: ScenarioRun, deadline_ms: float, stalls: MachineStalls | None = None) -> ScenarioSummary:
    """Summarise one scenario; `stalls` are those of the machine around the paced one."""
    samples, is_paced = run.samples, run.name == PACED
    return ScenarioSummary(
        ticks=samples.ticks,
        planned=int(samples.is_planned.sum()),
        warm_up_ticks=run.warm_up_ticks,
        ticks_per_second=run.ticks_per_s,
        times_real_time=run.ticks_per_s / float(RATE_HZ),
        latency_ms=summarise_percentiles(samples.latency_ms[samples.is_planned]),
        total_ms=summarise_percentiles(samples.total_ms[samples.is_planned]),
        stages_ms=_stages(samples),
        stage_check=_stage_check(samples),
        deadline=_deadline(run, deadline_ms),
        age_of_information_ms=_ages(samples),
        resources=run.resources.summary(),
        energy=_energy(run),
        dropped_frames=dict(run.dropped_frames) if is_paced else None,
        jitter_ms=summarise_percentiles(np.abs(interval_errors_ms(samples.planned_ns, TICK_NS))) if is_paced else None,
        machine_stalls=stalls.summary() if is_paced and stalls is not None else None,
    )


def _stages(samples: TickSamples) -> dict[str, StagePercentiles]:
    """Percentiles of each stage, and its share of all time; the shares add up to 1."""
    total_ms = float(np.nansum(samples.total_ms))
    return {
        stage: StagePercentiles(
            **msgspec.structs.asdict(summarise_percentiles(values)),
            share=float(values.sum()) / total_ms if total_ms else 0.0,
        )
        for stage in STAGES
        if len(values := samples.stage_ms(stage))
    }


def _stage_check(samples: TickSamples) -> StageSum:
    check = samples.check_stages()
    return StageSum(mean_gap=check.mean_gap, worst_gap=check.worst_gap, is_ok=check.is_ok)


def _deadline(run: ScenarioRun, deadline_ms: float) -> ScenarioDeadline:
    report = check_deadline(run.samples.latency_ms, deadline_ms)
    return ScenarioDeadline(
        deadline_ms=report.deadline_ms,
        ticks=report.ticks,
        late=report.late,
        skipped=report.skipped,
        misses=report.misses,
        longest_run=report.longest_run,
        near_cpu_steal=_near_cpu_steal(run, deadline_ms) if run.name == PACED else None,
    )


def _near_cpu_steal(run: ScenarioRun, deadline_ms: float) -> NearCpuSteal | None:
    """Ticks, and misses, that were due when the hypervisor took time; None where the system does not report it."""
    times_s, steal_s, latency_ms = run.resources.times_s, run.resources.steal_s, run.samples.latency_ms
    if not np.isfinite(steal_s).all():
        return None
    due_s = (run.start_ns + TICK_NS * np.arange(len(latency_ms))) / 1e9
    is_near = near_cpu_steal(times_s, steal_s, due_s)
    is_miss = ~(latency_ms <= deadline_ms)  # a skipped tick is NaN
    return NearCpuSteal(int(is_near.sum()), int((is_near & is_miss).sum()))


def _ages(samples: TickSamples) -> dict[str, Percentiles]:
    return {
        name: summarise_percentiles(ages) for camera, name in enumerate(CAMERAS) if len(ages := samples.age_ms(camera))
    }


def _energy(run: ScenarioRun) -> Energy:
    meters = run.resources.energy(max(int(run.samples.is_planned.sum()), 1))
    if not meters:
        why = "no energy meter on this machine"
        return Energy(joules_per_tick=unavailable("J", why), watts=unavailable("W", why))
    # Meters cover different parts (processor, graphics card): the total is their sum.
    source = "; ".join(each.watts.source for each in meters.values())
    joules = sum(each.joules_per_tick.value or 0.0 for each in meters.values())
    watts = sum(each.watts.value or 0.0 for each in meters.values())
    return Energy(joules_per_tick=measured(joules, "J", source), watts=measured(watts, "W", source), meters=meters)
