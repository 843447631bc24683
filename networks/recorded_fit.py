"""Fit a network to recorded clips, and say how well it steers in the part of them that it never saw.

Open loop: the recorded driver drives. The figure is the one that steering benchmarks use, the root mean square error of
the steering wheel's angle, beside two predictors that look at nothing. A few minutes of video are too little to learn
driving from; this shows what they give.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.clip import open_clip
from fsd.data.errors import ClipError, UsageError
from fsd.data.files import write_text
from fsd.data.frames import RATE_HZ
from fsd.data.steering import LINCOLN_MKZ, SteeringGeometry
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset import find_episodes
from fsd.networks.evaluation import roll_out
from fsd.networks.model import DrivingNetwork
from fsd.networks.recorded_episodes import EVERY_TICKS, EpisodeMaker
from fsd.networks.training import TrainConfig, train
from fsd.networks.training_set import TrainingSet
from fsd.networks.weights import load_weights, read_header

RESULT = "recorded_fit.json"
LEARNED = ("curvature", "acceleration", "trajectory")
"""What recordings may have labels for."""

OPEN_LOOP = "Open loop: the recorded driver drives; no claim about driving."
TOO_LITTLE = (
    "This is too little video to learn to steer from: neighbouring samples are nearly the same, so there are far fewer "
    "independent ones than samples, and both parts are of the same drive. Published systems reach 0.05 to 0.06 rad on "
    "the Udacity drive of 2016, with about 30 times more video than two minutes."
)
LITTLE_SAMPLES = 36_000
"""About an hour."""

Report = Callable[[str, int, int, dict[str, float]], None]


def _silent(phase: str, done: int, total: int, figures: dict[str, float]) -> None:
    """The report of whoever wants none."""


@dataclass(frozen=True)
class RecordedFitConfig:
    """Settings of `fsd train --clips`.

    Attributes:
        recordings: clips, each cut in time at `train_until_s` (None: after two thirds) into learning and testing.
        out: folder of the run; started again with the same settings, it goes on.
        geometry: of the steering; None assumes `LINCOLN_MKZ`, and the results say so.
        network: sizes, of a network that starts from nothing; initial: weights to start from instead.
        steps: optimiser steps; clips, rows_per_clip: of a batch; threads: of training.
    """

    recordings: tuple[Path, ...]
    out: Path = Path("runs/recorded")
    train_until_s: float | None = None
    geometry: SteeringGeometry | None = None
    network: NetworkConfig = field(default_factory=NetworkConfig)
    initial: Path | None = None
    steps: int = 300
    learning_rate: float = 1e-3
    clips: int = 10
    rows_per_clip: int = 3
    threads: int = 2
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.recordings:
            raise ValueError("There is no clip to learn from: name at least one.")
        if self.train_until_s is not None and not self.train_until_s > 0:
            raise ValueError(f"train_until_s must be above 0, got {self.train_until_s}.")


def fit_recordings(config: RecordedFitConfig, report: Report = _silent) -> dict[str, Any]:
    """Record the clips as episodes, train on their first parts, score on their last parts.

    Args:
        report: called as report(phase, done, total, figures) as things proceed.

    Returns:
        What is also written to `recorded_fit.json`: weights, data, `train` and `test` as in `steering_scores`.

    Raises:
        ClipError: a clip cannot be read, is too short, or has nothing to learn steering from.
        UsageError: the cut leaves nothing, or several processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("Learning from recordings runs in one process. Leave `torchrun` out.")
    geometry = config.geometry or LINCOLN_MKZ
    network = config.network
    if config.initial is not None:
        network = NetworkConfig.from_dict(read_header(config.initial)["config"])
    sets = _record(config, network, geometry, report)
    settings = TrainConfig(
        out=config.out,
        network=network,
        initial=config.initial,
        steps=config.steps,
        clips=config.clips,
        rows_per_clip=config.rows_per_clip,
        hard_share=0.0,  # The few bends of a short recording, drawn again and again, would be learned by heart.
        learning_rate=config.learning_rate,
        warm_up_steps=min(TrainConfig.warm_up_steps, max(1, config.steps // 5)),
        validation_share=0.0,  # The test part is no validation: nothing is chosen by it.
        report_every=min(TrainConfig.report_every, config.steps),
        threads=config.threads,
        device=config.device,
        seed=config.seed,
    )
    weights = train(
        settings, sets["train"].episodes, lambda step, figures: report("train", step, config.steps, figures)
    )
    trained = load_weights(weights)[0].to(config.device)
    recorded = sets["train"].read(np.arange(len(sets["train"])))
    mean_rad = float(np.nanmean(geometry.wheel_angle_rad(recorded["curvature"].astype(np.float64))))
    result = {
        "weights": weights.name,
        "clips": [str(path.name) for path in config.recordings],
        "curvature_from": sorted({str(episode.facts["curvature_from"]) for episode in sets["train"].episodes}),
        "learned": [name for name in LEARNED if np.isfinite(recorded[name]).any()],
        "train_until_s": [episode.facts["train_until_s"] for episode in sets["train"].episodes],
        "steering": {**asdict(geometry), "is_assumed": config.geometry is None},
        "budget": network.budget.name,
        "initial": None if config.initial is None else config.initial.name,
        "steps": config.steps,
        "samples_per_s": float(RATE_HZ / EVERY_TICKS),
    }
    for part, episodes in sets.items():
        report(f"score {part}", 0, 1, {})
        result[part] = steering_scores(trained, episodes, geometry, mean_rad, config.device)
        report(f"score {part}", 1, 1, {})
    is_little = len(sets["train"]) < LITTLE_SAMPLES
    result["caveat"] = f"{OPEN_LOOP} {TOO_LITTLE}" if is_little else OPEN_LOOP
    write_text(config.out / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def steering_scores(
    network: DrivingNetwork, episodes: TrainingSet, geometry: SteeringGeometry, mean_rad: float, device: str = "cpu"
) -> dict[str, float | int]:
    """Root mean square error of the steering wheel's angle, in rad, over all rows with a known one.

    Args:
        mean_rad: what the constant predictor says, from the training part.

    Returns:
        samples, network_rmse_rad, zero_rmse_rad, mean_rmse_rad.

    Raises:
        ClipError: no row has a known curvature.
    """
    rows, outputs = roll_out(network, episodes, range(len(episodes.episodes)), device)
    wanted_rad = geometry.wheel_angle_rad(episodes.read(rows)["curvature"][:, 0].astype(np.float64))
    answered_rad = geometry.wheel_angle_rad(outputs["curvature"][:, 0].astype(np.float64))
    known = np.isfinite(wanted_rad)
    if not known.any():
        raise ClipError(f"{episodes.episodes[0].folder} has no row with a known curvature. Use another cut or clip.")
    wanted_rad, answered_rad = wanted_rad[known], answered_rad[known]
    return {
        "samples": len(wanted_rad),
        "network_rmse_rad": _rms(answered_rad - wanted_rad),
        "zero_rmse_rad": _rms(wanted_rad),
        "mean_rmse_rad": _rms(wanted_rad - mean_rad),
    }


def _record(
    config: RecordedFitConfig, network: NetworkConfig, geometry: SteeringGeometry, report: Report
) -> dict[str, TrainingSet]:
    folder = config.out / "episodes"
    maker = EpisodeMaker(folder, network.budget, geometry, config.train_until_s)
    for index, path in enumerate(config.recordings):
        report("record", index, len(config.recordings), {})
        clip = open_clip(path)
        maker.make(clip, f"{index:03d}-{clip.name}")
    report("record", len(config.recordings), len(config.recordings), {})
    sets = {part: TrainingSet(find_episodes(folder / part, network.budget)) for part in ("train", "test")}
    for episode in sets["train"].episodes:
        if episode.ticks < config.rows_per_clip:
            raise ClipError(
                f"{episode.folder} has {episode.ticks} samples to learn from; {config.rows_per_clip} are needed, "
                f"{float(RATE_HZ / EVERY_TICKS):g} a second. Cut later with `--train-until-s`, or use a longer clip."
            )
    if not np.isfinite(sets["train"].read(np.arange(len(sets["train"])))["curvature"]).any():
        raise ClipError(f"No sample of {folder / 'train'} has a known curvature. Cut later, or use another clip.")
    return sets


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))
