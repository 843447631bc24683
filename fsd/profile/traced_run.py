"""A short run that traces pipeline stages, decoder threads and ONNX Runtime's operators on one clock.

Its latencies are not reported: ONNX Runtime's profile slows the network down.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from fsd.data.clip import Clip
from fsd.profile.config import ProfileConfig
from fsd.profile.operators.runtime_trace import OperatorEvent, OperatorProfile, clock_offset_ns
from fsd.profile.scenarios.runs import ScenarioRun, constant_stream
from fsd.profile.scenarios.samples import STAGES, TickSamples
from fsd.profile.scenarios.timed_pipeline import TimedPipeline
from fsd.profile.trace import ChromeTrace
from fsd.third_party.open_planner import open_planner

TICK_TRACK = "tick"
WARM_UP = 36


class TracedRun(NamedTuple):
    """The trace, the operators of each sampled tick, and the network's inputs at the last one."""

    trace: ChromeTrace
    operator_runs: list[list[OperatorEvent]]
    feeds: dict[str, np.ndarray]


def trace_run(clip: Clip, config: ProfileConfig) -> TracedRun:
    """Trace a few paced ticks."""
    with TemporaryDirectory(prefix="fsd-trace-") as folder:
        operators = OperatorProfile(Path(folder) / "operators")
        planner = open_planner(
            clip.rig, config.model, config.adapter, config.threads, config.device, operators.open_session
        )
        with TimedPipeline(clip, planner, mask_cameras=config.mask_cameras) as pipeline:
            run = constant_stream(
                pipeline, config.trace_ticks, config.decode_workers, WARM_UP, timing=config, log_decode=True
            )
        offset_ns = clock_offset_ns()
        runs, wall_start_ns = operators.end()
    trace = ChromeTrace("fsd profile")
    _add_stages(trace, run.samples, config.limit_ms)
    for track, name, start_ns, end_ns in run.decode_log:
        if end_ns >= run.start_ns:
            trace.span(track, name, start_ns, end_ns)
    sampled = runs[-int(run.samples.is_planned.sum()) :]
    for events in sampled:
        add_operators(trace, TICK_TRACK, events, wall_start_ns - offset_ns)
    _add_memory(trace, run)
    return TracedRun(trace, sampled, {name: array.copy() for name, array in planner.inputs.items()})


def add_operators(trace: ChromeTrace, track: str, events: Iterable[OperatorEvent], start_ns: int) -> None:
    """Add one span per operator; `start_ns` is the time from which the events count."""
    for event in events:
        from_ns = start_ns + event.start_us * 1000
        trace.span(track, event.name, from_ns, from_ns + event.duration_us * 1000, {"operator": event.kind})


def _add_stages(trace: ChromeTrace, samples: TickSamples, deadline_ms: float) -> None:
    for tick in np.flatnonzero(samples.is_planned):
        row = samples.row(int(tick))
        due_ns, done_ns = int(row["due_ns"]), int(row["done_ns"])
        latency_ms = (row["planned_ns"] - row["due_ns"]) / 1e6
        trace.span(TICK_TRACK, f"tick {tick}", due_ns, done_ns, {"latency_ms": round(latency_ms, 3)})
        start_ns = float(due_ns)
        for stage in STAGES:
            end_ns = start_ns + row[f"{stage}_ms"] * 1e6
            if end_ns > start_ns:
                trace.span(TICK_TRACK, stage, round(start_ns), min(round(end_ns), done_ns))
            start_ns = end_ns
        if latency_ms > deadline_ms:
            trace.mark(TICK_TRACK, "deadline missed", due_ns + int(deadline_ms * 1e6))


def _add_memory(trace: ChromeTrace, run: ScenarioRun) -> None:
    for time_s, resident in zip(run.resources.times_s, run.resources.memory_bytes, strict=True):
        if np.isfinite(resident):
            trace.counter("memory MiB", int(time_s * 1e9), round(float(resident) / 2**20, 1))
