"""Fit a network to recordings, each divided in time, and measure its steering error on the later part.

Open loop: the recorded driver drives. The metric is that of steering benchmarks, the root mean square error of the
steering wheel's angle, beside two constant predictors. A few minutes of video are too little to learn driving.
"""

from pathlib import Path

import msgspec
import numpy as np

from fsd.compression.budget import Budget
from fsd.data.errors import ClipError, UsageError
from fsd.data.files import write_bytes
from fsd.data.frames import MAX_FRAME_AGE_MS, RATE_HZ
from fsd.data.steering import SteeringGeometry
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset_training.chunks import ChunkSource, RecordedChunks, TimeCut, simulated_chunks
from fsd.networks.dataset_training.held_out import ChunkSet, plans_on
from fsd.networks.dataset_training.run import loader_share, loop_config, mixed
from fsd.networks.dataset_training.trainer import DatasetTrainer
from fsd.networks.drives.clip_record import CLIPS_FOLDER, read_record
from fsd.networks.model import DrivingNetwork
from fsd.networks.processes import is_first_process
from fsd.networks.recorded_episodes import EVERY_TICKS
from fsd.networks.train_options import RecordedFitConfig, Report
from fsd.networks.weights import load_weights

RESULT = "recorded_fit.json"

OPEN_LOOP = "Open loop: the recorded driver drives; no claim about driving."
TOO_LITTLE = (
    "This is too little video to learn to steer from: neighbouring samples are nearly the same, so there are far fewer "
    "independent ones than samples, and both parts are of the same drive. Published systems reach 0.05 to 0.06 rad on "
    "the Udacity drive of 2016, with about 30 times more video than two minutes."
)
LITTLE_SAMPLES = 36_000
"""Samples of about an hour of video."""

WHOLE = 1 << 30
"""Rows of a chunk that is not divided."""


class SteeringScores(msgspec.Struct, frozen=True):
    """Root mean square error of the steering wheel's angle over `samples` rows: the network's and two constants'.

    Attributes:
        masked_rmse_rad: of the same network with all cameras missing, which tells what pictures give; None where it was
            not measured, as on the training part.
    """

    samples: int
    network_rmse_rad: float
    masked_rmse_rad: float | None
    zero_rmse_rad: float
    mean_rmse_rad: float


