"""The training recipe: alternating rounds of collection and training, resumable at any point.

In round 0 the expert drives, or a teacher, which is imitated in all rounds. In later rounds the network drives and the
expert labels (DAgger). All rounds are one training: learning rate, optimiser state, running average and step count go
on, and the rows of earlier rounds keep their cached memory and their last loss. Collection and training alternate, so
that a run is reproducible.
"""

import json
import os
import time
from pathlib import Path

from fsd.data.errors import OutputError
from fsd.data.files import write_text
from fsd.data.text_files import read_json
from fsd.networks.checkpoint import check_settings, read_checkpoint_header
from fsd.networks.collection import CollectionConfig, collect
from fsd.networks.dataset import Episode, find_episodes
from fsd.networks.distillation import load_teacher
from fsd.networks.processes import is_first_process
from fsd.networks.train_options import RecipeConfig, Report
from fsd.networks.training import train
from fsd.networks.training_log import PROGRESS
from fsd.networks.training_loop import BEST, CHECKPOINT, WEIGHTS, TrainConfig, run_folder, settings_of
from fsd.networks.weights import load_weights

SEEDS_PER_ROUND = 10_000
POLL_S = 1.0
SETTINGS = "settings.json"
MAY_CHANGE = ("out", "threads", "device", "workers")
"""Settings that may differ when a run is continued."""


def run_recipe(config: RecipeConfig, report: Report = lambda phase, done, total, metrics: None) -> Path:
    """Collect and train, round by round.

    Args:
        report: called as report(phase, done, total, metrics) during the run.

    Returns:
        The final weights file.

    Raises:
        ModelError: the teacher, or the weights to start from, cannot be used.
        SimulatorError: OpenGL is not available.
        OutputError: the folder cannot be written, another run holds it, or it holds a run with other settings.
    """
    if config.teacher is not None:
        load_teacher(config.teacher, config.network)  # collecting takes hours: refuse it before
    if config.initial is not None:
        load_weights(config.initial)
    processes = range(int(os.environ.get("WORLD_SIZE", "1")))
    names = [WEIGHTS, BEST, CHECKPOINT, PROGRESS, SETTINGS, "episodes"]
    names += [*(f"collected-{index}" for index in range(len(config.rounds))), *(f"cache-{rank}" for rank in processes)]
    inputs = [path for path in (config.teacher, config.initial) if path is not None]
    with run_folder(config.out, "train", names, inputs):
        if is_first_process():
            _keep_settings(config, len(processes))
        return _run(config, report)


def _keep_settings(config: RecipeConfig, processes: int) -> None:
    """Write the settings of a new run; refuse to continue one that has others."""
    settings = settings_of(config, MAY_CHANGE, processes) | {"rounds": " ".join(map(str, config.rounds))}
    path = config.out / SETTINGS
    if path.exists():
        check_settings(config.out, read_json(path, OutputError), settings)
    elif (config.out / "episodes").exists():
        raise OutputError(
            f"{config.out} holds drives, but no {SETTINGS} that says how they were made. Name another folder "
            "with --out."
        )
    else:
        write_text(path, json.dumps(settings, indent=2) + "\n")


def _run(config: RecipeConfig, report: Report) -> Path:
    steps = sum(each.steps for each in config.rounds)
    settings = TrainConfig(**config.shared(), steps=steps, teacher=config.teacher, loss_share=config.loss_share)
    end = 0
    for index, this in enumerate(config.rounds):
        begin, end = end, end + this.steps
        # Checked without opening the episodes, which would take minutes.
        if _steps_done(config.out) >= end:
            continue
        _collect_round(config, index, report)
        train(
            settings,
            _episodes(config, index),
            lambda step, metrics, index=index, begin=begin, total=this.steps: report(  # type: ignore[misc]
                f"train {index}", step - begin, total, metrics
            ),
            end,
        )
    return config.out / WEIGHTS


def _steps_done(out: Path) -> int:
    checkpoint = out / CHECKPOINT
    return read_checkpoint_header(checkpoint).step if checkpoint.exists() else 0


def _episodes(config: RecipeConfig, index: int) -> list[Episode]:
    """Episodes of the rounds until this one, those of earlier rounds first, so that their rows keep their numbers."""
    latest = _round_name(config, index)
    found = [
        each for each in find_episodes(config.out / "episodes", config.network.budget) if each.facts["round"] <= latest
    ]
    return sorted(found, key=lambda episode: episode.facts["round"])


def _round_name(config: RecipeConfig, index: int) -> int:
    """The round as episodes state it: 0 is one in which the expert drives all of them."""
    return index if config.teacher is None else index + 1


def _collect_round(config: RecipeConfig, index: int, report: Report) -> None:
    """Collect in the first process of a `torchrun`; the others wait for its marker file with the number of episodes.

    A file, not a barrier: collecting takes longer than a barrier's timeout, and all machines share the folder.
    """
    marker, episodes = config.out / f"collected-{index}", config.rounds[index].episodes

    def is_done() -> bool:
        return marker.exists() and marker.read_text(encoding="utf-8") == str(episodes)

    if is_done():
        return
    if not is_first_process():
        while not is_done():
            time.sleep(POLL_S)
        return
    collection = CollectionConfig(
        config.out / "episodes",
        episodes,
        first_seed=config.first_seed + index * SEEDS_PER_ROUND,
        round_index=_round_name(config, index),
        budget=config.network.budget.name,
        weights=config.out / WEIGHTS if index > 0 else config.teacher,
        expert=config.expert,
    )
    collect(collection, config.workers, lambda done, total: report(f"collect {index}", done, total, {}))
    config.out.mkdir(parents=True, exist_ok=True)
    write_text(marker, str(episodes))
