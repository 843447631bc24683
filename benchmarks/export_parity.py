"""How far INT8 and FP32 ONNX are from the PyTorch network, in metres, over recurrent drives.

The ceiling is FP32 ONNX against PyTorch: what float rounding alone makes of the same drive. Every runner keeps its
own memory. ADE is against where the recorded car went; what INT8 costs in closed loop is another benchmark.

    python benchmarks/export_parity.py [--quick] [--weights FILE] [--int8 FILE] [--clips FOLDER …] [--ticks N]
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

from fsd.data.clip import open_clip
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.ort_session import OnnxRunner, open_session
from fsd.export.parity import ParityReport, compare
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.config import NetworkConfig
from fsd.networks.weights import load_weights, untrained
from fsd.scoring import displacement_errors, driven_waypoints

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: 150 ticks")
    parser.add_argument("--weights", type=Path, default=None, help="safetensors (default: the untrained network)")
    parser.add_argument("--int8", type=Path, default=None, help="INT8 file of these weights (default: made here)")
    parser.add_argument("--clips", type=Path, nargs="+", default=None, help="recordings (default: the packaged one)")
    parser.add_argument("--ticks", type=int, default=None, help="at most so many ticks of each clip")
    arguments = parser.parse_args()
    ticks = arguments.ticks or (150 if arguments.quick else None)
    network = load_weights(arguments.weights)[0] if arguments.weights else untrained(NetworkConfig())
    budget = network.config.budget
    paths = arguments.clips or [Path(str(resources.files("fsd").joinpath("demo_clip")))]
    clips = [RecordedClip(path, budget, ticks) for path in paths]

    with tempfile.TemporaryDirectory() as folder:
        config = ExportConfig(weights=arguments.weights, out=Path(folder), int8=arguments.int8 is None, parity_ticks=0)
        written = export(config, clips)
        int8 = arguments.int8 or written.int8
        assert int8 is not None
        report = compare(
            network, written.fp32, {"onnx_int8": int8}, clips, unoptimised_ticks=20 if arguments.quick else 100
        )
        _print(report)
        errors_m = {}
        for name, path in (("fp32", written.fp32), ("int8", int8)):
            runner = OnnxRunner(open_session(path), budget)
            errors_m[name] = np.mean([_ade_3s(runner, clip) for clip in clips])
    change = errors_m["int8"] / errors_m["fp32"] - 1
    print(f"ADE over 3 s: FP32 {errors_m['fp32']:.3f} m, INT8 {errors_m['int8']:.3f} m, change {change:+.2%}")
    fp32_result, int8_result = report.comparisons["onnx_fp32"], report.comparisons["onnx_int8"]
    figures = {
        "fp32_max_m": fp32_result.anywhere_max_m,
        "fp32_growth": round(fp32_result.growth, 3),
        "int8_ade_change": round(float(change), 5),
        "int8_mean_diff_3s_m": round(int8_result.position_mean_m["3s"], 5),
        "int8_max_diff_3s_m": round(int8_result.position_max_m["3s"], 5),
        "int8_mean_diff_curvature_per_m": int8_result.curvature_mean_per_m,
        "int8_mean_diff_acceleration_mps2": int8_result.acceleration_mean_mps2,
        "int8_growth": round(int8_result.growth, 3),
    }
    finish("export_parity", figures, report.ticks)


def _print(report: ParityReport) -> None:
    print(f"{report.ticks} recurrent ticks; the ceiling is FP32 ONNX, which differs by rounding only")
    for name, result in report.comparisons.items():
        means = ", ".join(f"{label} {value:.2g}" for label, value in result.position_mean_m.items())
        print(
            f"  {name:22s} against {result.reference:9s} ({result.ticks} ticks): mean m {means}; anywhere "
            f"{result.anywhere_max_m:.2g} m; curvature {result.curvature_mean_per_m:.2g} 1/m; acceleration "
            f"{result.acceleration_mean_mps2:.2g} m/s²; growth {result.growth:.2f}"
        )
    for failure in report.failures:
        print(f"  FAILED: {failure}")


def _ade_3s(runner: OnnxRunner, clip: RecordedClip) -> float:
    """Mean distance over 3 s between what was planned and what was driven."""
    recording = open_clip(clip.path)
    if recording.ego is None:
        return float("nan")
    runner.reset()
    planned, times_ns = [], []
    for step in clip:
        planned.append(runner.step(step)["trajectory"].copy())
        times_ns.append(step.tick.timestamp_ns)
    driven = driven_waypoints(recording.ego, np.array(times_ns, np.int64))
    return displacement_errors(np.stack(planned), driven).get("ade_3s_m", float("nan"))


if __name__ == "__main__":
    main()
