"""Third-party networks of 14 shapes through `fsd export`: what INT8 costs and gains, and what rolled-out state does.

Each example network (`example_networks/`) is trained for a moment towards the path that a recorded car drove, so that
errors in metres mean something, and exported with the calibration clips. Errors are those of INT8 against FP32 on clips
that neither training nor calibration saw, each with its own state: mean distance at 3 s, or of the steering angle. The
relative error is that distance over the plan's own spread (root mean square about its mean over the clip).

For networks with state, the same ticks also calibrate from an empty state, as calibration on independent samples does:
`rollout_vs_independent_gain` is that error over the one after calibration on rolled-out state: above 1 where it helps.
Where a state goes straight into a quantized layer, its range is then empty. Times are the shortest of 20 runs, INT8
and FP32 in turn, one thread.

    python benchmarks/own_network.py [--quick] [--examples NAME …] [--iterations N] [--out FOLDER]

Two drives are recorded at first use (needs the extra `sim` and EGL; kept in the temporary directory), or else the first
part of the packaged clip calibrates and the rest tests.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import median

import numpy as np
import torch

from fsd.data.errors import FsdError, SimulatorError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.data.simulator.record import RecordConfig, record
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.plan_measure import distance
from fsd.export.steps import Exported
from fsd.exporting.adapted_clip import AdaptedClip, AdapterFeeds
from fsd.exporting.adapted_export import export_adapted
from fsd.exporting.adapter_measure import AdapterMeasure
from fsd.exporting.config import AdaptedExportConfig
from fsd.networks.onnx_session import Signature

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

from example_networks.catalogue import EXAMPLES, make
from example_networks.drives import labelled_drive
from example_networks.files import ExampleFiles, write
from example_networks.parts import TINY, USUAL, Example
from example_networks.single_step import Backbone
from example_networks.training import train

CALIBRATION_SEED, TEST_SEED = 2_100, 100_910
"""A world that may be trained on, and one that may not (`data/simulator/seeds.py`)."""

SECONDS = 20.0
UNTRAINED = ("large",)
"""Would take too long: random weights, of usual initialisation."""

LARGE_TICKS, LARGE_SHARE = 60, 0.1
PARITY_TICKS = 200
ROUNDS = 20
QUICK_EXAMPLES = ("lstm", "shift_register", "two_files", "conv_gru", "pilotnet")


@dataclass(frozen=True)
class Clips:
    """Recordings to train and calibrate on, and to test on.

    Of the first, only the first `share` is used, which is skipped in a test clip that is among them.
    """

    calibration: tuple[Path, ...]
    test: tuple[Path, ...]
    share: float = 1.0

    def ticks(self, path: Path) -> int:
        """Number of ticks to train and calibrate on."""
        with FrameSource(open_clip(path)) as source:
            return int((source.expected_ticks or 0) * self.share)


@dataclass(frozen=True)
class Row:
    """Results of one example; `error`, `spread` and `zero_state_error` by test clip, in `unit`."""

    name: str
    is_trained: bool
    passed: bool
    unit: str
    error: dict[str, float]
    spread: dict[str, float]
    zero_state_error: dict[str, float]
    time_ratio: float
    ticks: int

    @property
    def relative_error(self) -> float:
        """The worst over the clips."""
        return max(self.error[clip] / max(self.spread[clip], 1e-9) for clip in self.error)

    @property
    def gain(self) -> float | None:
        """Mean error after calibration from an empty state over that after calibration on rolled-out state."""
        if not self.zero_state_error:
            return None
        return sum(self.zero_state_error.values()) / max(sum(self.error.values()), 1e-9)


def main() -> None:
    """Export every example, and print the metrics."""
    options = _options()
    logging.getLogger().setLevel(logging.WARNING)
    torch.set_num_threads(options.torch_threads)
    clips = _clips(options.quick)
    rows: list[Row] = []
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in options.examples:
            try:
                rows.append(_measured(name, folder / name, clips, options))
                _print(rows[-1])
            except FsdError as error:
                failures[name] = str(error)
                print(f"{name}: FAILED: {error}", flush=True)
    gains = [row.gain for row in rows if row.gain is not None]
    times_count = bool(rows) and not options.quick
    if rows and options.quick:
        failures["int8_over_fp32_median"] = "networks this small gain nothing from INT8"
    metrics = {
        "models": len(options.examples),
        "models_exported": sum(row.passed for row in rows),
        "int8_over_fp32_median": round(median(row.time_ratio for row in rows), 3) if times_count else None,
        "worst_relative_error": round(max(row.relative_error for row in rows), 4) if rows else None,
        "rollout_vs_independent_gain": round(median(gains), 3) if gains else None,
        "rollout_vs_independent_gain_largest": round(max(gains), 3) if gains else None,
        "rollout_vs_independent_gain_smallest": round(min(gains), 3) if gains else None,
    }
    measured_on = (
        f"calibration {', '.join(path.name for path in clips.calibration)}; test "
        f"{', '.join(path.name for path in clips.test)}; {len(gains)} models with state"
    )
    finish("own_network", metrics, min((row.ticks for row in rows), default=0), measured_on, failures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="five examples, tiny, on the packaged clip, under a minute"
    )
    parser.add_argument(
        "--examples", nargs="+", choices=tuple(EXAMPLES), default=None, metavar="NAME", help="(default: all)"
    )
    parser.add_argument("--iterations", type=int, default=None, help="of training (default: 80, quick: 15; 0: none)")
    parser.add_argument("--torch-threads", type=int, default=1, help="of training (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, help="folder to keep the files in")
    options = parser.parse_args()
    if options.examples is None:
        options.examples = QUICK_EXAMPLES if options.quick else tuple(EXAMPLES)
    if options.iterations is None:
        options.iterations = 15 if options.quick else 80
    return options


def _measured(name: str, folder: Path, clips: Clips, options: argparse.Namespace) -> Row:
    """Train, export and test one example."""
    example = make(name, TINY if options.quick else USUAL)
    signature = _signature(example)
    if isinstance(example.parts[0], Backbone):
        print(f"{name}: made by {example.parts[0].made_by}")
    is_large = name in UNTRAINED
    if is_large:
        clips = replace(clips, share=min(clips.share, LARGE_SHARE))
    is_trained = options.iterations > 0 and not is_large
    if is_trained:
        drives = [
            labelled_drive(AdaptedClip(path, example.adapter, signature, max_ticks=clips.ticks(path)))
            for path in clips.calibration
        ]
        loss = train(example, drives, options.iterations)
        print(f"{name}: trained, loss {loss:.3f}", flush=True)
    files = write(example, folder / "source", dynamo=not options.quick)
    rolled_out = _exported(
        files, folder / "rolled_out", clips, LARGE_TICKS if is_large else PARITY_TICKS, roll_out=True
    )
    has_state = bool(example.adapter.state or example.adapter.shift_registers)
    others = {"int8": rolled_out.int8}
    if has_state:
        others["zero_state"] = _exported(files, folder / "zero_state", clips, 0, roll_out=False).int8
    measure = AdapterMeasure(example.adapter)
    error: dict[str, dict[str, float]] = {key: {} for key in others}
    spread: dict[str, float] = {}
    ticks = 0
    for path in clips.test:
        steps = AdaptedClip(path, example.adapter, signature, max_ticks=LARGE_TICKS if is_large else None)
        skipped_share = clips.share if path in clips.calibration else 0.0
        plans = _plans({"fp32": rolled_out.fp32, **others}, steps, measure, skipped_share)
        reference = plans.pop("fp32")
        ticks += len(reference)
        spread[path.name] = float(np.sqrt(((reference - reference.mean(0)) ** 2).sum(-1).mean(0)).mean())
        for key, plan in plans.items():
            error[key][path.name] = float(np.mean([distance(*pair) for pair in zip(plan, reference, strict=True)]))
    return Row(
        name=name,
        is_trained=is_trained,
        passed=rolled_out.report is not None and rolled_out.report.passed,
        unit=measure.quantities[measure.headline].unit,
        error=error["int8"],
        spread=spread,
        zero_state_error=error.get("zero_state", {}),
        time_ratio=_time_ratio({"fp32": rolled_out.fp32, **others}, steps),
        ticks=ticks,
    )


def _signature(example: Example) -> Signature:
    """Inputs of all files of an example, without those that links fill."""
    linked = {link.input for link in example.adapter.links}
    specs = {name: spec for part in example.parts for name, spec in part.inputs.items() if name not in linked}
    return {name: (shape, str(dtype).removeprefix("torch.")) for name, (shape, dtype) in specs.items()}


def _exported(files: ExampleFiles, folder: Path, clips: Clips, parity_ticks: int, *, roll_out: bool) -> Exported:
    """Export with ranges of rolled-out or of empty state; 0 `parity_ticks` leave the proof out."""
    config = AdaptedExportConfig(
        model=tuple(str(path) for path in files.models),
        adapter=files.adapter,
        out=folder,
        roll_out=roll_out,
        parity_ticks=parity_ticks,
        speed_rounds=0,
        fraction=clips.share,
    )
    return export_adapted(config, clips.calibration).exported


def _plans(
    files: Mapping[str, Path], steps: AdaptedClip, measure: AdapterMeasure, skipped_share: float
) -> dict[str, np.ndarray]:
    """Name -> (T, rows, numbers) of the headline quantity, each file with its own state, without the first share."""
    runners = {
        name: OnnxRunner(open_model(path), lambda: AdapterFeeds(steps.adapter, steps.signature))
        for name, path in files.items()
    }
    plans: dict[str, list[np.ndarray]] = {name: [] for name in files}
    for step in steps:
        for name, runner in runners.items():
            plans[name].append(np.asarray(measure.read(runner.step(step))[measure.headline], np.float64))
    return {name: np.stack(plan[int(len(plan) * skipped_share) :]) for name, plan in plans.items()}


def _time_ratio(files: Mapping[str, Path], steps: AdaptedClip) -> float:
    """Shortest time of INT8 over that of FP32: processor time of the thread, to which other programs do not add."""
    feeds = AdapterFeeds(steps.adapter, steps.signature)
    feeds.load(next(iter(steps)))
    sessions = {name: open_model(files[name]) for name in ("fp32", "int8")}
    shortest = dict.fromkeys(sessions, float("inf"))
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            start = time.thread_time()
            session.run(None, dict(feeds.arrays))
            shortest[name] = min(shortest[name], time.thread_time() - start)
    return shortest["int8"] / shortest["fp32"]


def _clips(quick: bool) -> Clips:
    packaged = Path(str(resources.files("fsd") / "demo_clip"))
    if not quick:
        try:
            calibration, test = (_recorded(seed) for seed in (CALIBRATION_SEED, TEST_SEED))
            return Clips((calibration,), (test, packaged))
        except SimulatorError as error:
            print(f"the packaged clip alone: {error}")
    return Clips((packaged,), (packaged,), share=0.5)


def _recorded(seed: int) -> Path:
    """A simulated drive, recorded on first use and kept."""
    folder = Path(tempfile.gettempdir()) / f"fsd-own-network-{seed}-{SECONDS:g}s"
    if (folder / "complete").exists():
        return folder
    if folder.exists():
        raise SystemExit(f"{folder} is incomplete: an earlier run was interrupted. Remove it and run again.")
    print(f"recording {SECONDS:g} s of the simulator (seed {seed}) …", flush=True)
    record(RecordConfig(folder, seconds=SECONDS, seed=seed, width_px=320, height_px=240))
    (folder / "complete").touch()
    return folder


def _print(row: Row) -> None:
    errors = ", ".join(
        f"{clip} {error:.3g} {row.unit} ({error / max(row.spread[clip], 1e-9):.2%})"
        for clip, error in row.error.items()
    )
    gain = "no state" if row.gain is None else f"empty state is {row.gain:.2f} times as far"
    weights, proof = "trained" if row.is_trained else "random weights", "passed" if row.passed else "FAILED"
    print(
        f"{row.name:15} {weights}; proof {proof}; INT8 from FP32: {errors}; {gain}; time {row.time_ratio:.2f} of FP32",
        flush=True,
    )


if __name__ == "__main__":
    main()
