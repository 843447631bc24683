"""`fsd export`: export weights to ONNX and INT8, and prove that the files agree."""

import argparse
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.commands.arguments import add_options, config_from, option_group, path_argument
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.data.errors import ModelError, UsageError
from fsd.export.config import ExportConfig, ProofOptions
from fsd.extras import install_line
from fsd.outputs.progress import print_progress

if TYPE_CHECKING:
    from fsd.export.parity import ParityReport
    from fsd.export.steps import Exported

EPILOG = """examples:
  fsd export weights.safetensors --data clip/ another_clip/ --out exported
  fsd export weights.safetensors --data clip/ --target ort-cpu trt --half --mixed 0.02
  fsd export --out exported          # the packaged weights, on the demo clip
  fsd export weights.safetensors --check exported/b100_int8.onnx"""
WORST_LAYERS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: the options of an export, its recordings, and the mode that only checks a file."""
    add_options(parser, ExportConfig)
    parser.add_argument(
        "--data",
        type=path_argument,
        nargs="+",
        metavar="CLIP",
        help="recordings for calibration and proof (default: the demo clip for the packaged weights, generated images "
        "for others)",
    )
    parser.add_argument(
        "--check",
        type=path_argument,
        metavar="MODEL",
        help="only check whether the ONNX file MODEL was exported from WEIGHTS",
    )
    option_group(parser, ProofOptions.heading).add_argument(
        "--no-parity",
        dest="parity_ticks",
        action="store_const",
        const=0,
        default=argparse.SUPPRESS,
        help="write the files without the proof",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export, and print how well the files agree."""
    try:
        from fsd.export.export import export
    except ModuleNotFoundError as error:
        raise ModelError(f"`fsd export` needs the package {error.name}:\n  {install_line('export')}") from error
    from fsd.compression.budget import BUDGETS
    from fsd.export.recorded_clip import KEEP_BYTES, RecordedClip
    from fsd.exporting.parity_page import write_parity_page
    from fsd.meters.machine import describe_machine
    from fsd.networks.weights import load_weights, packaged_weights
    from fsd.outputs.disk_space import existing_folder, export_bytes, warn_if_short
    from fsd.outputs.export_summary import ExportSummary

    if options.check is not None:
        return _check(options)
    if options.weights is None and not {"budget", "seed"} & vars(options).keys():
        options.weights = packaged_weights()
        options.data = options.data or [Path(str(resources.files("fsd") / "demo_clip"))]
    config = config_from(ExportConfig, options)
    clips = None
    if options.data:
        budget = load_weights(config.weights)[0].config.budget if config.weights else BUDGETS[config.budget]
        clips = [RecordedClip(path, budget, keep_bytes=KEEP_BYTES // len(options.data)) for path in options.data]
    elif config.fraction != 1:
        raise UsageError("--fraction is a part of the clips that `--data` names: give `--data`, or leave it out.")
    size = () if config.weights is None else (config.weights.stat().st_size,)
    warn_if_short(existing_folder(config.out), export_bytes(len(config.targets), *size))

    def write_page(exported: "Exported") -> None:
        if exported.parity is not None:
            write_parity_page(exported.parity.with_suffix(".html"), exported)

    written = export(config, clips, print_progress, write_page)
    page = written.parity.with_suffix(".html") if written.parity else None
    int8 = written.others.get("onnx_int8", written.int8)
    summary = ExportSummary(
        fp32=str(written.fp32),
        int8=str(int8) if int8 else None,
        files={name: str(path) for name, path in written.others.items()},
        passed=written.report.passed if written.report else None,
        parity=written.report,
        sensitivity=dict(written.sensitivity),
        machine=describe_machine(),
    )
    if not options.json:
        print(f"network  {written.name}, {'trained' if written.is_trained else 'UNTRAINED: random weights'}")
        print("written  " + "  ".join(str(path) for path in (written.fp32, *written.others.values())))
        for target, sensitivity in written.sensitivity.items():
            print(f"layers, {target}\n{sensitivity.table(WORST_LAYERS)}")
        if written.report:
            print(f"proof    {written.parity} {page}")
            print(f"machine  {summary.machine}")
            _print_proof(written.report)
            for note in written.report.notes:
                print(f"  note: {note}")
        else:
            print("proof    none; leave `--no-parity` out to have one")
    failures = written.report.failures if written.report else ()
    for failure in failures:
        print(f"fsd: {failure}", file=sys.stderr)
    return {**msgspec.to_builtins(summary), "exit_code": OVER_LIMIT if failures else DONE}


def _check(options: argparse.Namespace) -> dict[str, Any]:
    """`--check`: whether the model file is complete and was exported from these weights."""
    from fsd.export.metadata import check_origin

    if not hasattr(options, "weights"):
        raise UsageError("--check needs the weights file as well: `fsd export WEIGHTS --check MODEL`.")
    metadata = check_origin(options.check, options.weights)
    if not options.json:
        print(f"{options.check}: {metadata.precision} for {metadata.target}, complete, exported from {options.weights}")
    return {"precision": metadata.precision, "target": metadata.target, "weights_sha256": metadata.weights_sha256}


def _print_proof(report: "ParityReport") -> None:
    for name, result in report.comparisons.items():
        print(
            f"  {name} against {result.reference}, {result.ticks} ticks: {result.position_mean_m['3s']:.2e} m at 3 s "
            f"on average, {result.anywhere_max_m:.2e} m at most anywhere, {result.curvature_max_per_m:.1e} 1/m, "
            f"{result.acceleration_max_mps2:.1e} m/s² at most; growth {result.growth:.2f}"
        )
