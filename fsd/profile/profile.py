"""Profile a recording on this machine: run everything, write everything, and answer the gates.

Order matters: the machine's own peaks are measured before the program, its own stalls around the paced run, and the
instrumented run comes last, where it cannot disturb the others.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from importlib import resources as package_files
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.clip import Clip, open_clip
from fsd.data.errors import ClipError, OutputError
from fsd.data.frames import CAMERAS, TICK_S
from fsd.meters.machine import describe_machine
from fsd.meters.power import EnergyMeter, find_meters
from fsd.networks.contract import TensorSpec
from fsd.profile.cold_start import measure_cold_start
from fsd.profile.config import PACED, ProfileConfig
from fsd.profile.control_thread import MachineStalls, together, watch
from fsd.profile.energy.energy_model import DeviceEstimate
from fsd.profile.gates import Gate, deadline_gate, power_gate
from fsd.profile.operators.machine_peaks import measure_peaks
from fsd.profile.operators.network_metrics import estimate_all, highest_rates, largest_that_fits, network_figures
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import shapes_run
from fsd.profile.report import write_report
from fsd.profile.samples import write_samples
from fsd.profile.scenario_summary import summarise
from fsd.profile.scenarios import ScenarioRun, constant_stream, flat_out, model_only, single_stream
from fsd.profile.timed_pipeline import TimedPipeline
from fsd.profile.traced_run import trace_run
from fsd.profile.validation import validate
from fsd.replay.run_record import write_summary
from fsd.runtime.planner import Planner
from fsd.third_party.open_planner import open_planner
from fsd.version import __version__

SCHEMA = 2
"""Version of the fields of `summary.json`; goes up when one changes its meaning."""

Say = Callable[[str], None]


def profile(config: ProfileConfig, say: Say | None = None) -> dict[str, Any]:
    """Run a profile and write `summary.json`, `samples.parquet`, `trace.json` and `report.html` to `config.out`.

    Args:
        say: takes a line when something begins; None prints it to stderr.

    Returns:
        The content of `summary.json`, gates included; a missed gate is not an error here.

    Raises:
        ClipError, ModelError, OutputError: what is asked for cannot be run or written.
        KeyboardInterrupt: the paced run was interrupted; what it had sampled is written.
    """
    say = say or say_on_stderr
    with ExitStack() as stack:
        clip = open_clip(_clip_path(config, stack), config.cameras)
        # First, so that a model or a device that cannot be used is reported at once.
        planner = open_planner(clip.rig, config.model, config.adapter, config.threads, config.device)
        make_folder(config.out)
        started_s = time.time()
        say("measuring the machine's peaks")
        peaks = measure_peaks(config.threads)
        meters, missing_meters = find_meters()
        say("cold start, in a process of its own")
        cold_start_ms = measure_cold_start(clip.path, config)
        runs, stalls = _run_scenarios(config, clip, planner, meters, say)
        say(f"tracing {config.trace_ticks} ticks with the runtime's profile on")
        traced = trace_run(clip, config)
    cost = count_cost(planner.metadata.name, shapes_run(planner.model, traced.feeds))
    estimates = estimate_all(cost, config.limit_ms, config.budget_watts)
    scenarios = {run.name: summarise(run, config.limit_ms) for run in runs}
    if stalls is not None:
        scenarios[PACED]["machine_stalls"] = stalls.to_dict()
    was_interrupted = any(run.was_interrupted for run in runs)
    summary = {
        "schema": SCHEMA,
        "fsd_version": __version__,
        "status": "interrupted" if was_interrupted else "complete",
        "started_unix_s": round(started_s, 3),
        "machine": describe_machine(),
        "config": _config(config),
        "clip": _clip(clip),
        "model": _model(planner),
        "network": _trained(planner),
        "peaks": peaks.to_dict(),
        "cold_start_ms": cold_start_ms,
        "scenarios": scenarios,
        **network_figures(cost, traced.operator_runs, config.device, peaks, estimates),
        "largest_that_fits": highest_rates(estimates)
        if config.adapter
        else largest_that_fits(config.limit_ms, config.budget_watts),
        "validation": validate(config.device, meters, scenarios[PACED]["energy"], estimates)
        if PACED in scenarios
        else [],
        "meters": {"found": [meter.name for meter in meters], "missing": missing_meters},
        "gates": [gate.to_dict() for gate in judge(config, scenarios, estimates)],
    }
    samples = {run.name: run.samples for run in runs}
    write_samples(config.out / "samples.parquet", samples)
    traced.trace.write(config.out / "trace.json")
    write_summary(config.out, summary)
    write_report(config.out / "report.html", summary, samples)
    if was_interrupted:
        raise KeyboardInterrupt
    return summary


def judge(config: ProfileConfig, scenarios: dict[str, Any], estimates: list[DeviceEstimate]) -> list[Gate]:
    """Answer the gates that the configuration asks for, on the paced scenario if it was run."""
    gates = []
    judged = PACED if PACED in scenarios else next(iter(scenarios))
    if config.deadline_ms is not None:
        gates.append(deadline_gate(judged, scenarios[judged], config.deadline_ms))
    if config.budget_watts is not None:
        chosen = next(each for each in estimates if each.device.name == config.power_device)
        gates.append(power_gate(scenarios[judged]["energy"]["watts"], chosen, config.budget_watts))
    return gates


def make_folder(out: Path) -> None:
    """Make the folder for the results.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error.strerror}. Name another folder with --out.") from error


