"""Learn from simulated drives in two ways, and drive with both: what the detour through recordings costs.

Recorded: drives of the expert are written as a Tesla would save them (six cameras, H.264, telemetry in the video), and
only `fsd dataset build` and the training on data sets see them. Direct: drives of the expert in the same worlds, as
long and as many, go from the simulator through the compressor to the training, with all eight cameras, disturbed
steering and every label that the simulator knows. Both start from the same weights and take the same steps; the INT8
files of both, and of the weights that they started from, then drive the same held-out routes.
"""

import shutil
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from _steering_fit import StepBar
from tqdm import tqdm

from fsd.data.errors import ClipError
from fsd.data.simulator.record import RecordConfig, record
from fsd.dataset.build import build_dataset
from fsd.dataset.config import DatasetConfig
from fsd.drive.drive import DriveConfig, drive
from fsd.drive.table import Routes, mean_score, paired_difference, table
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.collection import DRAW_EVERY_TICKS, TRAINING_SCENARIOS, CollectionConfig, Collector
from fsd.networks.dataset_training.run import network_of, train_on_datasets
from fsd.networks.drives.clip_record import CLIPS_FOLDER, read_record
from fsd.networks.packaged import PACKAGED_WEIGHTS, packaged_file
from fsd.networks.train_options import DatasetTrainConfig
from fsd.networks.training_loop import WEIGHTS
from fsd.networks.weights import load_weights

FIRST_SEED = 60_000
"""Of the worlds; training seeds, of which `fsd train` uses the first few 10,000."""

WIDTH_PX, HEIGHT_PX = 320, 240
LONGEST_SKIP_S = 18.0
RATE = 3e-4
START = "network"
"""The packaged network, among the drivers."""


@dataclass(frozen=True)
class GapConfig:
    """How much is driven and learned. `routes` is per scenario; `seed` is that of the training."""

    out: Path
    drives: int = 28
    seconds: float = 10.0
    steps: int = 300
    routes: int = 2
    seed: int = 0
    workers: int = 2
    threads: int = 2
    scenarios: tuple[str, ...] = TRAINING_SCENARIOS


@dataclass(frozen=True)
class Gap:
    """What was learned from, and the driving scores of both ways to learn and of the weights at the start."""

    drives: int
    seconds: float
    rows: dict[str, int]
    loader_shares: list[float | None]
    scores: dict[str, Routes]


