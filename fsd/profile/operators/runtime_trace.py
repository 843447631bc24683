"""Run a model with ONNX Runtime's own profile on, and read the events that it writes.

ONNX Runtime counts microseconds from a start in nanoseconds of the wall clock; `clock_offset_ns` converts that to the
monotonic clock of everything else in a profile.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

from fsd.networks.network_cost import Tensor
from fsd.networks.onnx_session import open_session, session_signature

KERNEL_SUFFIX = "_kernel_time"
WARM_UP_RUNS = 3


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """One run of one operator. `start_us` counts from the start of the runtime's profile."""

    name: str
    kind: str
    start_us: int
    duration_us: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    provider: str


class OperatorProfile:
    """Opens the sessions of one planner with ONNX Runtime's profile on, and reads the profiles at the end.

    Args:
        prefix: of the profiles' file names.
    """

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._sessions: list[onnxruntime.InferenceSession] = []

    def open_session(self, model: Path, threads: int, device: str) -> onnxruntime.InferenceSession:
        """A session factory; the profile slows the network down, so latencies are measured without it."""
        prefix = self._prefix.with_name(f"{self._prefix.name}_{len(self._sessions)}")
        self._sessions.append(open_session(model, threads, device, profile_prefix=prefix))
        return self._sessions[-1]

    def end(self) -> tuple[list[list[OperatorEvent]], int]:
        """The operators of every run, of all models in it, and the wall-clock nanoseconds from which times count."""
        starts_ns = [session.get_profiling_start_time_ns() for session in self._sessions]
        runs: list[list[OperatorEvent]] = []
        for session, start_ns in zip(self._sessions, starts_ns, strict=True):
            late_us = (start_ns - starts_ns[0]) // 1000
            own = [
                [replace(event, start_us=event.start_us + late_us) for event in events]
                for events in events_by_run(Path(session.end_profiling()))
            ]
            runs = [before + after for before, after in zip(runs, own, strict=True)] if runs and own else runs or own
        return runs, starts_ns[0]


def profiled_runs(
    model: Path | bytes, feeds: Mapping[str, np.ndarray], threads: int, runs: int, device: str = "cpu", **options: bool
) -> list[list[OperatorEvent]]:
    """The operator events of `runs` runs of a model, after a few to warm up; `options` are those of `open_session`."""
    with TemporaryDirectory() as folder:
        session = open_session(model, threads, device, profile_prefix=Path(folder) / "operators", **options)
        for _ in range(WARM_UP_RUNS + runs):
            session.run(None, dict(feeds))
        return events_by_run(Path(session.end_profiling()))[WARM_UP_RUNS:]


def shapes_run(model: Path | bytes, feeds: Mapping[str, np.ndarray], pad_channels: bool = True) -> list[OperatorEvent]:
    """One run whose events contain the shapes of all operands, weights included; its times are not representative.

    It runs on the CPU, which does not compile the graph into one operator; the cost is the same on every device.
    """
    return profiled_runs(model, feeds, threads=1, runs=1, prepack=False, pad_channels=pad_channels)[-1]


def chain_shapes_run(models: Sequence[Path], feeds: Mapping[str, np.ndarray]) -> list[OperatorEvent]:
    """As `shapes_run`, of several models that run one after the other; what links fill is zero here."""
    if len(models) == 1:
        return shapes_run(models[0], feeds)
    events: list[OperatorEvent] = []
    for model in models:
        signature = session_signature(open_session(model).get_inputs())
        own = {
            name: feeds[name] if name in feeds else np.zeros([max(size, 1) for size in shape], dtype)
            for name, (shape, dtype) in signature.items()
        }
        events += shapes_run(model, own)
    return events


def events_by_run(path: Path) -> list[list[OperatorEvent]]:
    """Read a profile file that ONNX Runtime has finished: one list of operators per run, in the order of execution."""
    runs: list[list[OperatorEvent]] = []
    pending: list[OperatorEvent] = []
    for event in json.loads(path.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL_SUFFIX):
            pending.append(_operator_event(event))
        elif event.get("name") == "model_run":
            runs.append(pending)
            pending = []
    return runs


def clock_offset_ns() -> int:
    """Wall-clock nanoseconds minus `time.perf_counter_ns`; the most precise of ten measurements."""
    best_gap_ns, offset_ns = None, 0
    for _ in range(10):
        before_ns = time.perf_counter_ns()
        wall_ns = time.time_ns()
        gap_ns = time.perf_counter_ns() - before_ns
        if best_gap_ns is None or gap_ns < best_gap_ns:
            best_gap_ns, offset_ns = gap_ns, wall_ns - (before_ns + gap_ns // 2)
    return offset_ns


def _operator_event(event: Mapping[str, Any]) -> OperatorEvent:
    arguments = event["args"]
    return OperatorEvent(
        name=event["name"].removesuffix(KERNEL_SUFFIX),
        kind=arguments["op_name"],
        start_us=int(event["ts"]),
        duration_us=int(event["dur"]),
        inputs=_tensors(arguments.get("input_type_shape", [])),
        outputs=_tensors(arguments.get("output_type_shape", [])),
        provider=arguments.get("provider", ""),
    )


def _tensors(entries: list[Mapping[str, list[int]]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(dtype, tuple(shape)) for entry in entries for dtype, shape in entry.items())
