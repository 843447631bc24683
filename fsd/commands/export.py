"""`fsd export`: export our weights or any model to ONNX and INT8, and prove that the files agree."""

import argparse
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import add_options, config_from, option_group, path_argument, typed_name
from fsd.commands.default_folder import choose_folder
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.data.errors import ModelError, UsageError
from fsd.data.options import declared_options
from fsd.export.config import ExportConfig, ProofOptions
from fsd.exporting.config import AdaptedExportConfig
from fsd.extras import install_line
from fsd.fleet.config import ExportFleetOptions
from fsd.fleet.places import require_extra
from fsd.outputs.part_progress import PartProgress

if TYPE_CHECKING:
    from fsd.export.clip_measure import MeasureClips
    from fsd.export.fine_tuning import FineTuned
    from fsd.export.parity import ParityReport
    from fsd.export.steps import Exported

EPILOG = """examples:
  fsd export weights.safetensors --data clip/ another_clip/ --out out/exported
  fsd export weights.safetensors --data clip/ --target ort-cpu trt --half --mixed 0.02
  fsd export --out out/exported          # the packaged weights, on the demo clip
  fsd export weights.safetensors --data 'drives/*' --ray         # calibrated in parallel, docs/fleet.md
  fsd export weights.safetensors --check out/exported/f100_int8.onnx
  fsd export foveated.safetensors --budget F200 --data clip/    # the same weights, fewer patches
  fsd export other.onnx --adapter other.json --data clip/
  fsd export vision.onnx policy.onnx --adapter both.json --data clip/ --variants int8 fp16
  fsd export my_network:load --adapter my.json --data clip/ --qat another_clip/ --steps 500"""
WORST_LAYERS = 10

