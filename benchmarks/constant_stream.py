"""Eight cameras at 36 Hz in real time: tail latency, the profiler's own cost, and agreement with MLPerf LoadGen.

1. The limits of the machine: its own stalls (threads that only read the clock) and a bare decode of the same files.
2. `constant-stream` over `--ticks` ticks of fastdecode streams: p99.9 from the intended time, longest run of misses.
3. `profiler_overhead`: CPU time per tick with the profiler's instruments over that of a plain loop, alternately.
4. `loadgen_p99_ratio`: p99 of the model, ours over LoadGen's SingleStream for the same queries. And
   `loadgen_p50_in_turns_ratio`: the profiler's `model-only` scenario and LoadGen alternately. Both need the extra
   `benchmarks` (`mlcommons-loadgen`) and are skipped without it.

    python benchmarks/constant_stream.py [--quick] [--ticks N] [--workers N]
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import RATE_HZ, TICK_MS
from fsd.data.open_clip import open_clip
from fsd.outputs.tables import ResultTables
from fsd.profile.descriptions import describe_cpu_steal
from fsd.profile.scenarios.machine_stalls import measure_stalls, merge_stalls
from fsd.profile.scenarios.runs import constant_stream, first_plan_ms, flat_out, model_only
from fsd.profile.scenarios.samples import TickSamples, TickTimes
from fsd.profile.scenarios.summary import summarise
from fsd.profile.scenarios.timed_pipeline import TimedPipeline
from fsd.profile.stats.percentiles import percentile
from fsd.runtime.engine import Engine
from fsd.runtime.network_planner import NetworkPlanner

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _loadgen import single_stream_ms
from _report import finish, spread
from _streams import native_clip
from ingest import bare_decode

STREAM_TICKS = 360


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under a minute; too short for p99.9")
    parser.add_argument("--ticks", type=int, default=None, help="ticks of constant-stream (default: 10000, quick: 360)")
    parser.add_argument("--workers", type=int, default=2, help="decoder threads (default: 2)")
    arguments = parser.parse_args()
    ticks = arguments.ticks or (360 if arguments.quick else 10_000)
    clip = open_clip(native_clip("fastdecode", 72 if arguments.quick else STREAM_TICKS))
    metrics: dict[str, float] = {}
    stalls = [measure_stalls(2.0)]
    metrics |= decode_limit(clip, arguments.workers)
    metrics |= tail(clip, arguments.workers, ticks)
    stalls.append(measure_stalls(2.0))
    machine = merge_stalls(stalls)
    print(
        f"stalls of the machine in {machine.watched_s:g} s: {machine.stalls} stalls over "
        f"{machine.stalls_over_ms} ms, longest {machine.longest_ms} ms"
    )
    metrics["machine_longest_stall_ms"] = machine.longest_ms
    metrics |= overhead(clip, arguments.workers, repeats=3 if arguments.quick else 11)
    metrics |= loadgen(clip, queries=700 if arguments.quick else 7000, turns=5 if arguments.quick else 15)
    measured_on = f"8 H.264 fastdecode streams 1280x960, {ticks} ticks at {float(RATE_HZ):g} Hz"
    finish("constant_stream", {name: round(value, 5) for name, value in metrics.items()}, ticks, measured_on)


def decode_limit(clip: Clip, workers: int) -> dict[str, float]:
    """How much of a tick bare decode needs."""
    rates = []
    for _ in range(3):
        start_s = time.perf_counter()
        pictures = bare_decode(clip, workers)
        rates.append(pictures / (time.perf_counter() - start_s))
    decode_ms = 8e3 / median(rates)
    print(f"bare decode {spread(rates)} images/s: {decode_ms:.1f} of the {TICK_MS:.2f} ms of a tick")
    return {"bare_decode_ms_per_tick": decode_ms}


def tail(clip: Clip, workers: int, ticks: int) -> dict[str, float]:
    """Tail latency of the paced run."""
    with TimedPipeline(clip, _packaged_planner(clip)) as pipeline:
        run = constant_stream(pipeline, ticks, workers, warm_up=72)
    summary = summarise(run, TICK_MS)
    latency, deadline, resources = summary.latency_ms, summary.deadline, summary.resources
    metrics: dict[str, float] = {"ticks": ticks, "longest_miss_run": deadline.longest_run, "missed": deadline.misses}
    for name in ("p50", "p99", "p99.9"):
        value_ms = latency.value(name)
        if value_ms is None:
            print(f"constant-stream {name}: not reported, {latency.refused[name]}")
        else:
            upper_ms = latency.value(f"{name}_upper_99")
            print(f"constant-stream {name}: {value_ms:.2f} ms (below {upper_ms:.2f} with 99% confidence)")
            metrics[f"{name.replace('.', '')}_ms"] = value_ms
    print(
        f"constant-stream missed {deadline.misses} of {ticks}, longest run {deadline.longest_run}, "
        f"max {latency.max:.1f} ms"
    )
    means = ", ".join(f"{stage} {values.mean:.2f}" for stage, values in summary.stages_ms.items())
    gap = summary.stage_check.mean_gap
    print(f"constant-stream stages, mean ms: {means}; they add up within {gap:.2%}")
    print(f"constant-stream {resources.cores_used:.2f} cores used")
    if resources.cpu_steal and deadline.near_cpu_steal:
        print(f"constant-stream: {describe_cpu_steal(summary) or 'the hypervisor took nothing'}")
        metrics |= {"stolen_share": resources.cpu_steal.share}
        metrics |= {"ticks_beside_stolen": deadline.near_cpu_steal.ticks}
        metrics |= {"misses_beside_stolen": deadline.near_cpu_steal.misses}
    return metrics


def overhead(clip: Clip, workers: int, repeats: int) -> dict[str, float]:
    """CPU time per tick of flat-out replay with and without the profiler, alternately.

    CPU time, because other programs disturb it less than the wall clock.
    """
    ticks = 72
    with TimedPipeline(clip, _packaged_planner(clip)) as pipeline, _PlainLoop(clip, workers) as plain:
        runs: dict[str, Callable[[], float]] = {
            "profiled": lambda: flat_out(pipeline, ticks, workers, warm_up=0).resources.cpu_s,
            "plain": lambda: plain.cpu_s(ticks),
        }
        cpu_ms: dict[str, list[float]] = {name: [] for name in runs}
        for repeat in range(repeats + 1):
            for name in sorted(runs, reverse=bool(repeat % 2)):
                took_ms = runs[name]() * 1e3 / ticks
                if repeat:
                    cpu_ms[name].append(took_ms)
    ratios = [profiled / plain - 1 for profiled, plain in zip(cpu_ms["profiled"], cpu_ms["plain"], strict=True)]
    print(f"CPU time per tick, plain {spread(cpu_ms['plain'])} ms, profiled {spread(cpu_ms['profiled'])} ms")
    instruments_us = _instruments_us()
    print(f"profiler overhead {spread(ratios)}; its instruments alone cost {instruments_us:.1f} µs per tick")
    return {"profiler_overhead": median(ratios), "instruments_us_per_tick": instruments_us}


def _instruments_us(ticks: int = 20_000) -> float:
    """Cost of the clock readings and the row of one tick, with nothing to measure between them."""
    samples, ages_ms = TickSamples(ticks), np.zeros(8)
    start_ns = time.perf_counter_ns()
    for tick in range(ticks):
        readings = [time.perf_counter_ns() for _ in range(9)]
        stages_ms = tuple((after - before) / 1e6 for before, after in pairwise(readings))
        samples.add(tick, TickTimes(readings[0], readings[7], readings[8], stages_ms), ages_ms)
    return (time.perf_counter_ns() - start_ns) / ticks / 1e3


def _packaged_planner(clip: Clip) -> NetworkPlanner:
    return NetworkPlanner(clip.rig, Engine())


class _PlainLoop:
    """The same work in a loop without a clock and without samples."""

    def __init__(self, clip: Clip, workers: int) -> None:
        self._clip, self._workers = clip, workers
        self._planner = _packaged_planner(clip)

    def __enter__(self) -> "_PlainLoop":
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._tables = self._stack.enter_context(closing(ResultTables(folder, self._planner.metadata)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def cpu_s(self, ticks: int) -> float:
        """CPU time of `ticks` ticks."""
        clip, planner, tables = self._clip, self._planner, self._tables
        planner.reset()
        gc.collect()  # as the profiler does before it starts
        gc.freeze()
        start_s = time.process_time()
        with FrameSource(clip, workers=self._workers, max_ticks=ticks) as source:
            for frame_set in source:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                tables.append(planner.step(frame_set, ego, command), 0.0, 0.0)
        return time.process_time() - start_s


def loadgen(clip: Clip, queries: int, turns: int) -> dict[str, float]:
    """LoadGen's SingleStream for the model, beside the profiler; empty if LoadGen is not installed.

    First over the same queries, which compares clocks and percentiles. Then alternately with the profiler's scenario
    `model-only`, which compares the reported values; the machine's drift between the turns is part of that ratio.
    """
    try:
        import mlperf_loadgen  # noqa: F401
    except ImportError:
        print("LoadGen: skipped; install mlcommons-loadgen (extra `benchmarks`) to compare")
        return {}
    metrics: dict[str, float] = {}
    with TimedPipeline(clip, _packaged_planner(clip)) as pipeline:
        first_plan_ms(pipeline, workers=1)
        planner = pipeline.planner
        ours_ms: list[float] = []

        def timed() -> None:
            start_ns = time.perf_counter_ns()
            planner.rerun_last()
            ours_ms.append((time.perf_counter_ns() - start_ns) / 1e6)

        for _ in range(100):
            planner.rerun_last()
        for rank, loadgen_ms in single_stream_ms(timed, queries).items():
            ours, name = percentile(np.array(ours_ms), rank), f"p{rank:g}"
            if ours is not None:
                print(f"LoadGen {name} {loadgen_ms:.3f} ms, ours {ours[0]:.3f} ms, the same {queries} queries")
                metrics[f"loadgen_{name.replace('.', '')}_ratio"] = ours[0] / loadgen_ms
        ratios = []
        for _ in range(turns):
            loadgen_ms = single_stream_ms(planner.rerun_last, queries // turns)[50.0]
            run = model_only(planner.rerun_last, queries // turns, warm_up=0)
            ratios.append(float(np.median(run.samples.latency_ms)) / loadgen_ms)
    print(f"p50 of `model-only` over LoadGen's, {turns} turns of {queries // turns} each: {spread(ratios)}")
    return metrics | {"loadgen_p50_in_turns_ratio": median(ratios)}


if __name__ == "__main__":
    main()
