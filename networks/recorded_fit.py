"""Fit a network to recorded clips and measure its steering error on the held-out part.

Open loop: the recorded driver drives. The metric is that of steering benchmarks, the root mean square error of the
steering wheel's angle, beside two constant predictors. A few minutes of video are too little to learn driving.
"""

import os

import msgspec
import numpy as np

from fsd.data.errors import ClipError, UsageError
from fsd.data.files import write_bytes
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.data.steering import SteeringGeometry
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset import find_episodes
from fsd.networks.evaluation import roll_out
from fsd.networks.model import DrivingNetwork
from fsd.networks.recorded_episodes import EVERY_TICKS, EpisodeMaker
from fsd.networks.train_options import RecordedFitConfig, Report
from fsd.networks.training import CHECKPOINT, WEIGHTS, TrainConfig, run_folder, train
from fsd.networks.training_log import PROGRESS
from fsd.networks.training_set import TrainingSet
from fsd.networks.weights import load_weights, read_header

RESULT = "recorded_fit.json"
LEARNED = ("curvature", "acceleration", "trajectory")
"""Outputs for which recordings can have labels."""

OPEN_LOOP = "Open loop: the recorded driver drives; no claim about driving."
TOO_LITTLE = (
    "This is too little video to learn to steer from: neighbouring samples are nearly the same, so there are far fewer "
    "independent ones than samples, and both parts are of the same drive. Published systems reach 0.05 to 0.06 rad on "
    "the Udacity drive of 2016, with about 30 times more video than two minutes."
)
LITTLE_SAMPLES = 36_000
"""Samples of about an hour of video."""


class SteeringScores(msgspec.Struct, frozen=True):
    """Root mean square error of the steering wheel's angle over `samples` rows: the network's and two constants'."""

    samples: int
    network_rmse_rad: float
    zero_rmse_rad: float
    mean_rmse_rad: float


class RecordedFit(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `fit_recordings`, as in `recorded_fit.json`.

    Attributes:
        weights: file name, in the run's folder; initial: of the weights it started from.
        clips: folder names; train_until_s: where each was cut.
        curvature_from: sources of the curvature labels; learned: outputs that had labels.
        steering: the geometry used; is_steering_assumed: it is the default, not given by the user.
        caveat: how far the scores carry.
    """

    schema_version: int = 1
    weights: str
    clips: list[str]
    curvature_from: list[str]
    learned: list[str]
    train_until_s: list[float]
    steering: SteeringGeometry
    is_steering_assumed: bool
    budget: str
    initial: str | None
    steps: int
    samples_per_s: float
    train: SteeringScores
    test: SteeringScores
    caveat: str


def fit_recordings(config: RecordedFitConfig, report: Report = lambda phase, done, total, metrics: None) -> RecordedFit:
    """Convert the clips to episodes, train on their first parts, score both parts.

    Args:
        report: called as report(phase, done, total, metrics) during the run.

    Returns:
        What is also written to `recorded_fit.json`.

    Raises:
        ClipError: a clip cannot be read, is too short, or has no steering labels.
        UsageError: the split leaves an empty part, or several processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("Training on recordings runs in one process. Start it without `torchrun`.")
    for missing in (path for path in config.recordings if not path.exists()):
        open_clip(missing)  # says so before there is a folder for results
    inputs = [*config.recordings, *([] if config.initial is None else [config.initial])]
    names = (RESULT, WEIGHTS, CHECKPOINT, PROGRESS, "episodes", "cache-0")
    with run_folder(config.out, "train --clips", names, inputs):
        return _fit(config, report)


def _fit(config: RecordedFitConfig, report: Report) -> RecordedFit:
    geometry = config.geometry
    network = config.network
    if config.initial is not None:
        network = NetworkConfig.from_dict(read_header(config.initial).config)
    sets = _record(config, network, geometry, report)
    settings = TrainConfig(
        **config.shared() | {"network": network},
        steps=config.steps,
        hard_share=0.0,  # The few bends of a short recording would be overfitted.
        loss_share=0.0,
        warm_up_steps=min(TrainConfig.warm_up_steps, max(1, config.steps // 5)),
        validation_share=0.0,  # The test part is not used for any choice.
        report_every=min(TrainConfig.report_every, config.steps),
    )
    weights = train(settings, sets["train"].episodes, lambda step, found: report("train", step, config.steps, found))
    trained = load_weights(weights)[0].to(config.device)
    recorded = sets["train"].read(np.arange(len(sets["train"])))
    mean_rad = float(np.nanmean(geometry.wheel_angle_rad(recorded["curvature"].astype(np.float64))))
    scores = {}
    for part, episodes in sets.items():
        report(f"score {part}", 0, 1, {})
        scores[part] = steering_scores(trained, episodes, geometry, mean_rad, config.device)
        report(f"score {part}", 1, 1, {})
    is_little = len(sets["train"]) < LITTLE_SAMPLES
    result = RecordedFit(
        weights=weights.name,
        clips=[path.name for path in config.recordings],
        curvature_from=sorted({str(episode.facts["curvature_from"]) for episode in sets["train"].episodes}),
        learned=[name for name in LEARNED if np.isfinite(recorded[name]).any()],
        train_until_s=[episode.facts["train_until_s"] for episode in sets["train"].episodes],
        steering=geometry,
        is_steering_assumed=config.steering_ratio is None and config.wheelbase_m is None,
        budget=network.budget.name,
        initial=None if config.initial is None else config.initial.name,
        steps=config.steps,
        samples_per_s=float(RATE_HZ / EVERY_TICKS),
        caveat=f"{OPEN_LOOP} {TOO_LITTLE}" if is_little else OPEN_LOOP,
        train=scores["train"],
        test=scores["test"],
    )
    write_bytes(config.out / RESULT, msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return result


def steering_scores(
    network: DrivingNetwork, episodes: TrainingSet, geometry: SteeringGeometry, mean_rad: float, device: str = "cpu"
) -> SteeringScores:
    """Score the steering wheel's angle over all rows with a known one.

    Args:
        mean_rad: the mean angle of the training part, predicted by the constant `mean`.

    Raises:
        ClipError: no row has a known curvature.
    """
    rows, outputs = roll_out(network, episodes, range(len(episodes.episodes)), device)
    wanted_rad = geometry.wheel_angle_rad(episodes.read(rows)["curvature"][:, 0].astype(np.float64))
    predicted_rad = geometry.wheel_angle_rad(outputs["curvature"][:, 0].astype(np.float64))
    known = np.isfinite(wanted_rad)
    if not known.any():
        raise ClipError(f"{episodes.episodes[0].folder} has no row with a known curvature. Use another split or clip.")
    wanted_rad, predicted_rad = wanted_rad[known], predicted_rad[known]
    return SteeringScores(
        samples=len(wanted_rad),
        network_rmse_rad=_rms(predicted_rad - wanted_rad),
        zero_rmse_rad=_rms(wanted_rad),
        mean_rmse_rad=_rms(wanted_rad - mean_rad),
    )


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
                f"{episode.folder} has {episode.ticks} training samples; {config.rows_per_clip} are needed, at "
                f"{float(RATE_HZ / EVERY_TICKS):g} per second. Split later (`--train-until-s`), or use a longer clip."
            )
    if not np.isfinite(sets["train"].read(np.arange(len(sets["train"])))["curvature"]).any():
        raise ClipError(f"No sample of {folder / 'train'} has a known curvature. Split later, or use another clip.")
    return sets


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))
