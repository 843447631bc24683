"""Profile a recording on this machine: run everything, write everything, and answer the gates.

Order matters: the machine's own peaks are measured before the program, its own stalls around the paced run, and the
instrumented run comes last, where it cannot disturb the others.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from importlib import resources as package_files
from pathlib import Path
from typing import Any

from fsd.data.clip import Clip, open_clip
from fsd.data.errors import ClipError, OutputError
from fsd.data.frames import CAMERAS
from fsd.profile.budget_costs import budget_costs
from fsd.profile.cold_start import measure_cold_start
from fsd.profile.config import ProfileConfig
from fsd.profile.control_thread import MachineStalls, together, watch
from fsd.profile.devices import device, devices
from fsd.profile.energy_model import Assumptions, DeviceEstimate, estimate
from fsd.profile.gates import Gate, deadline_gate, power_gate
from fsd.profile.machine import describe_machine
from fsd.profile.machine_peaks import MachinePeaks, measure_peaks
from fsd.profile.network_cost import NetworkCost
from fsd.profile.operators import OperatorTime, by_module, count_cost, time_operators
from fsd.profile.power import EnergyMeter, find_meters
from fsd.profile.profiled_engine import ProfiledEngine
from fsd.profile.report import write_report
from fsd.profile.runtime_trace import profiled_runs
from fsd.profile.samples import write_samples
from fsd.profile.scenario_summary import PACED, summarise
from fsd.profile.scenarios import ScenarioRun, constant_stream, flat_out, model_only, single_stream
from fsd.profile.traced_run import trace_run
from fsd.profile.whole_path import WholePath
from fsd.summary import write_summary
from fsd.version import __version__

SCHEMA = 1
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
    """
    say = say or _say
    with ExitStack() as stack:
        clip = open_clip(_clip_path(config, stack), config.cameras)
        _make_folder(config.out)
        started_s = time.time()
        say("measuring the machine's peaks")
        peaks = measure_peaks(config.threads)
        meters, missing_meters = find_meters()
        say("cold start, in a process of its own")
        cold_start_ms = measure_cold_start(clip.path, config.model, config.threads, config.decode_workers)
        engine = ProfiledEngine(config.model, config.threads)
        runs, stalls = _run_scenarios(config, clip, engine, meters, say)
        say(f"tracing {config.trace_ticks} ticks with the runtime's profile on")
        traced = trace_run(
            clip,
            config.model,
            config.threads,
            config.decode_workers,
            config.trace_ticks,
            config.limit_ms,
            config.timing(),
        )
        shapes = profiled_runs(engine.model, traced.feeds, config.threads, 1, prepack=False)[-1]
        cost = count_cost(engine.metadata.name, shapes)
        operators = time_operators(cost, traced.operator_runs, peaks)
        scenarios = {run.name: summarise(run, config.limit_ms) for run in runs}
        if stalls is not None:
            scenarios[PACED]["machine_stalls"] = stalls.to_dict()
        estimates = [estimate(cost, each, config.limit_ms, config.budget_watts) for each in devices().values()]
        summary = {
            "schema": SCHEMA,
            "fsd_version": __version__,
            "started_unix_s": round(started_s, 3),
            "machine": describe_machine(),
            "config": _config(config),
            "clip": _clip(clip),
            "model": _model(engine),
            "network": _trained(engine),
            "peaks": peaks.to_dict(),
            "cold_start_ms": cold_start_ms,
            "scenarios": scenarios,
            "network_cost": _cost(cost, peaks, operators),
            "modules": by_module(operators),
            "operators": [each.to_dict() for each in operators],
            "meters": {"found": [meter.name for meter in meters], "missing": missing_meters},
            "devices": [each.to_dict() for each in estimates],
            "assumptions": str(Assumptions()),
            "largest_that_fits": _largest_that_fits(config),
            "gates": [gate.to_dict() for gate in _gates(config, scenarios, estimates)],
        }
        write_samples(config.out / "samples.parquet", {run.name: run.samples for run in runs})
        traced.trace.write(config.out / "trace.json")
        write_summary(config.out, summary)
        write_report(config.out / "report.html", summary, {run.name: run.samples for run in runs})
    return summary


