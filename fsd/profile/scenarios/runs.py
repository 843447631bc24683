"""The scenarios of a profile, named as in MLPerf Automotive: constant stream, single stream, flat out, model only.

Each runs the production code and returns a `ScenarioRun`: samples and resources.

Source: MLPerf Automotive benchmark rules (MLCommons, 2025): single stream sends the next query when the last one is
done; constant stream sends queries at a fixed rate and counts latency from the time at which each was due.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fsd.data.clock import tick_time_ns
from fsd.data.frame_source import FrameSource
from fsd.data.frames import TICK_NS, TICK_S, FrameSet
from fsd.meters.power import EnergyMeter
from fsd.profile.config import PACED
from fsd.profile.scenarios.camera_feed import CameraFeed, sleep_until
from fsd.profile.scenarios.camera_timing import CameraTiming
from fsd.profile.scenarios.resources import ResourceTrack
from fsd.profile.scenarios.samples import TickSamples, TickTimes
from fsd.profile.scenarios.timed_pipeline import TimedPipeline

DECODE_TIMEOUT_S = 60.0
"""How long a tick on demand waits for its frames before the run is aborted."""

SLOW_RUN_S = 0.1
"""Expected time of one inference, for the size of the resource readings; a third-party model may be this slow."""


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
    warm_up: int,
    meters: Sequence[EnergyMeter] = (),
    timing: CameraTiming | None = None,
    log_decode: bool = False,
) -> ScenarioRun:
    """36 ticks per second by the clock; a late loop skips to the newest tick.

    Args:
        ticks: to sample, after `warm_up` more.
        workers: decoder threads.
        timing: when the cameras capture within a tick.
        log_decode: record the times of every decoding, for a trace.
    """
    total = warm_up + ticks
    samples = TickSamples(ticks)
    first_plan_ms(pipeline, workers)  # compiling kernels would otherwise take the time of the warm-up
    pipeline.reset()
    with CameraFeed(pipeline.clip, workers, total, timing, log_decode=log_decode) as feed:
        resources = ResourceTrack(total * TICK_S, meters)
        _freeze_objects()
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
        PACED, samples, resources, warm_up, first_due_ns, feed.decode_log, feed.dropped_frames, was_interrupted
    )


def _paced(pipeline: TimedPipeline, feed: CameraFeed, samples: TickSamples, tick: int, end: int, warm_up: int) -> int:
    """Run ticks from `tick` to `end` at their times; returns the next tick."""
    while tick < end:
        due_ns = feed.start_ns + tick_time_ns(tick)
        sleep_until(due_ns)
        awake_ns = time.perf_counter_ns()
        feed.wait_for(tick, TICK_S)  # a camera later than a period keeps its older frame, whose age shows it
        arrived_ns = time.perf_counter_ns()
        frame_set = pipeline.watch(feed.frame_set(tick))
        times = pipeline.step(frame_set, due_ns, awake_ns, arrived_ns)
        if tick >= warm_up:
            samples.add(tick - warm_up, times, _ages_ms(frame_set, times.planned_ns - feed.start_ns))
        newest = int((time.perf_counter_ns() - feed.start_ns) // TICK_NS)
        tick = max(tick + 1, newest)
    return tick


def single_stream(
    pipeline: TimedPipeline, ticks: int, workers: int, warm_up: int, meters: Sequence[EnergyMeter] = ()
) -> ScenarioRun:
    """One tick after the other, each decoded on demand once the tick before it is done."""
    total = warm_up + ticks
    samples = TickSamples(ticks)
    pipeline.reset()
    first_due_ns = 0
    with CameraFeed(pipeline.clip, workers, total, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        resources = ResourceTrack(total * TICK_S, meters)
        _freeze_objects()
        for tick in range(warm_up):
            _on_demand(pipeline, feed, tick)
        with resources:
            for tick in range(ticks):
                frame_set, times = _on_demand(pipeline, feed, warm_up + tick)
                first_due_ns = first_due_ns or times.due_ns
                # A frame counts as captured when it is requested.
                age_ms = (times.planned_ns - times.due_ns) / 1e6
                samples.add(tick, times, np.where(frame_set.age_ns >= 0, age_ms, np.nan))
    return ScenarioRun("single-stream", samples, resources, warm_up, first_due_ns)


def _on_demand(pipeline: TimedPipeline, feed: CameraFeed, tick: int) -> tuple[FrameSet, TickTimes]:
    due_ns = time.perf_counter_ns()
    feed.release()
    if not feed.wait_for(tick, DECODE_TIMEOUT_S):
        raise TimeoutError(f"No pictures for tick {tick} within {DECODE_TIMEOUT_S:g} s.")
    arrived_ns = time.perf_counter_ns()
    frame_set = pipeline.watch(feed.frame_set(tick))
    return frame_set, pipeline.step(frame_set, due_ns, due_ns, arrived_ns)


def flat_out(
    pipeline: TimedPipeline, ticks: int, workers: int, warm_up: int, meters: Sequence[EnergyMeter] = ()
) -> ScenarioRun:
    """As fast as possible, decoding ahead: `fsd replay` without the overlay. Short clips are repeated."""
    samples = TickSamples(ticks)
    resources = ResourceTrack(ticks * TICK_S, meters)
    _freeze_objects()
    _replay(pipeline, workers, warm_up, None)
    start_ns = time.perf_counter_ns()
    with resources:
        _replay(pipeline, workers, ticks, samples)
    return ScenarioRun("flat-out", samples, resources, warm_up, start_ns)


def _replay(pipeline: TimedPipeline, workers: int, ticks: int, samples: TickSamples | None) -> None:
    done = 0
    while done < ticks:
        pipeline.reset()
        begun = done
        with FrameSource(
            pipeline.clip, workers=workers, max_ticks=ticks - done, mask_cameras=pipeline.mask_cameras
        ) as source:
            while True:
                due_ns, busy_ns = time.perf_counter_ns(), time.thread_time_ns()
                frame_set = next(source, None)
                if frame_set is None:
                    break
                # Waiting for the decoders takes no CPU time of this thread; merging the frames does.
                merging_ns = time.thread_time_ns() - busy_ns
                decoded_ns = max(due_ns, time.perf_counter_ns() - merging_ns)
                times = pipeline.step(frame_set, due_ns, due_ns, decoded_ns)
                if samples is not None:
                    samples.add(done, times)
                done += 1
        if done == begun:
            raise RuntimeError("The recording has no tick to replay.")


def model_only(
    run_model: Callable[[], float], ticks: int, warm_up: int, meters: Sequence[EnergyMeter] = ()
) -> ScenarioRun:
    """The network alone: binding and inference.

    Args:
        run_model: runs the network on constant inputs; returns the milliseconds of binding them.
    """
    samples = TickSamples(ticks)
    for _ in range(warm_up):
        run_model()
    start_ns = time.perf_counter_ns()
    with ResourceTrack(ticks * SLOW_RUN_S, meters) as resources:
        for tick in range(ticks):
            due_ns, due_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            bind_ms = run_model()
            done_ns, cpu_ms = time.perf_counter_ns(), (time.thread_time_ns() - due_cpu_ns) / 1e6
            infer_ms = (done_ns - due_ns) / 1e6 - bind_ms
            samples.add(
                tick, TickTimes(due_ns, done_ns, done_ns, (0, 0, 0, 0, bind_ms, infer_ms, 0, 0), (0, cpu_ms, 0))
            )
    return ScenarioRun("model-only", samples, resources, warm_up, start_ns)


def first_plan_ms(pipeline: TimedPipeline, workers: int) -> float:
    """Time of one plan with the model loaded and nothing decoded."""
    pipeline.reset()
    with CameraFeed(pipeline.clip, workers, 1, on_demand=True) as feed:
        feed.start(time.perf_counter_ns())
        _, times = _on_demand(pipeline, feed, 0)
        return (times.planned_ns - times.due_ns) / 1e6


def _ages_ms(frame_set: FrameSet, planned_ns: int) -> np.ndarray:
    """(8,) from each frame's capture to the plan; both on the clock that starts with tick 0."""
    return np.array(
        [np.nan if frame is None else (planned_ns - frame.timestamp_ns) / 1e6 for frame in frame_set.frames]
    )


def _freeze_objects() -> None:
    """Exclude all loaded objects from garbage collection, which would scan 100,000 of them for 20 ms within a tick."""
    gc.collect()
    gc.freeze()