_SHARED = declared_options(ExportConfig).keys() & declared_options(AdaptedExportConfig).keys()
_OWN_ONLY = declared_options(ExportConfig).keys() - _SHARED - {"weights", "half"}
_THIRD_PARTY_ONLY = declared_options(AdaptedExportConfig).keys() - _SHARED - {"model"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: the options of an export, its recordings, and the mode that only checks a file."""
    out = ExportConfig.out
    numbered = f" (default: {out}, without --ray {out}-2 … where that is taken)"
    add_options(parser, AdaptedExportConfig, defaults={"out": numbered})
    add_options(parser, ExportConfig, skip=("weights", *_SHARED))
    parser.add_argument(
        "--data",
        type=path_argument,
        nargs="+",
        metavar="CLIP",
        help="recordings for calibration and proof (default: the demo clip for the packaged weights, generated images "
        "for other weights of ours); with --ray also folders of several, quoted patterns, and Parquet or CSV files "
        "that list recordings",
    )
    parser.add_argument(
        "--check",
        type=path_argument,
        metavar="FILE",
        help="only check whether the ONNX file FILE was exported from the weights MODEL",
    )
    option_group(parser, ProofOptions.heading).add_argument(
        "--no-parity",
        dest="parity_ticks",
        action="store_const",
        const=0,
        default=argparse.SUPPRESS,
        help="write the files without the proof",
    )
    add_options(parser, ExportFleetOptions, skip=("clip_gpus", "cache_gb", "cache_dir"))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export, and print how well the files agree."""
    try:
        from fsd.export.clip_measure import in_turn
        from fsd.export.model_source import kind_of
    except ModuleNotFoundError as error:
        raise ModelError(f"`fsd export` needs the package {error.name}:\n  {install_line('export')}") from error
    models = list(getattr(options, "model", None) or [])
    is_own = not models or {kind_of(model) for model in models} == {"weights"}
    if options.check is not None:
        return _check(options, models)
    _refuse(options, _THIRD_PARTY_ONLY if is_own else _OWN_ONLY, is_own)
    fleet = config_from(ExportFleetOptions, options)
    if fleet.ray is None:
        choose_folder(options, ExportConfig.out)
        return _export(options, models, is_own, in_turn)
    require_extra()
    from fsd.exporting.ray_calibration import calibrating_on_ray, recordings_for

    options.data = recordings_for(options.data or [])
    with calibrating_on_ray(getattr(options, "out", ExportConfig.out), fleet) as measure_clips:
        return _export(options, models, is_own, measure_clips)


def _export(
    options: argparse.Namespace, models: list[str], is_own: bool, measure_clips: "MeasureClips"
) -> dict[str, Any]:
    return _export_own(options, models, measure_clips) if is_own else _export_adapted(options, measure_clips)


def _refuse(options: argparse.Namespace, names: set[str], is_own: bool) -> None:
    """Refuse options that belong to the other kind of model."""
    given = sorted(name for name in names if hasattr(options, name))
    if not given:
        return
    declared = {**declared_options(ExportConfig), **declared_options(AdaptedExportConfig)}
    flags = ", ".join(typed_name(declared[name], name) for name in given)
    if is_own:
        raise UsageError(f"{flags}: only for a third-party model, and this exports weights of our own network.")
    raise UsageError(f"{flags}: only for weights of our own network. Leave it out for a third-party model.")


def _export_own(options: argparse.Namespace, models: list[str], measure_clips: "MeasureClips") -> dict[str, Any]:
    """Our own network."""
    from fsd.export.export import export, load_network
    from fsd.export.kept_steps import KEEP_BYTES
    from fsd.export.recorded_clip import RecordedClip
    from fsd.networks.weights import packaged_weights
    from fsd.outputs.disk_space import existing_folder, export_bytes, warn_if_short

    if len(models) > 1:
        raise UsageError(f"Weights are exported one by one; got {', '.join(models)}.")
    options.weights = Path(models[0]) if models else None
    if options.weights is None and not {"budget", "seed"} & vars(options).keys():
        options.weights = packaged_weights()
        options.data = options.data or [Path(str(resources.files("fsd") / "demo_clip"))]
    config = config_from(ExportConfig, options)
    clips = None
    if options.data:
        budget = load_network(config)[0].config.budget
        clips = [RecordedClip(path, budget, keep_bytes=KEEP_BYTES // len(options.data)) for path in options.data]
    elif config.fraction != 1:
        raise UsageError("--fraction is a part of the clips that `--data` names: give `--data`, or leave it out.")
    size = () if config.weights is None else (config.weights.stat().st_size,)
    warn_if_short(existing_folder(config.out), export_bytes(len(config.targets), *size))
    progress = PartProgress()
    if clips:
        progress.watch(clips)
    return _report(export(config, clips, progress, _write_page, measure_clips), options, "network")


def _export_adapted(options: argparse.Namespace, measure_clips: "MeasureClips") -> dict[str, Any]:
    """A third-party model, by its adapter."""
    from fsd.exporting.adapted_export import export_adapted

    variants = getattr(options, "variants", AdaptedExportConfig.variants)
    if getattr(options, "half", False):
        variants = [*variants, *(["fp16"] if "fp16" not in variants else [])]
    if not getattr(options, "int8", True):
        variants = [variant for variant in variants if variant != "int8"]
    config = config_from(AdaptedExportConfig, options, variants=tuple(variants))
    written = export_adapted(config, options.data or [], PartProgress(), _write_page, measure_clips)
    return _report(written.exported, options, "model  ", written.fine_tuned)


def _write_page(exported: "Exported") -> None:
    from fsd.exporting.parity_page import write_parity_page

    if exported.parity is not None:
        write_parity_page(exported.parity.with_suffix(".html"), exported)


def _report(
    written: "Exported", options: argparse.Namespace, kind: str, fine_tuned: "FineTuned | None" = None
) -> dict[str, Any]:
    """Print what was written and how well it agrees; the result of the command."""
    from fsd.meters.machine import describe_machine
    from fsd.outputs.export_summary import ExportSummary, FineTuning

    page = written.parity.with_suffix(".html") if written.parity else None
    int8 = written.others.get("onnx_int8", written.int8)
    tuning = None
    if fine_tuned is not None:
        names = ("before", "after", "best_step", "steps", "ticks")
        tuning = FineTuning(**{name: getattr(fine_tuned, name) for name in names})
    summary = ExportSummary(
        fp32=str(written.fp32),
        int8=str(int8) if int8 else None,
        files={name: str(path) for name, path in written.others.items()},
        passed=written.report.passed if written.report else None,
        parity=written.report,
        sensitivity=dict(written.sensitivity),
        speed=written.speed,
        fine_tuning=tuning,
        machine=describe_machine(),
    )
    if not options.json:
        print(f"{kind}  {written.name}, {'trained' if written.is_trained else 'UNTRAINED: random weights'}")
        print("written  " + "  ".join(str(path) for path in (written.fp32, *written.others.values())))
        if tuning is not None:
            unit = next((each.unit for each in written.report.comparisons.values()), "") if written.report else ""
            found = f"{tuning.after:.3g} after step {tuning.best_step} of {tuning.steps}"
            print(
                f"tuned    {tuning.before:.3g} {unit} from float before, "
                f"{found if tuning.best_step else f'no better within {tuning.steps} steps: not used'} "
                f"(rounded weights, {tuning.ticks} ticks)"
            )
        for target, sensitivity in written.sensitivity.items():
            print(f"layers, {target}\n{sensitivity.table(WORST_LAYERS)}")
        if written.report:
            print(f"proof    {written.parity} {page}")
            print(f"machine  {summary.machine}")
            if written.report.passed:
                print(f"passed   planned alike, within every limit, on {written.report.scope}")
            _print_proof(written.report)
            for speed in written.speed:
                ratios = ", ".join(f"{name} {ratio:.2f}x" for name, ratio in speed.over_fp32.items())
                measured = f"{speed.threads} thread(s), {speed.clock}, {speed.rounds} rounds"
                print(f"  speed over FP32 here, {measured}: {ratios or 'no file'}")
                if speed.slower:
                    print(f"  note: slower than FP32 here: {', '.join(speed.slower)}")
            for warning in written.report.warnings:
                print(f"  warning: {warning}")
            for note in written.report.notes:
                print(f"  note: {note}")
        else:
            print("proof    none; leave `--no-parity` out to have one")
    failures = written.report.failures if written.report else ()
    for failure in failures:
        print(f"fsd: {failure}", file=sys.stderr)
    return {**msgspec.to_builtins(summary), "exit_code": OVER_LIMIT if failures else DONE}


def _check(options: argparse.Namespace, models: list[str]) -> dict[str, Any]:
    """`--check`: whether the model file is complete and was exported from these weights."""
    from fsd.export.metadata import check_origin

    if len(models) != 1 or Path(models[0]).suffix.lower() != ".safetensors":
        raise UsageError("--check needs the weights file as well: `fsd export WEIGHTS --check FILE`.")
    metadata = check_origin(options.check, Path(models[0]))
    if not options.json:
        print(f"{options.check}: {metadata.precision} for {metadata.target}, complete, exported from {models[0]}")
    return {"precision": metadata.precision, "target": metadata.target, "weights_sha256": metadata.weights_sha256}


def _print_proof(report: "ParityReport") -> None:
    from fsd.export.plan_measure import format_distance

    for name, result in report.comparisons.items():
        found = [
            f"{quantity} {format_distance(each.mean, each.unit)} mean, {format_distance(each.max, each.unit)} max"
            for quantity, each in result.distances.items()
            if quantity == result.headline or quantity in ("anywhere", "curvature", "acceleration")
        ]
        print(
            f"  {name} against {result.reference}, {result.ticks} ticks: {'; '.join(found)}; growth "
            f"{result.growth_text}"
        )
    for name, feedback in report.feedback.items():
        mean, p99, largest = (
            format_distance(value, feedback.unit) for value in (feedback.mean, feedback.p99, feedback.max)
        )
        print(
            f"  {name} against onnx_fp32, each choosing its own patches, {feedback.ticks} ticks: {feedback.headline} "
            f"{mean} mean, {p99} p99, {largest} max; {feedback.patches_differ:.1%} of the patches differ"
        )
