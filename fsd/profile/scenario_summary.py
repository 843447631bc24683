"""A scenario's samples as the figures of `summary.json`; docs/profile.md describes every field."""

from dataclasses import asdict
from typing import Any

import numpy as np

from fsd.data.frames import CAMERAS, RATE_HZ, TICK_NS
from fsd.meters.cpu_steal import is_beside_theft
from fsd.meters.quantity import unavailable
from fsd.profile.config import PACED
from fsd.profile.samples import STAGES, TickSamples
from fsd.profile.scenarios import ScenarioRun
from fsd.profile.stats.deadlines import check_deadline, interval_errors_ms
from fsd.profile.stats.percentiles import describe


def summarise(run: ScenarioRun, deadline_ms: float) -> dict[str, Any]:
    """All figures of one scenario, JSON-ready."""
    samples = run.samples
    latency_ms = samples.latency_ms
    summary: dict[str, Any] = {
        "ticks": samples.ticks,
        "planned": int(samples.is_planned.sum()),
        "warm_up_ticks": run.warm_up_ticks,
        "ticks_per_s": run.ticks_per_s,
        "times_real_time": run.ticks_per_s / float(RATE_HZ),
        "latency_ms": describe(latency_ms[samples.is_planned]),
        "total_ms": describe(samples.total_ms[samples.is_planned]),
        "stages_ms": _stages(samples),
        "stage_check": _stage_check(samples),
        "deadline": _deadline(run, deadline_ms),
        "age_of_information_ms": _ages(samples),
        "resources": run.resources.to_dict(),
        "energy": _energy(run),
    }
    if run.name == PACED:
        summary["dropped_frames"] = dict(run.dropped_frames)
        summary["jitter_ms"] = describe(np.abs(interval_errors_ms(samples.planned_ns, TICK_NS)))
    return summary


def _stages(samples: TickSamples) -> dict[str, dict[str, Any]]:
    """Percentiles of each stage, and its share of all time, which adds up to 1 over the stages."""
    total_ms = float(np.nansum(samples.total_ms))
    return {
        stage: describe(values) | {"share": float(values.sum()) / total_ms if total_ms else 0.0}
        for stage in STAGES
        if len(values := samples.stage_ms(stage))
    }


def _stage_check(samples: TickSamples) -> dict[str, Any]:
    check = samples.check_stages()
    return {"mean_gap": check.mean_gap, "worst_gap": check.worst_gap, "ok": check.is_ok}


def _deadline(run: ScenarioRun, deadline_ms: float) -> dict[str, Any]:
    latency_ms = run.samples.latency_ms
    report = check_deadline(latency_ms, deadline_ms)
    found = asdict(report) | {"misses": report.misses}
    if run.name == PACED:
        found["beside_stolen_time"] = _beside_stolen_time(run, deadline_ms)
    return found


def _beside_stolen_time(run: ScenarioRun, deadline_ms: float) -> dict[str, int] | None:
    """How many ticks, and how many misses, were due when the hypervisor took time; None where nobody knows."""
    times_s, stolen_s, latency_ms = run.resources.times_s, run.resources.stolen_s, run.samples.latency_ms
    if not np.isfinite(stolen_s).all():
        return None
    due_s = (run.start_ns + TICK_NS * np.arange(len(latency_ms))) / 1e9
    is_beside = is_beside_theft(times_s, stolen_s, due_s)
    is_miss = ~(latency_ms <= deadline_ms)  # a skipped tick is NaN
    return {"ticks": int(is_beside.sum()), "misses": int((is_beside & is_miss).sum())}


def _ages(samples: TickSamples) -> dict[str, Any]:
    return {name: describe(ages) for camera, name in enumerate(CAMERAS) if len(ages := samples.age_ms(camera))}


def _energy(run: ScenarioRun) -> dict[str, Any]:
    planned = max(int(run.samples.is_planned.sum()), 1)
    meters = run.resources.energy(planned)
    if not meters:
        why = "no energy meter on this machine"
        return {
            "joules_a_tick": unavailable("J", why).to_dict(),
            "watts": unavailable("W", why).to_dict(),
            "meters": {},
        }
    # Meters cover different parts (processor, graphics card): together they are the sum, each is kept as well.
    source = "; ".join(watts.source for _, _, watts in meters)
    joules = sum(figure.value or 0.0 for _, figure, _ in meters)
    watts = sum(figure.value or 0.0 for _, _, figure in meters)
    return {
        "joules_a_tick": {"value": joules, "unit": "J", "tag": "measured", "source": source},
        "watts": {"value": watts, "unit": "W", "tag": "measured", "source": source},
        "meters": {
            meter.name: {"joules_a_tick": joules_figure.to_dict(), "watts": watts_figure.to_dict()}
            for meter, joules_figure, watts_figure in meters
        },
    }
