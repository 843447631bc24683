"""The scenarios, in MLPerf Automotive's words: constant stream, single stream, flat out, and the model alone.

Each runs the production code and returns a `ScenarioRun`: samples and resources.

Source: MLPerf Automotive benchmark rules (MLCommons, 2025): single stream sends the next query when the last one is
done; constant stream sends queries at a fixed rate and counts latency from the time at which each was due.
"""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fsd.data.clock import tick_time_ns
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, TICK_NS, FrameSet
from fsd.meters.power import EnergyMeter
from fsd.profile.scenarios.camera_feed import CameraFeed
from fsd.profile.scenarios.camera_timing import CameraTiming
from fsd.profile.scenarios.resources import ResourceTrack
from fsd.profile.scenarios.samples import TickSamples
from fsd.profile.scenarios.timed_pipeline import StepTimes, TimedPipeline

DEFAULT_WARM_UP = 72
PATIENCE_S = 60.0
"""How long a tick on demand waits for its frames before the run is aborted."""

NO_AGES = np.full(len(CAMERAS), np.nan)


class TickTimes(NamedTuple):
    """One planned tick by the clock, `time.perf_counter_ns`.

    `awake_ns`: the loop woke up; `arrived_ns`: the images were decoded; `synchronised_ns`: the frame set was ready;
    `done_ns`: all was written. The loop reads `done_ns` itself, so that the stages can be checked against it.
    """

    frame_set: FrameSet
    due_ns: int
    awake_ns: int
    arrived_ns: int
    synchronised_ns: int
    step: StepTimes
    done_ns: int

    @property
    def stages_ms(self) -> tuple[float, ...]:
        """In the order of `STAGES`."""
        step = self.step
        return (
            (self.awake_ns - self.due_ns) / 1e6,
            (self.arrived_ns - self.awake_ns) / 1e6,
            (self.synchronised_ns - self.arrived_ns) / 1e6,
            step.compress_ms,
            step.bind_ms,
            step.infer_ms,
            step.post_ms,
            step.write_ms,
        )

    def into(self, samples: TickSamples, row: int, ages_ms: np.ndarray) -> None:
        """Write the sample; `ages_ms` (8,) from each frame's capture to the plan."""
        samples.add(row, self.due_ns, self.step.planned_ns, self.done_ns, self.stages_ms, ages_ms)


@dataclass(frozen=True)
class ScenarioRun:
    """The result of one scenario.

    Attributes:
        name: `constant-stream`, `single-stream`, `flat-out` or `model-only`.
        warm_up_ticks: run before the samples and not among them.
        start_ns: `time.perf_counter_ns` of the first sample's due time.
        decode_log: of `CameraFeed`, if it was asked for.
        dropped_frames: per camera, warm-up included; see `CameraFeed`.
        was_interrupted: by Ctrl-C; the samples end there.
    """

    name: str
    samples: TickSamples
    resources: ResourceTrack
    warm_up_ticks: int
    start_ns: int
    decode_log: Sequence[tuple[str, str, int, int]] = ()
    dropped_frames: Mapping[str, int] = field(default_factory=dict)
    was_interrupted: bool = False

    @property
    def ticks_per_s(self) -> float:
        """Plans per second, from the first due time to the last plan."""
        done = self.samples.planned_ns
        return len(done) / ((float(done[-1]) - self.start_ns) / 1e9) if len(done) else 0.0


