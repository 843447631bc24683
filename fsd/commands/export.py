"""`fsd export`: weights to ONNX, INT8 and the proof that they agree."""

import argparse
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fsd.data.errors import ModelError, UsageError
from fsd.outputs.progress import print_progress

if TYPE_CHECKING:
    from fsd.export.config import ExportConfig
    from fsd.export.parity import ParityReport

EXAMPLE = """example:
  fsd export weights.safetensors --data clip/ another_clip/ --out exported
  fsd export weights.safetensors --data clip/ --target ort-cpu trt --half --mixed 0.02
  fsd export --out exported          # the trained network that the package ships, on the demo clip"""
OVER_LIMIT = 7
WORST_LAYERS = 10
_NEEDS = "`fsd export` needs PyTorch and ONNX: pip install 'fsd[export]'."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; those left out take `ExportConfig`'s defaults."""
    parser.epilog = EXAMPLE
    unset = argparse.SUPPRESS
    parser.add_argument(
        "weights", type=Path, nargs="?", default=None, help="safetensors file; without one, the packaged weights"
    )
    parser.add_argument("--out", type=Path, default=unset, help="folder for the files")
    parser.add_argument("--format", default=unset, help="onnx")
    parser.add_argument("--opset", type=int, default=unset, help="ONNX operator set, 18 to 23 (20)")
    parser.add_argument("--simplify", action="store_true", default=unset, help="fold constants, drop idle nodes")
    parser.add_argument(
        "--dynamic", nargs="*", default=unset, metavar="AXIS", help="batch: an FP32 file for many cars at a time, too"
    )
    parser.add_argument("--half", action="store_true", default=unset, help="write an FP16 file too")
    parser.add_argument("--budget", default=unset, help="an untrained network of B25 B50 B100 B200 B400")
    parser.add_argument("--seed", type=int, default=unset, help="an untrained network of this seed")
    parser.add_argument("--check", type=Path, metavar="MODEL", help="only say whether MODEL comes from these weights")
    int8 = parser.add_argument_group("INT8")
    int8.add_argument("--int8", action=argparse.BooleanOptionalAction, default=unset, help="write INT8 files too (yes)")
    int8.add_argument(
        "--target", dest="targets", nargs="+", default=unset, help="runtimes of the INT8 files: ort-cpu openvino trt"
    )
    int8.add_argument("--data", type=Path, nargs="+", metavar="CLIP", help="recordings to calibrate and to prove on")
    int8.add_argument("--fraction", type=float, default=unset, help="share of each clip to calibrate on (1.0)")
    int8.add_argument(
        "--calibration", type=Path, default=unset, metavar="JSON", help="of an earlier export; no new one"
    )
    int8.add_argument("--sensitivity", action="store_true", default=unset, help="measure every layer, in metres")
    int8.add_argument(
        "--mixed",
        dest="mixed_m",
        type=float,
        default=unset,
        metavar="METRES",
        help="leave the layers in float that gain most for their cost, until the plan is this close at 3 s",
    )
    proof = parser.add_argument_group("proof")
    proof.add_argument("--parity-ticks", type=_ticks, default=unset, help="length of the proof (1000)")
    proof.add_argument(
        "--no-parity", dest="parity_ticks", action="store_const", const=0, default=unset, help="write unproven files"
    )
    proof.add_argument("--device", default=unset, help="where PyTorch computes: cpu, cuda, cuda:N (cpu)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export and say how well the files agree."""
    try:
        from fsd.export.config import ExportConfig
        from fsd.export.export import export
    except ModuleNotFoundError as error:
        raise ModelError(f"{_NEEDS} (missing: {error.name})") from error
    from fsd.compression.budget import BUDGETS
    from fsd.export.recorded_clip import KEEP_BYTES, RecordedClip
    from fsd.networks.weights import load_weights, packaged_weights
    from fsd.outputs.export_summary import ExportSummary

    if options.check is not None:
        return _check(options)
    if options.weights is None and not {"budget", "seed"} & vars(options).keys():
        options.weights = packaged_weights()
        options.data = options.data or [Path(str(resources.files("fsd") / "demo_clip"))]
    config = _config(options, ExportConfig)
    clips = None
    if options.data:
        budget = load_weights(config.weights)[0].config.budget if config.weights else BUDGETS[config.budget]
        clips = [RecordedClip(path, budget, keep_bytes=KEEP_BYTES // len(options.data)) for path in options.data]
    elif config.fraction != 1:
        raise UsageError("--fraction is the share of the clips given with `--data`; there are none.")
    written = export(config, clips, progress=print_progress)
    int8 = written.others.get("onnx_int8", written.int8)
    summary = ExportSummary(
        fp32=str(written.fp32),
        int8=str(int8) if int8 else None,
        files={name: str(path) for name, path in written.others.items()},
        passed=written.report.passed if written.report else None,
        parity=written.report,
        sensitivity=dict(written.sensitivity),
    )
    if not options.json:
        print("written  " + "  ".join(str(path) for path in (written.fp32, *written.others.values())))
        for target, sensitivity in written.sensitivity.items():
            print(f"layers, {target}\n{sensitivity.table(WORST_LAYERS)}")
        if written.report and written.parity:
            print(f"proof    {written.parity} {written.parity.with_suffix('.html')}")
            _print_proof(written.report)
            for note in written.report.notes:
                print(f"  note: {note}")
        else:
            print("proof    none; leave `--no-parity` out to have one")
    failures = written.report.failures if written.report else ()
    for failure in failures:
        print(f"fsd: {failure}", file=sys.stderr)
    return {**msgspec.to_builtins(summary), "exit_code": OVER_LIMIT if failures else 0}


def _ticks(text: str) -> int:
    """A number of ticks to prove over; leaving the proof out takes `--no-parity`, so that nobody does it unawares."""
    if (ticks := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {ticks}; `--no-parity` leaves the proof out")
    return ticks


def _check(options: argparse.Namespace) -> dict[str, Any]:
    """`--check`: is the model file whole, and does it come from these weights?"""
    from fsd.export.metadata import check_origin

    if options.weights is None:
        raise UsageError("--check needs the weights file as well: `fsd export WEIGHTS --check MODEL`.")
    metadata = check_origin(options.check, options.weights)
    if not options.json:
        print(f"{options.check}: {metadata.precision} for {metadata.target}, whole, exported from {options.weights}")
    return {"precision": metadata.precision, "target": metadata.target, "weights_sha256": metadata.weights_sha256}


def _print_proof(report: "ParityReport") -> None:
    for name, result in report.comparisons.items():
        print(
            f"  {name} against {result.reference}, {result.ticks} ticks: {result.position_mean_m['3s']:.2e} m at 3 s "
            f"on average, {result.anywhere_max_m:.2e} m at most anywhere, {result.curvature_max_per_m:.1e} 1/m, "
            f"{result.acceleration_max_mps2:.1e} m/s² at most; growth {result.growth:.2f}"
        )


def _config(options: argparse.Namespace, config: "type[ExportConfig]") -> "ExportConfig":
    names = config.__dataclass_fields__
    try:
        given = {name: value for name, value in vars(options).items() if name in names}
        for name in {"targets"} & given.keys():
            given[name] = tuple(given[name])
        if "dynamic" in given:
            given["dynamic"] = tuple(given["dynamic"]) or ("shapes",)
        return config(**given)
    except ValueError as error:
        raise UsageError(str(error)) from error
