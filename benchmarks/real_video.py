"""Learning from recordings: how fast a data set is built and scored, and the steering error on a real drive.

A recording is built into a data set and decoded bare, in turn, in one process with as many decoder threads; then a
network is run over the data set. The steering figures are those of `udacity_ch2` (180 s, one camera, the angle of the
steering wheel only): root mean square error of that angle over its last 60 s, in open loop, of the network, of the
network with all pictures masked, of a wheel that stays at 0, and of the wheel held as it was 0.25 s or more before,
which no network is told. By default the network is the packaged one, which has seen no real road; `--model` names one
that `fsd train` and `fsd export` have made of the first 120 s.

    python benchmarks/real_video.py [--recording udacity_ch2] [--model FILE] [--quick]

Without `--recording`, speeds are those of the packaged clip, and there is no steering error.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import median

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
from ingest import bare_decode

HELD_OUT_FROM_S = 120.0
GAP_S = 0.25
"""Not scored after the split: pictures of this age may still be shown."""

METRIC = "steering_wheel_rmse_rad"
KEY = "recording"
NOT_MEASURED = {
    "loader_share": "measured by the trainer on data sets, which is not part of this version",
    "teslacam_sim_score_gap": "needs a network that was trained on simulated drives written as TeslaCam",
}


@dataclass(frozen=True)
class Rate:
    """Speed of one pass over the recording, in ticks of 36 Hz."""

    ticks_per_s: float
    cpu_ms_per_tick: float


def main() -> None:
    """Build, decode, score, and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=None, help="udacity_ch2 (default: the packaged clip)")
    parser.add_argument("--model", type=Path, default=None, help="ONNX file (default: the packaged network)")
    parser.add_argument("--workers", type=int, default=2, help="decoder threads, and networks at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help="build and decode once, without a warm-up")
    options = parser.parse_args()
    clip = open_clip(options.recording or Path(str(resources.files("fsd").joinpath("demo_clip"))))
    budget = Engine(options.model).budget.name
    with tempfile.TemporaryDirectory(prefix="fsd-real-video-") as folder:
        built, decoded, record = measure_build(clip, Path(folder), budget, options.workers, 1 if options.quick else 3)
        held_out = options.recording is not None
        run = score(Path(folder), options.model, options.workers, HELD_OUT_FROM_S + GAP_S if held_out else 0.0)
        facts = run.facts()
        figures = {
            **steering(run),
            "ticks_per_s_build": median(each.ticks_per_s for each in built),
            "build_over_bare_decode": median(
                a.ticks_per_s / b.ticks_per_s for a, b in zip(built, decoded, strict=True)
            ),
            "build_over_bare_decode_cpu": median(
                b.cpu_ms_per_tick / a.cpu_ms_per_tick for a, b in zip(built, decoded, strict=True)
            ),
            "evaluate_x_real_time": facts["times_real_time"],
            "evaluate_cpu_ms_per_tick": facts["cpu_ms_per_tick"],
            **dict.fromkeys(NOT_MEASURED),
        }
    print(f"build        {spread([each.ticks_per_s for each in built])} ticks/s at 36 Hz, n = {len(built)}")
    print(f"bare decode  {spread([each.ticks_per_s for each in decoded])} ticks/s at 36 Hz")
    print(f"evaluate     {facts['ticks_per_s']} ticks/s at {float(RATE_HZ) / record.every_ticks:g} Hz")
    reasons = dict(NOT_MEASURED)
    missing = [name for name, value in figures.items() if value is None and name not in reasons]
    reasons |= dict.fromkeys(missing, "the recording has no angle of the steering wheel")
    scored = facts["data"].scored_rows
    finish(
        "real_video",
        {name: None if value is None else round(value, 5) for name, value in figures.items()},
        len(built),
        f"{clip.name}, {record.video_s:g} s, {len(record.cameras)} cameras, budget {budget}, network "
        f"{facts['model'].name} {facts['model'].precision}; {scored} rows scored",
        reasons,
    )


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


def steering(run: NetworkRun) -> dict[str, float | None]:
    """Root mean square errors of the steering wheel; None for a recording without one."""
    tables = run.tables
    scores: dict[str, Scores] = {
        "ch2_rmse_rad": tables.planners[NETWORK],
        "ch2_masked_rmse_rad": tables.withheld({"no_pictures": ""})["no_pictures"].scores,
        "ch2_zero_rmse_rad": tables.planners["constant_velocity"],
        "ch2_held_wheel_rmse_rad": tables.planners["hold_last"],
    }
    return {name: each[METRIC].value if METRIC in each else None for name, each in scores.items()}


if __name__ == "__main__":
    main()