def constant_stream(
    pipeline: TimedPipeline,
    ticks: int,
    workers: int,
    timing: CameraTiming | None = None,
    warm_up: int = DEFAULT_WARM_UP,
    meters: Sequence[EnergyMeter] = (),
    log_decode: bool = False,
) -> ScenarioRun:
    """36 ticks per second by the clock; a late loop skips to the newest tick.

    Args:
        ticks: to sample, after `warm_up` more.
        workers: decoder threads.
        timing: when the cameras capture within a tick.
        log_decode: keep the times of every decoding, for a trace.
    """
    total = warm_up + ticks
    samples = TickSamples(ticks)
    first_plan_ms(pipeline, workers)  # compiling kernels would otherwise use up the warm-up
    pipeline.reset()
    with CameraFeed(pipeline.clip, workers, total, timing, log_decode=log_decode) as feed:
        resources = ResourceTrack(total * TICK_NS / 1e9, meters)
        _settle_collector()
        feed.start(time.perf_counter_ns() + int(2 * TICK_NS))
        first_due_ns = feed.start_ns + tick_time_ns(warm_up)
        tick = _paced(pipeline, feed, samples, 0, warm_up, warm_up)
        was_interrupted = False
        with resources:
            try:
                _paced(pipeline, feed, samples, tick, total, warm_up)
            except KeyboardInterrupt:  # keep the samples of a long run
                samples.cut_after_last_plan()
                was_interrupted = True
    return ScenarioRun(
        "constant-stream",
        samples,
        resources,
        warm_up,
        first_due_ns,
        feed.decode_log,
        feed.dropped_frames,
        was_interrupted,
    )


