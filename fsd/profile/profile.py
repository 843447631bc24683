"""Profile a recording on this machine: run all scenarios, write all files, and judge the gates.

The machine's peaks are measured first, its stalls right before and after the paced run, and the traced run comes last,
because it slows the network down.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib import resources as package_files
from pathlib import Path

import msgspec

from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.frames import TICK_S
from fsd.data.open_clip import open_clip
from fsd.meters.power import EnergyMeter
from fsd.outputs.cross_check_summary import CrossCheckRecord
from fsd.outputs.profile_scenario import MachineStallSummary
from fsd.outputs.profile_summary import ProfiledModelInfo, ProfileSummary, Setting
from fsd.outputs.progress import ProgressCallback, describe_s, print_progress
from fsd.outputs.run_info import clip_info, describe_training, model_info
from fsd.profile.cold_start import measure_cold_start
from fsd.profile.config import PACED, ProfileConfig
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import chain_shapes_run
from fsd.profile.profile_record import Machine, ProfileRecord, describe_inputs, profile_folder
from fsd.profile.scenarios.machine_stalls import measure_stalls, merge_stalls
from fsd.profile.scenarios.runs import ScenarioRun, constant_stream, flat_out, model_only, single_stream
from fsd.profile.scenarios.timed_pipeline import TimedPipeline
from fsd.profile.traced_run import trace_run
from fsd.runtime.planner import Planner
from fsd.third_party.open_planner import chosen_planner


def profile(config: ProfileConfig, progress: ProgressCallback = print_progress) -> ProfileSummary:
    """Run a profile and write `summary.json`, `samples.parquet`, `trace.json` and `report.html` to `config.out`.

    Returns:
        The summary, gates included; a gate that is not met is not an error here.

    Raises:
        ClipError, ModelError, OutputError: the profile cannot be run or written.
        KeyboardInterrupt: the paced run was interrupted; its samples until then are written.
    """
    with ExitStack() as stack:
        clip = open_clip(_clip_path(config, stack), config)
        # First, so that an unusable model or device is reported before any measurement.
        planner = chosen_planner(clip, config)
        folder = stack.enter_context(profile_folder(config, (clip.path, *clip.files, *config.model_files)))
        progress("measuring the machine's peaks")
        machine = Machine(config.threads)
        progress("cold start, in a separate process")
        cold_start = measure_cold_start(clip.path, config)
        settings = planner.metadata.cross_check
        cross_check = None if settings is None else CrossCheckRecord(settings)
        runs, stalls = _run_scenarios(config, clip, planner, cross_check, machine.meters, progress)
        progress(f"tracing {config.trace_ticks} ticks with the runtime's profile on")
        traced = trace_run(clip, config)
        record = ProfileRecord(
            machine=machine,
            settings=_settings(config),
            clip=clip_info(clip),
            model=_model(planner),
            network=describe_training(planner.metadata, clip),
            is_one_size=config.adapter is not None,
            cold_start=cold_start,
            runs=runs,
            stalls=stalls,
            cost=count_cost(planner.metadata.name, chain_shapes_run(planner.models, traced.feeds)),
            operator_runs=traced.operator_runs,
            trace=traced.trace,
            cross_check=None if cross_check is None else cross_check.summary(),
        )
        summary = record.write(config, folder)
        if summary.status == "interrupted":
            raise KeyboardInterrupt
    return summary


def _about(runs: Sequence[ScenarioRun], ticks: int) -> str:
    """About how long so many ticks take, by those of the scenario before; empty for the first one."""
    if not runs or not runs[-1].samples.is_planned.any():
        return ""
    samples = runs[-1].samples
    work_ms = samples.total_ms[samples.is_planned] - samples.stage_ms("queue")
    return f" (about {describe_s(float(work_ms.mean()) / 1e3 * ticks)})"


def _run_scenarios(
    config: ProfileConfig,
    clip: Clip,
    planner: Planner,
    cross_check: CrossCheckRecord | None,
    meters: list[EnergyMeter],
    progress: ProgressCallback,
) -> tuple[list[ScenarioRun], MachineStallSummary | None]:
    runs: list[ScenarioRun] = []
    measured = []
    workers, warm_up = config.decode_workers, config.warm_up
    with TimedPipeline(clip, planner, cross_check, config.mask_cameras) as pipeline:
        if PACED in config.scenarios:
            progress(f"constant-stream: {config.paced_ticks} ticks at 36 Hz ({config.paced_ticks * TICK_S:.0f} s)")
            if config.control_s:
                measured.append(measure_stalls(config.control_s))
            runs.append(constant_stream(pipeline, config.paced_ticks, workers, warm_up, meters, timing=config))
            if runs[-1].was_interrupted:
                return runs, merge_stalls(measured) if measured else None
            if config.control_s:
                measured.append(measure_stalls(config.control_s))
        for name, scenario in (("single-stream", single_stream), ("flat-out", flat_out)):
            if name in config.scenarios:
                progress(f"{name}: {config.ticks} ticks{_about(runs, config.ticks)}")
                runs.append(scenario(pipeline, config.ticks, workers, warm_up, meters))
        progress(f"model-only: {config.ticks} ticks{_about(runs, config.ticks)}")
        runs.append(model_only(planner.rerun_last, config.ticks, warm_up, meters))
    return runs, merge_stalls(measured) if measured else None


def _clip_path(config: ProfileConfig, stack: ExitStack) -> Path:
    if config.clip is not None:
        return config.clip
    packaged = package_files.files("fsd") / "demo_clip"
    if not packaged.is_dir():
        raise ClipError("This installation has no packaged recording. Give a recording: fsd profile CLIP.")
    return stack.enter_context(package_files.as_file(packaged))


def _settings(config: ProfileConfig) -> dict[str, Setting]:
    """Settings without paths, which do not affect speed and may name the machine's owner."""
    left_out = ("clip", "out", "cameras", "model", "adapter", "cross_check", "cross_check_tolerance")
    settings = {name: value for name, value in asdict(config).items() if name not in left_out}
    if config.cross_check is not None:
        settings["cross_check"] = str(config.cross_check)
    return settings


def _model(planner: Planner) -> ProfiledModelInfo:
    metadata = planner.metadata
    model = ProfiledModelInfo(
        **msgspec.structs.asdict(model_info(metadata)), file_bytes=sum(path.stat().st_size for path in planner.models)
    )
    if metadata.budget is not None:
        return msgspec.structs.replace(model, budget=metadata.budget.name)
    inputs = describe_inputs(metadata.inputs)
    return msgspec.structs.replace(model, adapter=metadata.name, inputs=inputs, state_pairs=len(metadata.state))