def _run_scenarios(
    config: ProfileConfig, clip: Clip, engine: ProfiledEngine, meters: list[EnergyMeter], say: Say
) -> tuple[list[ScenarioRun], MachineStalls | None]:
    runs: list[ScenarioRun] = []
    stalls: MachineStalls | None = None
    workers, warm_up = config.decode_workers, config.warm_up
    with WholePath(clip, engine) as path:
        if PACED in config.scenarios:
            say(f"constant-stream: {config.paced_ticks} ticks at 36 Hz ({config.paced_ticks / 36:.0f} s)")
            watched = [watch(config.control_s)] if config.control_s else []
            runs.append(constant_stream(path, config.paced_ticks, workers, config.timing(), warm_up, meters))
            watched += [watch(config.control_s)] if config.control_s else []
            stalls = together(watched) if watched else None
        if "single-stream" in config.scenarios:
            say(f"single-stream: {config.ticks} ticks")
            runs.append(single_stream(path, config.ticks, workers, warm_up, meters))
        if "flat-out" in config.scenarios:
            say(f"flat-out: {config.ticks} ticks")
            runs.append(flat_out(path, config.ticks, workers, warm_up, meters))
        say(f"model-only: {config.ticks} ticks")
        runs.append(model_only(engine, path, config.ticks, warm_up))
    return runs, stalls


def _gates(config: ProfileConfig, scenarios: dict[str, Any], estimates: list[DeviceEstimate]) -> list[Gate]:
    gates = []
    judged = PACED if PACED in scenarios else config.scenarios[0]
    if config.deadline_ms is not None:
        gates.append(deadline_gate(judged, scenarios[judged], config.deadline_ms))
    if config.budget_watts is not None:
        chosen = next(each for each in estimates if each.device.name == config.device)
        gates.append(power_gate(scenarios[judged]["energy"]["watts"], chosen, config.budget_watts))
    return gates


def _largest_that_fits(config: ProfileConfig) -> dict[str, Any]:
    """Per device: the budget profile with the most pixels that fits, modelled, and the tick rate that it leaves."""
    found: dict[str, Any] = {}
    for name in devices():
        found[name] = None
        for budget, cost in budget_costs().items():
            answer = estimate(cost, device(name), config.limit_ms, config.budget_watts)
            if answer.fits == "yes":
                found[name] = {"budget": budget, "max_rate_hz": round(answer.max_rate_hz, 1), "tag": "modelled"}
                break
    return found


def _cost(cost: NetworkCost, peaks: MachinePeaks, operators: list[OperatorTime]) -> dict[str, Any]:
    """The network on this machine's roofline."""
    operator_s = sum(each.median_us for each in operators) / 1e6
    best_s = cost.int8_macs / peaks.int8_gmac_s / 1e9 + cost.float_macs / peaks.fp32_gmac_s / 1e9
    return {
        "macs": cost.macs,
        "int8_macs": cost.int8_macs,
        "float_macs": cost.float_macs,
        "bytes": cost.bytes,
        "operators": len(cost.operators),
        "macs_per_byte": cost.macs / cost.bytes,
        "operator_ms": operator_s * 1e3,
        "gmac_s": cost.macs / operator_s / 1e9,
        "share_of_peak": best_s / operator_s,
    }


def _clip_path(config: ProfileConfig, stack: ExitStack) -> Path:
    if config.clip is not None:
        return config.clip
    packaged = package_files.files("fsd") / "demo_clip"
    if not packaged.is_dir():
        raise ClipError("This installation has no packaged recording. Name one: fsd profile CLIP.")
    return stack.enter_context(package_files.as_file(packaged))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error.strerror}. Name another folder with --out.") from error


def _config(config: ProfileConfig) -> dict[str, Any]:
    fields = asdict(config)
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in fields.items()
        if name not in ("clip", "out", "cameras", "model")
    }


def _clip(clip: Clip) -> dict[str, Any]:
    streams = {name: stream for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None}
    return {
        "name": clip.name,
        "cameras": {name: f"{stream.width_px}x{stream.height_px} {stream.codec}" for name, stream in streams.items()},
        "notes": list(clip.notes),
    }


def _model(engine: ProfiledEngine) -> dict[str, Any]:
    metadata = engine.metadata
    return {
        "name": metadata.name,
        "precision": metadata.precision,
        "budget": metadata.budget.name,
        "weights_sha256": metadata.weights_sha256,
        "file_bytes": engine.model.stat().st_size,
    }


def _trained(engine: ProfiledEngine) -> str:
    return "trained" if engine.metadata.trained else "untrained: random weights, the plan means nothing"


def _say(line: str) -> None:
    print(f"fsd profile: {line}", file=sys.stderr, flush=True)