def _paced(pipeline: TimedPipeline, feed: CameraFeed, samples: TickSamples, tick: int, end: int, warm_up: int) -> int:
    """Run ticks from `tick` to `end` at their times; returns the tick to go on with."""
    period_s = TICK_NS / 1e9
    while tick < end:
        due_ns = feed.start_ns + tick_time_ns(tick)
        remaining_ns = due_ns - time.perf_counter_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / 1e9)
        awake_ns = time.perf_counter_ns()
        feed.wait_for(tick, period_s)  # a camera later than a period is used as it is, and its age shows it
        arrived_ns = time.perf_counter_ns()
        times = _plan(pipeline, feed.frame_set(tick), due_ns, awake_ns, arrived_ns)
        if tick >= warm_up:
            times.into(samples, tick - warm_up, _ages_ms(times.frame_set, times.step.planned_ns - feed.start_ns))
        newest = int((time.perf_counter_ns() - feed.start_ns) // TICK_NS)
        tick = max(tick + 1, newest)
    return tick


def single_stream(
    pipeline: TimedPipeline,
    ticks: int,
    workers: int,
    warm_up: int = DEFAULT_WARM_UP,
    meters: Sequence[EnergyMeter] = (),
) -> ScenarioRun:
    """One tick after the other, each decoded on demand once the tick before it is done."""
    total = warm_up + ticks
    samples = TickSamples(ticks)
    pipeline.reset()
    first_due_ns = 0
    with CameraFeed(pipeline.clip, workers, total, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        resources = ResourceTrack(total * TICK_NS / 1e9, meters)
        _settle_collector()
        for tick in range(warm_up):
            _on_demand(pipeline, feed, tick)
        with resources:
            for tick in range(ticks):
                times = _on_demand(pipeline, feed, warm_up + tick)
                first_due_ns = first_due_ns or times.due_ns
                # The frame is taken to be captured when it is asked for.
                age_ms = (times.step.planned_ns - times.due_ns) / 1e6
                times.into(samples, tick, np.where(times.frame_set.age_ns >= 0, age_ms, np.nan))
    return ScenarioRun("single-stream", samples, resources, warm_up, first_due_ns)


def _on_demand(pipeline: TimedPipeline, feed: CameraFeed, tick: int) -> TickTimes:
    due_ns = time.perf_counter_ns()
    feed.release()
    if not feed.wait_for(tick, PATIENCE_S):
        raise TimeoutError(f"No pictures for tick {tick} within {PATIENCE_S:g} s.")
    arrived_ns = time.perf_counter_ns()
    return _plan(pipeline, feed.frame_set(tick), due_ns, due_ns, arrived_ns)


def _plan(pipeline: TimedPipeline, frame_set: FrameSet, due_ns: int, awake_ns: int, arrived_ns: int) -> TickTimes:
    """Plan one tick whose images are decoded; shared by all scenarios."""
    ego, command = pipeline.car_at(frame_set)
    synchronised_ns = time.perf_counter_ns()
    step = pipeline.step(frame_set, ego, command)
    return TickTimes(frame_set, due_ns, awake_ns, arrived_ns, synchronised_ns, step, time.perf_counter_ns())


def flat_out(
    pipeline: TimedPipeline,
    ticks: int,
    workers: int,
    warm_up: int = DEFAULT_WARM_UP,
    meters: Sequence[EnergyMeter] = (),
    record: bool = True,
) -> ScenarioRun:
    """As fast as possible, decoding ahead: what `fsd replay` does, without the overlay. Short clips are repeated.

    Args:
        record: write samples; False measures only throughput, which shows the cost of recording them.
    """
    samples = TickSamples(ticks)
    resources = ResourceTrack(ticks * TICK_NS / 1e9, meters)
    _settle_collector()
    _replay(pipeline, workers, warm_up, None)
    start_ns = time.perf_counter_ns()
    with resources:
        _replay(pipeline, workers, ticks, samples if record else None)
    return ScenarioRun("flat-out", samples, resources, warm_up, start_ns)


def _replay(pipeline: TimedPipeline, workers: int, ticks: int, samples: TickSamples | None) -> None:
    done = 0
    while done < ticks:
        pipeline.reset()
        begun = done
        with FrameSource(pipeline.clip, workers=workers, max_ticks=ticks - done) as source:
            while True:
                due_ns, busy_ns = time.perf_counter_ns(), time.thread_time_ns()
                frame_set = next(source, None)
                if frame_set is None:
                    break
                # Waiting for the decoders takes no CPU time of this thread; merging the frames does.
                merging_ns = time.thread_time_ns() - busy_ns
                decoded_ns = max(due_ns, time.perf_counter_ns() - merging_ns)
                times = _plan(pipeline, frame_set, due_ns, due_ns, decoded_ns)
                if samples is not None:
                    times.into(samples, done, NO_AGES)
                done += 1
        if done == begun:
            raise RuntimeError("The recording has no tick to replay.")


def model_only(
    pipeline: TimedPipeline,
    ticks: int,
    warm_up: int = DEFAULT_WARM_UP,
    meters: Sequence[EnergyMeter] = (),
) -> ScenarioRun:
    """The network alone, on the last tick that the pipeline planned: binding and inference, nothing else."""
    planner = pipeline.planner
    samples = TickSamples(ticks)
    for _ in range(warm_up):
        planner.rerun_last()
    start_ns = time.perf_counter_ns()
    with ResourceTrack(ticks * TICK_NS / 1e9, meters) as resources:
        for tick in range(ticks):
            due_ns = time.perf_counter_ns()
            bind_ms = planner.rerun_last()
            done_ns = time.perf_counter_ns()
            infer_ms = (done_ns - due_ns) / 1e6 - bind_ms
            samples.add(tick, due_ns, done_ns, done_ns, (0, 0, 0, 0, bind_ms, infer_ms, 0, 0), NO_AGES)
    return ScenarioRun("model-only", samples, resources, warm_up, start_ns)


def first_plan_ms(pipeline: TimedPipeline, workers: int) -> float:
    """From nothing decoded to one plan, with the model loaded."""
    pipeline.reset()
    with CameraFeed(pipeline.clip, workers, 1, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        times = _on_demand(pipeline, feed, 0)
        return (times.step.planned_ns - times.due_ns) / 1e6


def _ages_ms(frame_set: FrameSet, planned_ns: int) -> np.ndarray:
    """(8,) from each frame's capture to the plan; both on the clock that starts with tick 0."""
    return np.array(
        [np.nan if frame is None else (planned_ns - frame.timestamp_ns) / 1e6 for frame in frame_set.frames]
    )


def _settle_collector() -> None:
    """Exclude all loaded objects from garbage collection, which would scan 100,000 of them for 20 ms within a tick."""
    gc.collect()
    gc.freeze()
