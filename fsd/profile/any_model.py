"""Profile any ONNX file alone: latency, operators, cost, power, and what other devices would make of it.

Needs no metadata of ours and no recording. Inputs are random, of the shapes that the file declares; it knows nothing of
what they mean, so a model whose speed depends on their content is not told apart.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from fsd.data.errors import ModelError, UsageError
from fsd.meters.machine import describe_machine
from fsd.meters.power import find_meters
from fsd.networks.onnx_session import open_session, session_signature
from fsd.profile.config import ProfileConfig
from fsd.profile.operators.machine_peaks import measure_peaks
from fsd.profile.operators.network_metrics import estimate_all, highest_rates, network_figures
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import OperatorEvent, profiled_runs, shapes_run
from fsd.profile.profile import SCHEMA, Say, describe_inputs, judge, make_folder, say_on_stderr
from fsd.profile.report import write_report
from fsd.profile.resources import ResourceTrack
from fsd.profile.samples import TickSamples, write_samples
from fsd.profile.scenario_summary import summarise
from fsd.profile.scenarios import NO_AGES, ScenarioRun
from fsd.profile.trace import ChromeTrace
from fsd.replay.run_record import write_summary
from fsd.version import __version__


def profile_model(
    model: Path, shapes: Mapping[str, tuple[int, ...]], config: ProfileConfig, say: Say | None = None
) -> dict[str, Any]:
    """Profile one file; writes what `profile` writes.

    Args:
        shapes: of inputs whose declared shape is not fixed; a free size that is not given counts as 1.

    Raises:
        ModelError: ONNX Runtime cannot load or run it with such inputs.
        UsageError: a shape is given for an input that the model does not have.
    """
    say = say or say_on_stderr
    make_folder(config.out)
    started_s = time.time()
    say("measuring the machine's peaks")
    peaks = measure_peaks(config.threads)
    meters, missing_meters = find_meters()
    load_ns = time.perf_counter_ns()
    session = open_session(model, config.threads, config.device)
    load_ms = (time.perf_counter_ns() - load_ns) / 1e6
    feeds = _random_feeds(session, shapes, config.seed)
    say(f"model-only: {config.ticks} runs")
    first_ms = _first_run_ms(session, feeds, model)
    run = _measure(session, feeds, config, meters)
    say(f"tracing {config.trace_ticks} runs with the runtime's profile on")
    operator_runs = profiled_runs(model, feeds, config.threads, config.trace_ticks, config.device)
    cost = count_cost(model.stem, shapes_run(model, feeds))
    estimates = estimate_all(cost, config.limit_ms, config.budget_watts)
    scenarios = {run.name: summarise(run, config.limit_ms)}
    summary = {
        "schema": SCHEMA,
        "fsd_version": __version__,
        "status": "complete",
        "started_unix_s": round(started_s, 3),
        "machine": describe_machine(),
        "config": {
            "threads": config.threads,
            "decode_workers": 0,
            "device": config.device,
            "ticks": config.ticks,
            "seed": config.seed,
        },
        "clip": {"name": "random inputs", "cameras": {}, "notes": []},
        "model": {"name": model.stem, "file_bytes": model.stat().st_size, "inputs": describe_inputs(feeds)},
        "network": "not one of ours; inputs are random",
        "peaks": peaks.to_dict(),
        "cold_start_ms": {"process": load_ms + first_ms, "imports": 0.0, "load": load_ms, "first_tick": first_ms},
        "scenarios": scenarios,
        **network_figures(cost, operator_runs, config.device, peaks, estimates),
        "largest_that_fits": highest_rates(estimates),
        "validation": [],  # runs flat out, while the model answers for 36 Hz
        "meters": {"found": [meter.name for meter in meters], "missing": missing_meters},
        "gates": [gate.to_dict() for gate in judge(config, scenarios, estimates)],
    }
    samples = {run.name: run.samples}
    write_samples(config.out / "samples.parquet", samples)
    _trace(operator_runs).write(config.out / "trace.json")
    write_summary(config.out, summary)
    write_report(config.out / "report.html", summary, samples)
    return summary


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """`input=1,3,224,224` as a name and a shape.

    Raises:
        UsageError: it does not read like that.
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
            raise ModelError(f"Input {name} is of type {dtype}, for which there are no random values.")
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


def _measure(
    session: ort.InferenceSession, feeds: dict[str, np.ndarray], config: ProfileConfig, meters: list[Any]
) -> ScenarioRun:
    samples = TickSamples(config.ticks)
    for _ in range(config.warm_up):
        session.run(None, feeds)
    start_ns = time.perf_counter_ns()
    with ResourceTrack(config.ticks * 0.1, meters) as resources:
        for tick in range(config.ticks):
            due_ns = time.perf_counter_ns()
            session.run(None, feeds)
            done_ns = time.perf_counter_ns()
            samples.add(tick, due_ns, done_ns, done_ns, (0, 0, 0, 0, 0, (done_ns - due_ns) / 1e6, 0, 0), NO_AGES)
    return ScenarioRun("model-only", samples, resources, config.warm_up, start_ns)


def _trace(runs: list[list[OperatorEvent]]) -> ChromeTrace:
    trace = ChromeTrace("fsd profile")
    for number, events in enumerate(runs):
        if events:
            end_us = max(event.start_us + event.duration_us for event in events)
            trace.span("model", f"run {number}", events[0].start_us * 1000, end_us * 1000)
        for event in events:
            end_us = event.start_us + event.duration_us
            trace.span("model", event.name, event.start_us * 1000, end_us * 1000, {"operator": event.kind})
    return trace
