"""What exporting and quantizing cost: in metres over recurrent drives, and in driving score with the loop closed.

The ceiling is FP32 ONNX against PyTorch: what float rounding alone makes of the same drive. Every runner keeps its own
memory over more than 1,000 ticks on end. ADE is against where the recorded car went. Ranges come from one drive and the
proof from another, so that INT8 is not judged on what it was calibrated on. In closed loop both files drive the same
held-out routes of the simulator, each on its own, and every route is one pair.

    python benchmarks/export_parity.py [--quick] [--weights FILE] [--model FILE] [--clips FOLDER …] [--routes N]
    python benchmarks/export_parity.py --weights w.safetensors --model b100_int8.onnx --routes 200 --out out/parity

Without `--weights` the packaged ones are taken, or the untrained network where there are none. Without `--clips` two
drives are recorded (needs the extra `sim` and EGL; kept in the temporary directory), or the packaged clip is taken.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fsd.data.clip import open_clip
from fsd.data.errors import ModelError, SimulatorError
from fsd.data.simulator.record import RecordConfig, record
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.drive.drive import DriveConfig, drive
from fsd.drive.table import Routes, bootstrap, paired_difference
from fsd.export.config import ExportConfig
from fsd.export.export import Exported, export
from fsd.export.metadata import read_metadata
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.parity import ParityReport, compare
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.config import NetworkConfig
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import load_weights, packaged_weights, untrained, weights_sha256
from fsd.runtime.engine import packaged_model
from fsd.scoring.plan_errors import displacement_errors, driven_waypoints

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

PROOF_SECONDS, CALIBRATION_SECONDS = 30.0, 20.0
PROOF_SEED, CALIBRATION_SEED = 100_901, 100_900
"""Worlds that no training may use (`data/simulator/seeds.py`)."""


@dataclass(frozen=True)
class Drives:
    """Recordings to calibrate on and to prove on; `are_apart` unless both are the same."""

    calibration: list[RecordedClip]
    proof: list[RecordedClip]

    @property
    def are_apart(self) -> bool:
        return {clip.path for clip in self.calibration}.isdisjoint(clip.path for clip in self.proof)


def main() -> None:
    """Measure and print the figures."""
    options = _options()
    weights = options.weights or _packaged_weights()
    network = load_weights(weights)[0] if weights else untrained(NetworkConfig())
    print(f"weights: {weights.name if weights else 'none, an untrained network; its figures mean little'}")
    drives = _drives(options, network)
    with _folder(options.out) as folder:
        model = options.model or _packaged_model_of(weights)
        config = ExportConfig(weights=weights, out=folder, int8=model is None, parity_ticks=0)
        written = export(config, drives.calibration)
        int8 = model or written.int8
        assert int8 is not None
        figures, ticks = _open_loop(network, written, int8, drives, options.quick)
        figures |= _closed_loop(written.fp32, int8, options)
    finish("export_parity", figures, ticks)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the packaged clip, 150 ticks of it, and 4 routes")
    parser.add_argument("--weights", type=Path, default=None, help="safetensors (default: the packaged ones)")
    parser.add_argument(
        "--model", type=Path, default=None, help="INT8 file of these weights (default: packaged, or made)"
    )
    parser.add_argument("--clips", type=Path, nargs="+", default=None, help="to prove on (default: recorded here)")
    parser.add_argument(
        "--calibration-clips", type=Path, nargs="+", default=None, help="to calibrate on (as for --clips)"
    )
    parser.add_argument("--ticks", type=int, default=None, help="at most so many ticks of each clip")
    parser.add_argument(
        "--routes", type=int, default=None, help="in closed loop (default 40, quick 4); 0 leaves it out"
    )
    parser.add_argument(
        "--draw-every", type=int, default=4, help="closed loop: draw cameras every N ticks (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, help="closed loop: processes (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=None, help="keeps the files and driven routes; a broken run goes on"
    )
    options = parser.parse_args()
    if options.ticks is None and options.quick:
        options.ticks = 150
    if options.routes is None:
        options.routes = 4 if options.quick else 40
    return options


def _open_loop(
    network: DrivingNetwork, written: Exported, int8: Path, drives: Drives, quick: bool
) -> tuple[dict[str, float], int]:
    """Metres, and how many ticks they are from."""
    report = compare(network, written.fp32, {"onnx_int8": int8}, drives.proof, unoptimised_ticks=20 if quick else 100)
    _print(report)
    if written.int8 is not None and not drives.are_apart:
        print("  note: calibrated on the drive that it is proven on")
    budget = network.config.budget
    errors_m = {}
    for name, path in (("fp32", written.fp32), ("int8", int8)):
        runner = OnnxRunner(open_model(path), budget)
        errors_m[name] = np.mean([_ade_3s(runner, clip) for clip in drives.proof])
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
        "recurrent_ticks": report.ticks,
    }
    return figures, report.ticks


def _closed_loop(fp32: Path, int8: Path, options: argparse.Namespace) -> dict[str, float]:
    """Driving score of both files on the same routes; empty without a way to draw pictures."""
    if not options.routes:
        return {}
    scenarios = SCORED_SCENARIOS[: options.routes]
    with _folder(options.out) as folder:
        config = DriveConfig(
            out=folder / "drives",
            drivers=(f"fp32={fp32}", f"int8={int8}"),
            scenarios=scenarios,
            routes=max(1, options.routes // len(scenarios)),
            draw_every_ticks=options.draw_every,
            workers=options.workers,
        )
        try:
            with tqdm(desc="closed loop", unit="route", disable=None, file=sys.stderr) as bar:

                def progress(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                scores = drive(config, progress).scores
        except SimulatorError as error:
            print(f"closed loop: left out, {error}")
            return {}
    means = {name: _mean_score(routes) for name, routes in scores.items()}
    apart = paired_difference(scores["int8"], scores["fp32"])
    change = means["int8"] / means["fp32"] - 1 if means["fp32"] else float("nan")
    print(
        f"driving score over {apart.routes} routes: FP32 {means['fp32']:.3f}, INT8 {means['int8']:.3f}, change "
        f"{change:+.2%}; route by route {apart.mean:+.4f} (95%: {apart.low:+.4f} to {apart.high:+.4f})"
    )
    figures = {
        "int8_score_change": round(change, 5),
        "int8_score_difference": round(apart.mean, 5),
        "int8_score_difference_low": round(apart.low, 5),
        "int8_score_difference_high": round(apart.high, 5),
        "fp32_score": round(means["fp32"], 4),
        "routes": apart.routes,
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _mean_score(routes: Routes) -> float:
    return bootstrap([score.driving_score for score in routes.values()]).mean


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


def _packaged_weights() -> Path | None:
    try:
        return packaged_weights()
    except ModelError:
        return None


def _packaged_model_of(weights: Path | None) -> Path | None:
    """The packaged INT8 file, if it was exported from these weights."""
    if weights is None or read_metadata(packaged_model()).weights_sha256 != weights_sha256(weights):
        return None
    return packaged_model()


def _drives(options: argparse.Namespace, network: DrivingNetwork) -> Drives:
    """What to calibrate on and what to prove on."""
    proof, calibration = options.clips, options.calibration_clips or options.clips
    if proof is None and options.quick:
        proof = calibration = [Path(str(resources.files("fsd").joinpath("demo_clip")))]
    elif proof is None:
        proof = [_recorded(PROOF_SEED, PROOF_SECONDS)]
        calibration = options.calibration_clips or [_recorded(CALIBRATION_SEED, CALIBRATION_SECONDS)]
    known = {path: RecordedClip(path, network.config.budget, options.ticks) for path in {*proof, *calibration}}
    return Drives([known[path] for path in calibration], [known[path] for path in proof])


def _recorded(seed: int, seconds: float) -> Path:
    """A drive through the simulated town, recorded on first use and kept; the packaged clip where nothing can draw."""
    folder = Path(tempfile.gettempdir()) / f"fsd-parity-{seed}-{seconds:g}s"
    if (folder / "complete").exists():
        return folder
    if folder.exists():
        raise SystemExit(f"{folder} was left unfinished by an earlier run; remove it.")
    print(f"recording {seconds:g} s of the simulator (seed {seed}) …", flush=True)
    try:
        record(RecordConfig(folder, seconds=seconds, seed=seed, width_px=320, height_px=240))
    except SimulatorError as error:
        print(f"the packaged clip is taken instead: {error}")
        return Path(str(resources.files("fsd").joinpath("demo_clip")))
    (folder / "complete").touch()
    return folder


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
