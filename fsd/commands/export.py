"""`fsd export`: weights to ONNX, INT8 and the proof that they agree."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.data.errors import ModelError, UsageError

if TYPE_CHECKING:
    from fsd.export.export import ExportConfig
    from fsd.export.parity import ParityReport

EXAMPLE = """example:
  fsd export weights.safetensors --data clip/ another_clip/ --out exported
  fsd export --out exported          # the untrained network that the package ships"""
OVER_LIMIT = 7
_NEEDS = "`fsd export` needs PyTorch and ONNX: pip install 'fsd[export]'."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; those left out take `ExportConfig`'s defaults."""
    parser.epilog = EXAMPLE
    unset = argparse.SUPPRESS
    parser.add_argument(
        "weights", type=Path, nargs="?", default=None, help="safetensors file; without one, an untrained network"
    )
    parser.add_argument("--out", type=Path, default=unset, help="folder for the files")
    parser.add_argument("--data", type=Path, nargs="+", metavar="CLIP", help="recordings to calibrate and to prove on")
    parser.add_argument("--target", default=unset, help="runtime of the INT8 file: ort-cpu")
    parser.add_argument("--int8", action=argparse.BooleanOptionalAction, default=unset, help="write an INT8 file too")
    parser.add_argument("--opset", type=int, default=unset, help="ONNX operator set")
    parser.add_argument("--budget", default=unset, help="of the untrained network: B25 B50 B100 B200 B400")
    parser.add_argument("--seed", type=int, default=unset, help="of the untrained network")
    parser.add_argument("--parity-ticks", type=int, default=unset, help="length of the proof; 0 leaves it out")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export and say how well the files agree."""
    try:
        from fsd.export.export import ExportConfig, export
    except ModuleNotFoundError as error:
        raise ModelError(f"{_NEEDS} (missing: {error.name})") from error
    from fsd.compression.budget import BUDGETS
    from fsd.export.recorded_clip import RecordedClip
    from fsd.networks.weights import load_weights

    config = _config(options, ExportConfig)
    clips = None
    if options.data:
        budget = load_weights(config.weights)[0].config.budget if config.weights else BUDGETS[config.budget]
        clips = [RecordedClip(path, budget) for path in options.data]
    written = export(config, clips, progress=lambda words: print(f"{words} …", file=sys.stderr))
    result = {
        "fp32": str(written.fp32),
        "int8": str(written.int8) if written.int8 else None,
        "parity": written.report.to_dict() if written.report else None,
    }
    if not options.json:
        print(f"written  {written.fp32}" + (f"  {written.int8}" if written.int8 else ""))
        if written.report:
            print(f"proof    {written.parity}")
            _print_proof(written.report)
    failures = written.report.failures if written.report else ()
    for failure in failures:
        print(f"fsd: {failure}", file=sys.stderr)
    return {**result, "exit_code": OVER_LIMIT if failures else 0}


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
        return config(**{name: value for name, value in vars(options).items() if name in names})
    except ValueError as error:
        raise UsageError(str(error)) from error
