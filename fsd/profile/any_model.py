"""Profile any ONNX file alone: latency, operators, cost, power, and estimates for other devices.

Needs no fsd metadata and no recording. Inputs are random and of the declared shapes, so the latency of a model whose
speed depends on their content is not representative.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort

from fsd.data.errors import ModelError, UsageError
from fsd.networks.onnx_session import integer_kernels, open_session, require_model_file, session_signature
from fsd.outputs.profile_summary import ColdStart, ProfiledModelInfo, ProfileSummary
from fsd.outputs.progress import ProgressCallback, print_progress
from fsd.outputs.run_info import ClipInfo
from fsd.profile.config import ProfileConfig
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import OperatorEvent, profiled_runs, shapes_run
from fsd.profile.profile_record import Machine, ProfileRecord, describe_inputs, profile_folder
from fsd.profile.scenarios.runs import model_only
from fsd.profile.trace import ChromeTrace
from fsd.profile.traced_run import add_operators

SETTINGS = ("threads", "device", "ticks", "seed")


def profile_model(
    model: Path,
    shapes: Mapping[str, tuple[int, ...]],
    config: ProfileConfig,
    progress: ProgressCallback = print_progress,
) -> ProfileSummary:
    """Profile one file and write the files that `profile` writes.

    Args:
        shapes: of inputs whose declared shape is not fixed; a free size that is not given becomes 1.

    Raises:
        ModelError: ONNX Runtime cannot load the file, or cannot run it with these inputs.
        UsageError: a shape is given for an input that the model does not have.
    """
    require_model_file(model, "--onnx")
    with profile_folder(config, (model,)) as folder:
        progress("measuring the machine's peaks")
        machine = Machine(config.threads)
        load_ns = time.perf_counter_ns()
        session = open_session(model, config.threads, config.device)
        load_ms = (time.perf_counter_ns() - load_ns) / 1e6
        feeds = _random_feeds(session, shapes, config.seed)
        progress(f"model-only: {config.ticks} runs")
        first_ms = _first_run_ms(session, feeds, model)

        def run_model() -> float:
            session.run(None, feeds)
            return 0.0

        run = model_only(run_model, config.ticks, config.warm_up, machine.meters)
        progress(f"tracing {config.trace_ticks} runs with the runtime's profile on")
        operator_runs = profiled_runs(model, feeds, config.threads, config.trace_ticks, config.device)
        record = ProfileRecord(
            machine=machine,
            settings={name: getattr(config, name) for name in SETTINGS} | {"decode_workers": 0},
            clip=ClipInfo(name="random inputs"),
            model=ProfiledModelInfo(
                name=model.stem,
                file_bytes=model.stat().st_size,
                inputs=describe_inputs(feeds),
                integer_kernels=integer_kernels(session),
            ),
            network="not one of ours; inputs are random",
            is_one_size=True,
            cold_start=ColdStart(process=load_ms + first_ms, imports=0.0, load=load_ms, first_tick=first_ms),
            runs=[run],
            stalls=None,
            cost=count_cost(model.stem, shapes_run(model, feeds)),
            operator_runs=operator_runs,
            trace=_trace(operator_runs),
        )
        return record.write(config, folder)


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """Parse `input=1,3,224,224` into a name and a shape.

    Raises:
        UsageError: the text has another form, or a size below 1.
    """
    name, _, sizes = text.partition("=")
    try:
        shape = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        shape = ()
    if not name or not shape or min(shape) < 1:
        raise UsageError(f"--shape takes NAME=SIZES, got {text!r}. Write for example input=1,3,224,224.")
    return name, shape


def _random_feeds(
    session: ort.InferenceSession, shapes: Mapping[str, tuple[int, ...]], seed: int
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = session_signature(session.get_inputs())
    unknown = sorted(shapes.keys() - inputs.keys())
    if unknown:
        raise UsageError(f"The model has no input {', '.join(unknown)}. It has: {', '.join(inputs)}.")
    feeds: dict[str, np.ndarray] = {}
    for name, (declared, dtype) in inputs.items():
        if dtype.startswith("tensor("):
            raise ModelError(f"Input {name} is of type {dtype}, which cannot be filled with random values.")
        shape = shapes.get(name, tuple(size if size > 0 else 1 for size in declared))
        is_float = np.issubdtype(np.dtype(dtype), np.floating)
        values = rng.normal(size=shape) if is_float else rng.integers(0, 2, shape)
        feeds[name] = values.astype(dtype)
    return feeds


def _first_run_ms(session: ort.InferenceSession, feeds: dict[str, np.ndarray], model: Path) -> float:
    start_ns = time.perf_counter_ns()
    try:
        session.run(None, feeds)
    except Exception as error:
        raise ModelError(
            f"{model} does not run on random inputs ({describe_inputs(feeds)}): {str(error).splitlines()[0]} Give "
            "the right shapes with --shape."
        ) from error
    return (time.perf_counter_ns() - start_ns) / 1e6


def _trace(runs: list[list[OperatorEvent]]) -> ChromeTrace:
    trace = ChromeTrace("fsd profile")
    for number, events in enumerate(runs):
        if events:
            end_us = max(event.start_us + event.duration_us for event in events)
            trace.span("model", f"run {number}", events[0].start_us * 1000, end_us * 1000)
        add_operators(trace, "model", events, 0)
    return trace
