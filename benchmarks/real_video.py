"""Learning from recordings: how fast a data set is built, what a network learns from one, and what it drives like then.

Three parts, of which `--part` chooses some:

    speed     a recording is built into a data set and decoded bare, in turn, in one process with as many decoder
              threads; then a network is run over the data set
    steering  needs `--recording udacity_ch2` (180 s, one camera, the angle of the steering wheel only): networks learn
              from its first 120 s, from the packaged weights and from nothing, with `--seeds` seeds each; root mean
              square error of the wheel's angle over its last 60 s, in open loop, of the network, of the network with
              all pictures masked, and of a wheel that stays at 0. With `--model` that network is scored instead
    teslacam  simulated drives written as TeslaCam with telemetry, learned through the data set only, against drives
              taken from the simulator directly: driving scores on the same held-out routes

    python benchmarks/real_video.py --recording udacity_ch2                # about an hour on two cores
    python benchmarks/real_video.py --part teslacam --drives 28 --routes 2
    python benchmarks/real_video.py --quick                                # speeds only, of the packaged clip

Without `--recording`, speeds are those of the packaged clip, and there is no steering error. What `--out` already has
of trainings, drives and routes is kept.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import mean, median

import pyarrow.parquet as pq

from fsd.data.clip import Clip
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.evaluate.card import NETWORK
from fsd.evaluate.config import DatasetRunOptions
from fsd.evaluate.dataset_run import NetworkRun
from fsd.evaluate.evaluate import MASKS
from fsd.evaluate.source import Source
from fsd.networks.drives.clip_builder import BuildSettings, build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, ClipRecord
from fsd.networks.drives.recorded_dataset import INDEX_FILE, Stretch, index_table
from fsd.outputs.evaluate_summary import Scores
from fsd.runtime.engine import Engine

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread
from _steering_fit import SPLIT_S, FitSettings, fit_steering, steering_figures
from _teslacam_fit import GapConfig, gap_figures, measure_gap
from ingest import bare_decode

PARTS = ("speed", "steering", "teslacam")
GAP_S = 0.25
"""Not scored after the split: pictures of this age may still be shown."""

METRIC = "steering_wheel_rmse_rad"
KEY = "recording"
NAMED = {
    "ticks_per_s_build": "speed",
    "ch2_rmse_rad": "steering",
    "ch2_zero_rmse_rad": "steering",
    "ch2_masked_rmse_rad": "steering",
    "loader_share": "steering or teslacam",
    "teslacam_sim_score_gap": "teslacam",
}
"""Metrics that a run always names, and the part that measures each."""


@dataclass(frozen=True)
class Rate:
    """Speed of one pass over the recording, in ticks of 36 Hz."""

    ticks_per_s: float
    cpu_ms_per_tick: float


def main() -> None:
    """Measure the chosen parts, and print the metrics."""
    options = _options()
    clip = open_clip(options.recording or Path(str(resources.files("fsd").joinpath("demo_clip"))))
    figures: dict[str, float | None] = {}
    facts: list[str] = []
    counts: list[int] = []
    shares: list[float | None] = []
    reasons = {name: f"the part {part} was not run" for name, part in NAMED.items()}
    if "speed" in options.part or (options.recording is not None and "steering" in options.part):
        figures |= measure_recording(clip, options, facts)
        counts.append(repeats(options))
    if options.recording is None:
        reasons |= {name: "needs --recording with an angle of the steering wheel" for name in NAMED if "ch2" in name}
    elif "steering" in options.part and options.model is None:
        fits = fit_steering(
            options.recording,
            options.out / "dataset",
            options.out / "steering",
            FitSettings(options.seeds, options.steps, threads=options.workers),
        )
        figures |= steering_figures(fits)
        counts.append(options.seeds)
        shares += [each.loader_share for every in fits.values() for each in every]
        facts.append(f"{options.seeds} seeds from each of {', '.join(fits)}, {options.steps} steps")
    if "teslacam" in options.part:
        gap = measure_gap(
            GapConfig(
                options.out / "teslacam",
                options.drives,
                steps=options.steps,
                routes=options.routes,
                workers=options.workers,
                threads=options.workers,
            )
        )
        figures |= gap_figures(gap)
        counts.append(len(gap.scores["direct"]))
        shares += gap.loader_shares
        facts.append(f"{gap.drives} drives of {gap.seconds:g} s, {options.steps} steps")
    if known := [share for share in shares if share is not None]:
        figures["loader_share"] = mean(known)
    elif shares:
        reasons["loader_share"] = "too few steps"
    finish(
        "real_video",
        {name: None if value is None else round(value, 5) for name, value in (dict.fromkeys(NAMED) | figures).items()},
        min(counts),
        "; ".join(facts),
        {name: reason for name, reason in reasons.items() if figures.get(name) is None},
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--recording", type=Path, default=None, help="udacity_ch2 (default: the packaged clip)")
    parser.add_argument("--model", type=Path, default=None, help="ONNX file to score instead of learning to steer")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each fit (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="training steps (default: %(default)s)")
    parser.add_argument("--drives", type=int, default=28, help="simulated drives (default: %(default)s)")
    parser.add_argument("--routes", type=int, default=2, help="routes per scenario (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads and processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/real_video"), help="folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="speeds only, once, without a warm-up")
    options = parser.parse_args()
    if options.quick:
        options.part = ("speed",)
    if options.recording is None and set(options.part) == {"steering"}:
        parser.error("steering needs --recording")
    return options


def repeats(options: argparse.Namespace) -> int:
    """How often a data set is built."""
    return 1 if options.quick else 3


def measure_recording(clip: Clip, options: argparse.Namespace, facts: list[str]) -> dict[str, float | None]:
    """Build the data set in `options.out`; its speeds, and the scores of a network that did not learn from it."""
    folder, budget = options.out / "dataset", Engine(options.model).budget.name
    built, decoded, record = measure_build(clip, folder, budget, options.workers, repeats(options))
    run = score(folder, options.model, options.workers, 0.0 if options.recording is None else SPLIT_S + GAP_S)
    found = run.facts()
    print(f"build        {spread([each.ticks_per_s for each in built])} ticks/s at 36 Hz, n = {len(built)}")
    print(f"bare decode  {spread([each.ticks_per_s for each in decoded])} ticks/s at 36 Hz")
    print(f"evaluate     {found['ticks_per_s']} ticks/s at {float(RATE_HZ) / record.every_ticks:g} Hz")
    facts.append(
        f"{clip.name}, {record.video_s:g} s, {len(record.cameras)} cameras, budget {budget}, network "
        f"{found['model'].name} {found['model'].precision}, {found['data'].scored_rows} rows scored"
    )
    pairs = list(zip(built, decoded, strict=True))
    return {
        **steering(run, "ch2" if options.model else "ch2_packaged"),
        "ticks_per_s_build": median(each.ticks_per_s for each in built),
        "build_over_bare_decode": median(a.ticks_per_s / b.ticks_per_s for a, b in pairs),
        "build_over_bare_decode_cpu": median(b.cpu_ms_per_tick / a.cpu_ms_per_tick for a, b in pairs),
        "evaluate_x_real_time": found["times_real_time"],
        "evaluate_cpu_ms_per_tick": found["cpu_ms_per_tick"],
    }


def measure_build(
    clip: Clip, folder: Path, budget: str, workers: int, repeats: int
) -> tuple[list[Rate], list[Rate], ClipRecord]:
    """Build and decode bare in turn; the data set of the last build stays in the folder."""
    settings = BuildSettings(budgets=(budget,))
    target = folder / CLIPS_FOLDER / KEY
    built: list[Rate] = []
    decoded: list[Rate] = []
    if repeats > 1:  # compiles kernels, and reads the files once
        build_clip(clip, KEY, target, settings, workers)
    for _ in range(repeats):
        start = Stopwatch()
        record = build_clip(clip, KEY, target, settings, workers)
        built.append(start.rate(record.ticks))
        start = Stopwatch()
        bare_decode(clip, workers)
        decoded.append(start.rate(record.ticks))
    pq.write_table(index_table([record]), folder / INDEX_FILE)
    return built, decoded, record


class Stopwatch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._start_s, self._cpu_s = time.perf_counter(), time.process_time()

    def rate(self, ticks: int) -> Rate:
        wall_s, cpu_s = time.perf_counter() - self._start_s, time.process_time() - self._cpu_s
        return Rate(ticks / wall_s, 1e3 * cpu_s / ticks)


def score(folder: Path, model: Path | None, workers: int, from_s: float) -> NetworkRun:
    """Run a network, whole and with all pictures masked, over what was recorded from a time on."""
    run = NetworkRun.open(DatasetRunOptions(workers=workers), model, folder, None)
    run.source = later_part(run.source, from_s)
    run.withheld = {"no_pictures": MASKS["no_pictures"][0]}
    run.run()
    return run


def later_part(source: Source, from_s: float) -> Source:
    """The rows from a time of the recording on; a memory begins empty there."""
    data = source.open_data()
    found = []
    for stretch in source.stretches:
        times_ns = data.labels_of(stretch.clip).arrays["timestamp_ns"]
        first = int((times_ns < times_ns[0] + round(from_s * 1e9)).sum())
        found += [] if first >= stretch.end else [_from_row(stretch, first)]
    return replace(source, stretches=tuple(each for each in found if each.used))


def _from_row(stretch: Stretch, row: int) -> Stretch:
    used = tuple((max(begin, row), end) for begin, end in stretch.used if end > row)
    return replace(stretch, begin=max(stretch.begin, row), used=used)


def steering(run: NetworkRun, name: str) -> dict[str, float | None]:
    """Root mean square errors of the steering wheel, the network's by its name; empty for a recording without one."""
    tables = run.tables
    scores: dict[str, Scores] = {
        f"{name}_rmse_rad": tables.planners[NETWORK],
        f"{name}_masked_rmse_rad": tables.withheld({"no_pictures": ""})["no_pictures"].scores,
        "ch2_zero_rmse_rad": tables.planners["constant_velocity"],
        "ch2_held_wheel_rmse_rad": tables.planners["hold_last"],
    }
    return {name: each[METRIC].value for name, each in scores.items() if METRIC in each}


if __name__ == "__main__":
    main()
