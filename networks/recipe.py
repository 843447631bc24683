"""From nothing to weights that drive: rounds of collecting and learning, each of which goes on where it broke.

Round 0 is the expert's. In later rounds the network drives and the expert labels (DAgger), and training goes on from
the weights before. Collection and training take turns: done at the same time they could not be repeated. What is left
is the mean of the last rounds' weights: each forgets a little of what it was not shown last.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fsd.data.files import write_bytes, write_text
from fsd.networks.collection import CollectionConfig, collect
from fsd.networks.config import NetworkConfig
from fsd.networks.dataset import find_episodes
from fsd.networks.training import WEIGHTS, TrainConfig, train
from fsd.networks.weights import mean_weights, read_header, save_weights


@dataclass(frozen=True)
class Round:
    """Episodes to collect before, steps to train after, and the highest learning rate of those."""

    episodes: int
    steps: int
    learning_rate: float


DEFAULT_ROUNDS = (
    Round(750, 3000, 1.5e-3),
    Round(300, 2500, 1e-3),
    Round(300, 2500, 1e-3),
    Round(300, 1500, 1e-3),
    Round(300, 3500, 1e-3),
    Round(300, 5500, 1e-3),
    Round(200, 3000, 1e-3),
    Round(250, 4000, 1e-3),
    Round(1000, 6000, 1e-3),
    Round(1000, 6000, 1e-3),
)
"""About nine hours on two CPU cores."""

SEEDS_A_ROUND = 10_000
POLL_S = 1.0


@dataclass(frozen=True)
class RecipeConfig:
    """Settings of `fsd train`.

    Attributes:
        out: folder of the run: `episodes/` and a folder a round; started again, it goes on.
        rounds: see `Round`; workers: processes that collect; threads: of training.
        clips, rows_per_clip: of a training batch.
        averaged_rounds: the final weights are the mean of so many last rounds'; not of the expert's, if more follow.
        seed: of the network and of the batches; worlds are numbered from `first_seed` on.
    """

    out: Path = Path("runs/train")
    rounds: tuple[Round, ...] = DEFAULT_ROUNDS
    network: NetworkConfig = field(default_factory=NetworkConfig)
    workers: int = 2
    threads: int = 2
    device: str = "cpu"
    clips: int = 15
    rows_per_clip: int = 2
    averaged_rounds: int = 1
    seed: int = 0
    first_seed: int = 0

    def __post_init__(self) -> None:
        if not self.rounds:
            raise ValueError("A recipe needs at least one round.")
        if self.averaged_rounds < 1:
            raise ValueError(f"averaged_rounds must be at least 1, got {self.averaged_rounds}.")


Report = Callable[[str, int, int, dict[str, float]], None]


def _silent(phase: str, done: int, total: int, figures: dict[str, float]) -> None:
    """The report of whoever wants none."""


def run_recipe(config: RecipeConfig, report: Report = _silent) -> Path:
    """Collect and train, round by round.

    Args:
        report: called as report(phase, done, total, figures) as things proceed.

    Returns:
        The final weights file.

    Raises:
        SimulatorError: no OpenGL here.
    """
    episodes = config.out / "episodes"
    by_round: list[Path] = []
    for index, this in enumerate(config.rounds):
        before = by_round[-1] if by_round else None
        _collect_round(config, index, this, before, partial(_collected, report, index))
        settings = TrainConfig(
            out=config.out / f"round-{index}",
            network=config.network,
            initial=before,
            steps=this.steps,
            learning_rate=this.learning_rate,
            clips=config.clips,
            rows_per_clip=config.rows_per_clip,
            threads=config.threads,
            device=config.device,
            seed=config.seed + index,
        )
        weights = settings.out / WEIGHTS
        if not _is_finished(weights, this.steps):
            found = find_episodes(episodes, config.network.budget)
            weights = train(settings, found, partial(_trained, report, index, this.steps))
        by_round.append(weights)
    return _finish(config.out / WEIGHTS, (by_round[1:] or by_round)[-config.averaged_rounds :])


def _finish(final: Path, rounds: Sequence[Path]) -> Path:
    """Write the mean of these rounds' weights."""
    if len(rounds) == 1:
        write_bytes(final, rounds[0].read_bytes())
    else:
        notes = {"mean_of": {path.parent.name: read_header(path)["notes"] for path in rounds}}
        save_weights(mean_weights(rounds), final, trained=True, notes=notes)
    return final


def _collected(report: Report, index: int, done: int, total: int) -> None:
    report(f"collect {index}", done, total, {})


def _trained(report: Report, index: int, total: int, step: int, figures: dict[str, float]) -> None:
    report(f"train {index}", step, total, figures)


def _is_finished(weights: Path, steps: int) -> bool:
    """Whether a round has its last weights; opening every episode only to learn that would take minutes."""
    return weights.exists() and read_header(weights)["notes"].get("step") == steps


def _collect_round(
    config: RecipeConfig, index: int, this: Round, weights: Path | None, progress: Callable[[int, int], None]
) -> None:
    """Collect in the first process of a `torchrun`; the others wait until its marker file says how many there are.

    A file, not a barrier: collecting takes longer than a barrier's time limit, and machines share the folder anyway.
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
        first_seed=config.first_seed + index * SEEDS_A_ROUND,
        round_index=index,
        budget=config.network.budget.name,
    )
    collect(replace(collection, weights=weights), config.workers, progress)
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(marker, str(this.episodes))
