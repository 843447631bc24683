"""The training recipe: alternating rounds of collection and training, resumable at any point.

In round 0 the expert drives. In later rounds the network drives and the expert labels (DAgger), and training continues
from the previous weights. Collection and training alternate, so that a run is reproducible. The result can be the mean
of the last rounds' weights, since each round forgets a little of the earlier ones. A teacher drives in round 0, and is
imitated in all rounds.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from fsd.data.files import write_bytes, write_text
from fsd.networks.collection import CollectionConfig, collect
from fsd.networks.dataset import find_episodes
from fsd.networks.distillation import load_teacher
from fsd.networks.train_options import RecipeConfig, Report, Round
from fsd.networks.training import WEIGHTS, TrainConfig, run_folder, train
from fsd.networks.weights import mean_weights, read_header, save_weights

SEEDS_PER_ROUND = 10_000
POLL_S = 1.0


def run_recipe(config: RecipeConfig, report: Report = lambda phase, done, total, metrics: None) -> Path:
    """Collect and train, round by round.

    Args:
        report: called as report(phase, done, total, metrics) during the run.

    Returns:
        The final weights file.

    Raises:
        ModelError: the teacher cannot be used.
        SimulatorError: OpenGL is not available.
        OutputError: the folder cannot be written, or another run holds it.
    """
    if config.teacher is not None:
        load_teacher(config.teacher, config.network)  # collecting takes hours: refuse it before
    rounds = range(len(config.rounds))
    names = [WEIGHTS, "episodes", *(f"round-{index}" for index in rounds), *(f"collected-{index}" for index in rounds)]
    inputs = [config.teacher] if config.teacher is not None else []
    with run_folder(config.out, "train", names, inputs):
        return _run(config, report)


def _run(config: RecipeConfig, report: Report) -> Path:
    by_round: list[Path] = []
    for index, this in enumerate(config.rounds):
        before = by_round[-1] if by_round else None
        _collect_round(config, index, this, before or config.teacher, report)
        by_round.append(_train_round(config, index, this, before, report))
    return _finish(config.out / WEIGHTS, (by_round[1:] or by_round)[-config.averaged_rounds :])


def _train_round(config: RecipeConfig, index: int, this: Round, before: Path | None, report: Report) -> Path:
    own = {
        "out": config.out / f"round-{index}",
        "seed": config.seed + index,
        "initial": before,
        "teacher": config.teacher,
    }
    settings = TrainConfig(**config.shared() | own, steps=this.steps, learning_rate=this.learning_rate)
    weights = settings.out / WEIGHTS
    # Checked without opening the episodes, which would take minutes.
    if weights.exists() and read_header(weights).notes.get("step") == this.steps:
        return weights
    episodes = find_episodes(config.out / "episodes", config.network.budget)
    return train(settings, episodes, lambda step, metrics: report(f"train {index}", step, this.steps, metrics))


def _finish(final: Path, rounds: Sequence[Path]) -> Path:
    """Write the mean of these rounds' weights."""
    if len(rounds) == 1:
        write_bytes(final, rounds[0].read_bytes())
    else:
        notes = {"mean_of": {path.parent.name: read_header(path).notes for path in rounds}}
        save_weights(mean_weights(rounds), final, trained=True, notes=notes)
    return final


def _collect_round(config: RecipeConfig, index: int, this: Round, weights: Path | None, report: Report) -> None:
    """Collect in the first process of a `torchrun`; the others wait for its marker file with the number of episodes.

    A file, not a barrier: collecting takes longer than a barrier's timeout, and all machines share the folder.
    """
    marker = config.out / f"collected-{index}"

    def is_done() -> bool:
        return marker.exists() and marker.read_text(encoding="utf-8") == str(this.episodes)

    if is_done():
        return
    if int(os.environ.get("RANK", "0")) != 0:
        while not is_done():
            time.sleep(POLL_S)
        return
    collection = CollectionConfig(
        config.out / "episodes",
        this.episodes,
        first_seed=config.first_seed + index * SEEDS_PER_ROUND,
        round_index=index if config.teacher is None else index + 1,  # a network drives in the first round as well
        budget=config.network.budget.name,
        weights=weights,
        expert=config.expert,
    )
    collect(collection, config.workers, lambda done, total: report(f"collect {index}", done, total, {}))
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(marker, str(this.episodes))