def say_on_stderr(line: str) -> None:
    """Tell a person what begins now."""
    print(f"fsd profile: {line}", file=sys.stderr, flush=True)


def _run_scenarios(
    config: ProfileConfig, clip: Clip, planner: Planner, meters: list[EnergyMeter], say: Say
) -> tuple[list[ScenarioRun], MachineStalls | None]:
    runs: list[ScenarioRun] = []
    stalls: MachineStalls | None = None
    workers, warm_up = config.decode_workers, config.warm_up
    with TimedPipeline(clip, planner) as pipeline:
        if PACED in config.scenarios:
            say(f"constant-stream: {config.paced_ticks} ticks at 36 Hz ({config.paced_ticks * TICK_S:.0f} s)")
            watched = [watch(config.control_s)] if config.control_s else []
            runs.append(constant_stream(pipeline, config.paced_ticks, workers, config.timing(), warm_up, meters))
            if runs[-1].was_interrupted:
                return runs, together(watched) if watched else None
            watched += [watch(config.control_s)] if config.control_s else []
            stalls = together(watched) if watched else None
        if "single-stream" in config.scenarios:
            say(f"single-stream: {config.ticks} ticks")
            runs.append(single_stream(pipeline, config.ticks, workers, warm_up, meters))
        if "flat-out" in config.scenarios:
            say(f"flat-out: {config.ticks} ticks")
            runs.append(flat_out(pipeline, config.ticks, workers, warm_up, meters))
        say(f"model-only: {config.ticks} ticks")
        runs.append(model_only(pipeline, config.ticks, warm_up, meters))
    return runs, stalls


def _clip_path(config: ProfileConfig, stack: ExitStack) -> Path:
    if config.clip is not None:
        return config.clip
    packaged = package_files.files("fsd") / "demo_clip"
    if not packaged.is_dir():
        raise ClipError("This installation has no packaged recording. Name one: fsd profile CLIP.")
    return stack.enter_context(package_files.as_file(packaged))


def _config(config: ProfileConfig) -> dict[str, Any]:
    """Settings without paths, which say nothing about speed and something about the machine's owner."""
    paths = ("clip", "out", "cameras", "model", "adapter")
    return {name: value for name, value in asdict(config).items() if name not in paths}


def _clip(clip: Clip) -> dict[str, Any]:
    streams = {name: stream for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None}
    return {
        "name": clip.name,
        "cameras": {name: f"{stream.width_px}x{stream.height_px} {stream.codec}" for name, stream in streams.items()},
        "notes": list(clip.notes),
    }


def _model(planner: Planner) -> dict[str, Any]:
    metadata = planner.metadata
    found = {
        "name": metadata.name,
        "precision": metadata.precision,
        "budget": None,
        "weights_sha256": metadata.weights_sha256,
        "file_bytes": planner.model.stat().st_size,
    }
    if metadata.budget is not None:
        return found | {"budget": metadata.budget.name}
    inputs = describe_inputs(metadata.inputs)
    return found | {"adapter": metadata.name, "inputs": inputs, "state_pairs": len(metadata.state)}


def describe_inputs(inputs: Mapping[str, TensorSpec | np.ndarray]) -> str:
    """Names, types and shapes of a network's inputs."""
    return ", ".join(f"{name} {each.dtype}{list(each.shape)}" for name, each in inputs.items())


def _trained(planner: Planner) -> str:
    return "trained" if planner.metadata.trained else "untrained: random weights, the plan means nothing"