def measure_gap(config: GapConfig) -> Gap:
    """Record, build, train, export and drive; what `config.out` already has is kept."""
    names = [
        f"{TRAINING_SCENARIOS[index % len(TRAINING_SCENARIOS)]}-{FIRST_SEED + index}" for index in range(config.drives)
    ]
    dataset = config.out / "dataset"
    sources = [_teslacam_of(config, name) for name in tqdm(names, "record", unit="drive", disable=None)]
    build_dataset(
        DatasetConfig(
            sources=tuple(sources),
            out=dataset,
            budget=(_start(config, ()).network.budget.name,),
            workers=config.workers,
        )
    )
    learned_rows = rows_to_learn_from(dataset)
    chosen = [
        index for index, source in enumerate(sources) if any(learned_rows.get(event.name) for event in _events(source))
    ]
    if not chosen:
        raise ClipError("No drive is in the part for training. Record more of them with --drives.")
    episodes = config.out / "episodes"
    direct_rows = _collect(config, episodes, chosen)
    runs = {
        "recorded": _start(config, (dataset,)),
        "direct": replace(_start(config, ()), simulated=(episodes,), out=config.out / "direct", simulated_held_out=0.0),
    }
    fits = []
    for name, each in runs.items():
        with StepBar(f"train {name}") as report:
            fits.append(train_on_datasets(each, report))
    models = {name: _exported(each.out / WEIGHTS, config.out / f"{name}-onnx") for name, each in runs.items()}
    with tqdm(desc="drive", unit="route", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        driven = drive(
            DriveConfig(
                out=config.out / "drive",
                drivers=(START, *(f"{name}={path}" for name, path in models.items())),
                scenarios=config.scenarios,
                routes=config.routes,
                draw_every_ticks=DRAW_EVERY_TICKS,
                workers=config.workers,
            ),
            progress,
        )
    print(f"\nTeslaCam\n{table(driven.scores, driven.config.scenarios)}")
    rows = {"recorded": sum(learned_rows.values()), "direct": direct_rows}
    shares = [fit.loader_share for fit in fits if fit is not None]
    return Gap(len(chosen), config.seconds, rows, shares, driven.scores)


def gap_figures(gap: Gap) -> dict[str, float | None]:
    """Driving score learned directly minus that learned from recordings, with its 95 % interval over routes."""
    change = paired_difference(gap.scores["direct"], gap.scores["recorded"])
    return {
        "teslacam_sim_score_gap": change.mean,
        "teslacam_sim_score_gap_low": change.low,
        "teslacam_sim_score_gap_high": change.high,
        "teslacam_routes": change.count,
        "teslacam_score": mean_score(gap.scores["recorded"]),
        "teslacam_direct_score": mean_score(gap.scores["direct"]),
        "teslacam_start_score": mean_score(gap.scores[START]),
        "teslacam_drives": gap.drives,
        "teslacam_rows": gap.rows["recorded"],
        "teslacam_direct_rows": gap.rows["direct"],
    }


def rows_to_learn_from(dataset: Path) -> dict[str, int]:
    """Name of each clip -> its rows in the part for training."""
    records = [read_record(folder) for folder in sorted((dataset / CLIPS_FOLDER).iterdir())]
    return {
        each.name: sum(part.end - part.begin for part in each.ranges if part.is_used and part.part == "train")
        for each in records
    }


def _start(config: GapConfig, datasets: tuple[Path, ...]) -> DatasetTrainConfig:
    weights = packaged_file(PACKAGED_WEIGHTS, "weights", "name others")
    settings = DatasetTrainConfig(
        datasets=datasets,
        out=config.out / "recorded",
        initial=weights,
        steps=config.steps,
        evaluate_every=config.steps,
        learning_rate=RATE,
        seed=config.seed,
        threads=config.threads,
    )
    return replace(settings, network=network_of(settings))


def _teslacam_of(config: GapConfig, name: str) -> Path:
    """The folder of one drive, recorded unless it is there."""
    scenario, seed = name.split("-")
    folder = config.out / "teslacam" / name
    if (done := folder.with_name(f"{name}.done")).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    record(
        RecordConfig(
            out=folder,
            seconds=config.seconds,
            seed=int(seed),
            width_px=WIDTH_PX,
            height_px=HEIGHT_PX,
            format="teslacam",
            cameras_like="hw4",
            scenario=scenario,
            skip_s=float(np.random.default_rng(int(seed)).uniform(0, LONGEST_SKIP_S)),
            quality="fast",
        )
    )
    done.touch()
    return folder


def _events(folder: Path) -> list[Path]:
    return sorted((folder / "SavedClips").iterdir())


def _collect(config: GapConfig, episodes: Path, chosen: list[int]) -> int:
    """Rows of the direct drives: those in the chosen worlds."""
    collection = CollectionConfig(
        episodes, config.drives, FIRST_SEED, seconds=config.seconds, width_px=WIDTH_PX, height_px=HEIGHT_PX
    )
    collector: Collector | None = None
    for index in tqdm(chosen, "collect", unit="drive", disable=None):
        if not (episodes / collection.episode_name(index) / "episode.json").exists():
            collector = collector or Collector(collection, None)
            collector.episode(index)
    return sum(len(np.load(path, mmap_mode="r")) for path in episodes.glob("*/curvature.npy"))


def _exported(weights: Path, out: Path) -> Path:
    """The INT8 file, calibrated on the packaged clip."""
    if not (found := list(out.glob("*_int8.onnx"))):
        budget = load_weights(weights)[0].config.budget
        clip = RecordedClip(Path(str(resources.files("fsd") / "demo_clip")), budget)
        export(ExportConfig(weights=weights, out=out, parity_ticks=0), [clip])
        found = list(out.glob("*_int8.onnx"))
    return found[0]
