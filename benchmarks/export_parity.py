"""What exporting and quantizing cost: in metres over recurrent drives, and in driving score in closed loop.

The lower limit is FP32 ONNX against PyTorch: the effect of float rounding alone on the same drive. Every runner keeps
its own memory over more than 1,000 consecutive ticks, first on the same pictures, then with patches that its own
saliency chooses, as on the road. ADE is against the path of the recorded car. INT8 is calibrated
on one drive and tested on another. In closed loop both files drive the same held-out routes of the simulator, and every
route is one pair.

    python benchmarks/export_parity.py [--quick] [--weights FILE] [--model FILE] [--clips FOLDER …] [--routes N]
    python benchmarks/export_parity.py --weights w.safetensors --model f100_int8.onnx --routes 200 --out out/parity

Without `--weights` the packaged ones are used, or an untrained network if there are none. Without `--clips` two drives
are recorded (needs the extra `sim` and EGL; kept in the temporary directory), or the packaged clip is used.
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

from fsd.data.errors import ModelError, SimulatorError
from fsd.data.open_clip import open_clip
from fsd.data.simulator.record import RecordConfig, record
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.drive.drive import DriveConfig, drive
from fsd.drive.table import Routes, bootstrap, paired_difference
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.gaze_feedback import compare_feedback
from fsd.export.metadata import read_metadata
from fsd.export.network_reference import network_feeds, network_reference
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.parity import ParityReport, compare
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.export.recorded_clip import RecordedClip
from fsd.export.steps import Exported
from fsd.networks.config import NetworkConfig
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import load_weights, packaged_weights, read_header, untrained, weights_sha256
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.runtime.engine import packaged_model
from fsd.scoring.plan_errors import displacement_errors, driven_waypoints

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

TEST_SECONDS, CALIBRATION_SECONDS = 30.0, 20.0
TEST_SEED, CALIBRATION_SEED = 100_901, 100_900
"""Worlds that no training may use (`data/simulator/seeds.py`)."""


@dataclass(frozen=True)
class Drives:
    """Recordings to calibrate on and to test on; `are_apart` if no recording is in both."""

    calibration: list[RecordedClip]
    test: list[RecordedClip]

    @property
    def are_apart(self) -> bool:
        return {clip.path for clip in self.calibration}.isdisjoint(clip.path for clip in self.test)


def main() -> None:
    """Measure and print the metrics."""
    options = _options()
    weights = options.weights or _packaged_weights()
    network = load_weights(weights)[0] if weights else untrained(NetworkConfig())
    print(f"weights: {weights.name if weights else 'none; the network is untrained, so its numbers mean little'}")
    drives = _drives(options, network)
    with _folder(options.out) as folder:
        model = options.model or _packaged_model_of(weights)
        config = ExportConfig(weights=weights, out=folder, int8=model is None, parity_ticks=0)
        written = export(config, drives.calibration)
        int8 = model or written.int8
        assert int8 is not None
        metrics, ticks = _open_loop(network, written, int8, drives, options.quick)
        metrics |= _closed_loop(written.fp32, int8, options) | demo_metrics(int8) | _train_hours(weights)
    measured_on = f"{len(drives.test)} recorded drives, weights {weights.name if weights else 'untrained'}"
    finish("export_parity", metrics, ticks, measured_on)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="150 ticks of the packaged clip and 4 routes")
    parser.add_argument("--weights", type=Path, default=None, help="safetensors file (default: the packaged one)")
    parser.add_argument(
        "--model", type=Path, default=None, help="INT8 file of these weights (default: the packaged one, or exported)"
    )
    parser.add_argument(
        "--clips", type=Path, nargs="+", default=None, help="clips to test on (default: recorded by this run)"
    )
    parser.add_argument(
        "--calibration-clips", type=Path, nargs="+", default=None, help="clips to calibrate on (default: as --clips)"
    )
    parser.add_argument("--ticks", type=int, default=None, help="limit of ticks per clip")
    parser.add_argument(
        "--routes", type=int, default=None, help="routes in closed loop (default: 40, quick: 4; 0: none)"
    )
    parser.add_argument(
        "--draw-every",
        type=int,
        default=4,
        metavar="N",
        help="closed loop: draw cameras every N ticks (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="closed loop: processes (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder for the files and driven routes; an interrupted run resumes"
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
    """Differences in metres, and the number of ticks they are from."""
    report = compare(
        network_reference(network),
        network_feeds(network),
        TrajectoryMeasure(),
        written.fp32,
        {"onnx_int8": int8},
        drives.test,
        unoptimised_ticks=20 if quick else 100,
    )
    _print(report)
    if written.int8 is not None and not drives.are_apart:
        print("  note: calibrated on the drive that it is tested on")
    errors_m = {}
    for name, path in (("fp32", written.fp32), ("int8", int8)):
        runner = OnnxRunner(open_model(path), network_feeds(network))
        errors_m[name] = np.mean([_ade_3s(runner, clip) for clip in drives.test])
    change = errors_m["int8"] / errors_m["fp32"] - 1
    print(f"ADE over 3 s: FP32 {errors_m['fp32']:.3f} m, INT8 {errors_m['int8']:.3f} m, change {change:+.2%}")
    fp32_result, int8_result = report.comparisons["onnx_fp32"], report.comparisons["onnx_int8"]
    metrics = {
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
    return metrics | _own_gaze(network, written.fp32, int8, drives), report.ticks


def _own_gaze(network: DrivingNetwork, fp32: Path, int8: Path, drives: Drives) -> dict[str, float]:
    """Differences at 3 s where each file chooses its own patches, over the same ticks."""
    files = {"onnx_int8": int8}
    found = compare_feedback(network_feeds(network), TrajectoryMeasure(), fp32, files, drives.test)["onnx_int8"]
    print(
        f"each choosing its own patches, {found.ticks} ticks: mean {found.mean:.3f} m, p99 {found.p99:.3f} m, max "
        f"{found.max:.3f} m at 3 s; {found.patches_differ:.1%} of the patches differ"
    )
    return {
        "int8_feedback_mean_m": round(found.mean, 5),
        "int8_feedback_p99_m": round(found.p99, 5),
        "int8_feedback_max_m": round(found.max, 5),
        "int8_feedback_patches_differ": round(found.patches_differ, 5),
        "int8_feedback_ticks": found.ticks,
    }


def _closed_loop(fp32: Path, int8: Path, options: argparse.Namespace) -> dict[str, float]:
    """Driving score of both files on the same routes; empty if the simulator cannot draw."""
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
            print(f"closed loop: skipped, {error}")
            return {}
    means = {name: _mean_score(routes) for name, routes in scores.items()}
    apart = paired_difference(scores["int8"], scores["fp32"])
    change = means["int8"] / means["fp32"] - 1 if means["fp32"] else float("nan")
    print(
        f"driving score over {apart.count} routes: FP32 {means['fp32']:.3f}, INT8 {means['int8']:.3f}, change "
        f"{change:+.2%}; route by route {apart.mean:+.4f} (95%: {apart.low:+.4f} to {apart.high:+.4f})"
    )
    metrics = {
        "int8_score_change": round(change, 5),
        "int8_score_difference": round(apart.mean, 5),
        "int8_score_difference_low": round(apart.low, 5),
        "int8_score_difference_high": round(apart.high, 5),
        "fp32_score": round(means["fp32"], 4),
        "routes": apart.count,
    }
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _mean_score(routes: Routes) -> float:
    return bootstrap([score.driving_score for score in routes.values()]).mean


def _print(report: ParityReport) -> None:
    print(f"{report.ticks} recurrent ticks; FP32 ONNX is the lower limit: it differs only by rounding")
    for name, result in report.comparisons.items():
        means = ", ".join(f"{label} {value:.2g}" for label, value in result.position_mean_m.items())
        print(
            f"  {name:22s} against {result.reference:9s} ({result.ticks} ticks): mean m {means}; anywhere "
            f"{result.anywhere_max_m:.2g} m; curvature {result.curvature_mean_per_m:.2g} 1/m; acceleration "
            f"{result.acceleration_mean_mps2:.2g} m/s²; growth {result.growth:.2f}"
        )
    for failure in report.failures:
        print(f"  FAILED: {failure}")


def demo_metrics(int8: Path) -> dict[str, float]:
    """ADE over 3 s on the packaged clip, as `fsd demo` drives it, over that of holding wheel and pedals."""
    with tempfile.TemporaryDirectory() as out:
        folder = Path(out) / "demo"
        config = ReplayConfig(clip=_demo_clip(), out=folder, model=int8, overlay=False, report=False, mcap=False)
        scores = replay(config, show_progress=False).scores
    if scores is None:
        return {}
    network, hold_last = scores.network["ade_3s_m"], scores.hold_last["ade_3s_m"]
    print(f"demo clip: ADE over 3 s {network:.3f} m, hold last {hold_last:.3f} m, {scores.network['ticks_3s']} ticks")
    return {"demo_ade3_m": round(network, 4), "demo_ade3_over_hold_last": round(network / hold_last, 4)}


def _train_hours(weights: Path | None) -> dict[str, float]:
    """How long the weights were trained, if their training wrote it down."""
    hours = read_header(weights).notes.get("train_hours") if weights else None
    return {} if hours is None else {"train_hours": float(hours)}


def _demo_clip() -> Path:
    return Path(str(resources.files("fsd").joinpath("demo_clip")))


def _ade_3s(runner: OnnxRunner, clip: RecordedClip) -> float:
    """Mean distance over 3 s between the plans and the driven path."""
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
    """The recordings to calibrate on and to test on."""
    test, calibration = options.clips, options.calibration_clips or options.clips
    if test is None and options.quick:
        test = calibration = [_demo_clip()]
    elif test is None:
        test = [_recorded(TEST_SEED, TEST_SECONDS)]
        calibration = options.calibration_clips or [_recorded(CALIBRATION_SEED, CALIBRATION_SECONDS)]
    known = {path: RecordedClip(path, network.config.budget, max_ticks=options.ticks) for path in {*test, *calibration}}
    return Drives([known[path] for path in calibration], [known[path] for path in test])


def _recorded(seed: int, seconds: float) -> Path:
    """A simulated drive, recorded on first use and kept; the packaged clip if the simulator cannot draw."""
    folder = Path(tempfile.gettempdir()) / f"fsd-parity-{seed}-{seconds:g}s"
    if (folder / "complete").exists():
        return folder
    if folder.exists():
        raise SystemExit(f"{folder} is incomplete: an earlier run was interrupted. Remove it and run again.")
    print(f"recording {seconds:g} s of the simulator (seed {seed}) …", flush=True)
    try:
        record(RecordConfig(folder, seconds=seconds, seed=seed, width_px=320, height_px=240))
    except SimulatorError as error:
        print(f"using the packaged clip instead: {error}")
        return _demo_clip()
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