class RecordedFit(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `fit_recordings`, as in `recorded_fit.json`.

    Attributes:
        weights: file name, in the run's folder; initial: of the weights it started from.
        clips: names; train_until_s: where each was cut.
        curvature_from: sources of the curvature labels; learned: outputs that had labels.
        steering: the geometry used; is_steering_assumed: it is the default, not given by the user.
        loader_share: as of `DatasetFit`.
        caveat: how far the scores carry.
    """

    schema_version: int = 3
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
    loader_share: float | None
    train: SteeringScores
    test: SteeringScores
    caveat: str


def fit_recordings(
    config: RecordedFitConfig,
    dataset: Path,
    network: NetworkConfig,
    report: Report = lambda phase, done, total, metrics: None,
) -> RecordedFit | None:
    """Train on the first part of each clip of a data set, score both parts.

    Args:
        dataset: of `config.recordings`; network: its sizes, of a budget that the data set has.
        report: called as report(phase, done, total, metrics) during the run.

    Returns:
        What is also written to `recorded_fit.json`; None in all processes of a `torchrun` but the first.

    Raises:
        ClipError: a part is too short, or has no steering labels.
    """
    before, after = (TimeCut(config.train_until_s, is_before) for is_before in (True, False))
    learned = recorded_chunks(config, dataset, network.budget, before, least_rows=config.rows_per_clip)
    test = recorded_chunks(config, dataset, network.budget, after, chunk_rows=WHOLE)
    _check(config, learned, test, dataset, network.budget)
    simulated = [
        simulated_chunks(folder, network.budget, config.simulated_held_out, config.rows_per_clip)[0]
        for folder in config.simulated
    ]
    material, _ = mixed(config, [(learned, test), *((source, None) for source in simulated)])
    # The test part is shown while training, and not used for any choice.
    trainer = DatasetTrainer(loop_config(config, network, best_margin=1e9), material)
    report("train", trainer.step, config.steps, {})
    weights = trainer.run(lambda step, found: report("train", step, config.steps, found))
    if not is_first_process():
        return None
    trained = load_weights(weights)[0].to(config.device)
    geometry, labels = config.geometry, ChunkSet([(learned, chunk) for chunk in learned.chunks]).labels()
    records = [read_record(dataset / CLIPS_FOLDER / clip) for clip in learned.cuts_s]
    mean_rad = float(np.nanmean(geometry.wheel_angle_rad(labels["curvature"].astype(np.float64))))
    scores = {}
    for part, source in (("train", learned), ("test", test)):
        report(f"score {part}", 0, 1, {})
        scores[part] = steering_scores(trained, source, geometry, mean_rad, config.device, part == "test")
        report(f"score {part}", 1, 1, {})
    result = RecordedFit(
        weights=weights.name,
        clips=[record.name for record in records],
        curvature_from=sorted({record.curvature_from for record in records}),
        learned=[name for name in ("curvature", "acceleration", "trajectory") if np.isfinite(labels[name]).any()],
        train_until_s=list(learned.cuts_s.values()),
        steering=geometry,
        is_steering_assumed=config.steering_ratio is None and config.wheelbase_m is None,
        budget=network.budget.name,
        initial=None if config.initial is None else config.initial.name,
        steps=config.steps,
        samples_per_s=float(RATE_HZ / EVERY_TICKS),
        loader_share=loader_share(trainer.log.rows),
        caveat=f"{OPEN_LOOP} {TOO_LITTLE}" if len(labels["curvature"]) < LITTLE_SAMPLES else OPEN_LOOP,
        train=scores["train"],
        test=scores["test"],
    )
    write_bytes(config.out / RESULT, msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return result


def recorded_chunks(
    config: RecordedFitConfig, dataset: Path, budget: Budget, cut: TimeCut, **others: int
) -> RecordedChunks:
    """One part of every clip."""
    return RecordedChunks(dataset, budget, None, cut, has_ego=config.ego_dropout < 1.0, **others)


def _check(
    config: RecordedFitConfig, learned: RecordedChunks, test: RecordedChunks, dataset: Path, budget: Budget
) -> None:
    """Refuse parts that are too short, or have nothing to learn.

    Raises:
        UsageError, ClipError: says which.
    """
    at = ", ".join(f"{cut_s:.3f} s" for cut_s in learned.cuts_s.values())
    if not learned.chunks:
        rows = sum(map(len, recorded_chunks(config, dataset, budget, TimeCut(config.train_until_s, True)).chunks))
        raise ClipError(
            f"A split at {at} leaves {rows} training samples; {config.rows_per_clip} are needed, at "
            f"{float(RATE_HZ / EVERY_TICKS):g} per second. Split later (`--train-until-s`), or use a longer clip."
        )
    if not test.chunks:
        raise UsageError(
            f"A split at {at} leaves nothing to test on, after a gap of {MAX_FRAME_AGE_MS:g} ms. Choose another "
            "`--train-until-s`."
        )
    if not any(np.isfinite(learned.labels(chunk)["curvature"]).any() for chunk in learned.chunks):
        raise ClipError("No training sample has a known curvature. Split later, or use another clip.")


def steering_scores(
    network: DrivingNetwork,
    source: ChunkSource,
    geometry: SteeringGeometry,
    mean_rad: float,
    device: str = "cpu",
    with_masked: bool = False,
) -> SteeringScores:
    """Score the steering wheel's angle over all rows of a source with a known one.

    Args:
        mean_rad: the mean angle of the training part, predicted by the constant `mean`.
        with_masked: score the network with all pictures masked, too.

    Raises:
        ClipError: no row has a known curvature.
    """
    rows = ChunkSet([(source, chunk) for chunk in source.chunks])
    wanted_rad = geometry.wheel_angle_rad(rows.labels()["curvature"][:, 0].astype(np.float64))
    if not np.isfinite(wanted_rad).any():
        raise ClipError(f"{source.name} has no row with a known curvature. Use another split or clip.")
    return SteeringScores(
        samples=int(np.isfinite(wanted_rad).sum()),
        network_rmse_rad=_network_rmse_rad(network, rows, geometry, device),
        masked_rmse_rad=_network_rmse_rad(network, rows.with_cameras(()), geometry, device) if with_masked else None,
        zero_rmse_rad=_rms(wanted_rad),
        mean_rmse_rad=_rms(wanted_rad - mean_rad),
    )


def _network_rmse_rad(network: DrivingNetwork, rows: ChunkSet, geometry: SteeringGeometry, device: str) -> float:
    (_, curvature, _), labels = plans_on(network, rows, device)
    planned, wanted = (each.astype(np.float64) for each in (curvature, labels["curvature"][:, 0]))
    return _rms(geometry.wheel_angle_rad(planned) - geometry.wheel_angle_rad(wanted))


def _rms(error: np.ndarray) -> float:
    """Over the known values."""
    return float(np.sqrt(np.nanmean(np.square(error))))
