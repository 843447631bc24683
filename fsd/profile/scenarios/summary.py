"""The part of `summary.json` that describes one scenario; docs/profile.md describes every field."""

import msgspec
import numpy as np

from fsd.data.frames import CAMERAS, RATE_HZ, TICK_NS
from fsd.meters.cpu_steal import near_cpu_steal
from fsd.outputs.profile_scenario import MachineStallSummary, ScenarioSummary, StagePercentiles
from fsd.profile.config import PACED
from fsd.profile.scenarios.runs import ScenarioRun
from fsd.profile.scenarios.samples import STAGES, TickSamples
from fsd.profile.stats.deadlines import check_deadline, interval_errors_ms
from fsd.profile.stats.percentiles import summarise_percentiles


def summarise(
    run: ScenarioRun, deadline_ms: float, stalls: MachineStallSummary | None = None, device: str = "cpu"
) -> ScenarioSummary:
    """Summarise one scenario; `stalls` are those of the machine around the paced one."""
    samples, is_paced = run.samples, run.name == PACED
    planned = int(samples.is_planned.sum())
    ages = {name: samples.age_ms(camera) for camera, name in enumerate(CAMERAS)}
    return ScenarioSummary(
        ticks=samples.ticks,
        planned=planned,
        warm_up_ticks=run.warm_up_ticks,
        ticks_per_second=run.ticks_per_s,
        times_real_time=run.ticks_per_s / float(RATE_HZ),
        latency_ms=summarise_percentiles(samples.latency_ms[samples.is_planned]),
        total_ms=summarise_percentiles(samples.total_ms[samples.is_planned]),
        stages_ms=_stages(samples),
        stage_check=samples.check_stages(),
        deadline=check_deadline(samples.latency_ms, deadline_ms, _near_cpu_steal(run) if is_paced else None),
        age_of_information_ms={name: summarise_percentiles(each) for name, each in ages.items() if len(each)},
        resources=run.resources.summary(samples.planning_s() if device == "cpu" else None),
        energy=run.resources.energy(max(planned, 1)),
        dropped_frames=dict(run.dropped_frames) if is_paced else None,
        jitter_ms=summarise_percentiles(np.abs(interval_errors_ms(samples.planned_ns, TICK_NS))) if is_paced else None,
        machine_stalls=stalls if is_paced else None,
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


def _near_cpu_steal(run: ScenarioRun) -> np.ndarray | None:
    """(T,) ticks that were due when the hypervisor took CPU time; None where the system does not report it."""
    times_s, steal_s = run.resources.times_s, run.resources.steal_s
    if not np.isfinite(steal_s).all():
        return None
    due_s = (run.start_ns + TICK_NS * np.arange(run.samples.ticks)) / 1e9
    return near_cpu_steal(times_s, steal_s, due_s)
