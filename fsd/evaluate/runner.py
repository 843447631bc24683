"""Run a network over the stretches of a data set, several at a time; results come in the order of the stretches.

Knows neither labels nor files.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fsd.data.frames import CAMERAS
from fsd.networks.drives.recorded_dataset import RecordedDataset, Stretch
from fsd.networks.drives.rolled_ticks import Withheld, rolled_ticks
from fsd.networks.input_buffers import TickInput
from fsd.runtime.engine import Engine
from fsd.runtime.plan import Plan


@dataclass(frozen=True)
class Lane:
    """What runs one stretch at a time."""

    data: RecordedDataset
    engine: Engine


@dataclass(frozen=True)
class Job:
    """A stretch, and what is withheld from the network; `name` tells what is run over the same stretch apart."""

    stretch: Stretch
    name: str
    withheld: Withheld


@dataclass(frozen=True)
class RolledTick:
    """A row that was run: its plan, what the plan was replaced for (or ""), and how long the network took."""

    plan: Plan
    replaced: str
    camera_valid: np.ndarray
    memory_slots: int
    commits: int
    infer_ms: float


@dataclass(frozen=True)
class Rolled:
    """A job that was run; `ticks` are the rows of its stretch."""

    job: Job
    ticks: list[RolledTick]


def roll(jobs: Sequence[Job], make_lane: Callable[[], Lane], workers: int) -> Iterator[Rolled]:
    """Run the jobs, in order; a few are run ahead of the one that is taken.

    Networks run beside each other since ONNX Runtime gives up Python's lock while it runs.
    """
    lanes: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for _ in range(min(workers, len(jobs))):
        lanes.put(make_lane())
    stop = threading.Event()
    running: deque[Future[Rolled]] = deque()
    waiting = deque(jobs)
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) <= workers:
                    running.append(pool.submit(_run, waiting.popleft(), lanes, stop))
                yield running.popleft().result()
        finally:
            stop.set()
            for each in running:
                each.cancel()


def _run(job: Job, lanes: "queue.SimpleQueue[Lane]", stop: threading.Event) -> Rolled:
    lane = lanes.get()
    try:
        lane.engine.reset()
        ticks = []
        for given in rolled_ticks(lane.data, job.stretch, job.withheld):
            if stop.is_set():
                break
            ticks.append(_step(lane.engine, given))
        return Rolled(job, ticks)
    finally:
        lanes.put(lane)


def _step(engine: Engine, given: TickInput) -> RolledTick:
    start_ns = time.perf_counter_ns()
    outputs = engine.step(*given)
    took_ms = (time.perf_counter_ns() - start_ns) / 1e6
    tick = given.tick
    return RolledTick(
        Plan.from_outputs(tick.tick, tick.timestamp_ns, outputs, _health(given, engine.plan_source)),
        engine.replaced,
        tick.camera_valid.astype(np.uint8),
        int(tick.memory_valid.sum()),
        int((tick.commit_slots >= 0).sum()),
        took_ms,
    )


def _health(given: TickInput, plan_source: str) -> str:
    """As `Plan.health`; a data set does not tell why a camera has no picture."""
    lost = [name for name, is_valid in zip(CAMERAS, given.tick.camera_valid, strict=True) if not is_valid]
    flags = [f"missing={','.join(lost)}"] if lost else []
    flags += ["no_ego"] if given.ego is None else []
    flags += [f"plan={plan_source}"] if plan_source != "network" else []
    return ";".join(flags) or "ok"
