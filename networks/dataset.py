"""Recorded drives to learn from: one folder an episode, one `.npy` an array, ticks along the first axis.

What is stored is what the network would have been given, compressed pixels included: what the compressor never sent is
never learned from. Numpy only; it does not know the simulator, nor how the network is trained.

    episodes/
      S3-000042-r0/            scenario, seed, collection round
        retina.npy … commit_slots.npy     inputs, of the recorded ticks
        trajectory.npy … occupancy.npy    labels; NaN (or -1 for classes) where unknown
        episode.json                      written last: an episode without it is unfinished and ignored
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import CompressedTick
from fsd.data.errors import ClipError
from fsd.data.files import write_text
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.networks.contract import OCCUPANCY_COLUMNS, OCCUPANCY_ROWS, WAYPOINTS, input_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput

MAX_COMMITS_A_ROW = 8
"""Commits of the ticks between two recorded ones are kept with the later one."""

NOT_STORED = ("memory_k", "memory_v", "proprio", "proprio_valid")
"""Inputs that are not data: the memory is the network's own, and a simulated car has no further sensors."""

LABEL_SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "trajectory": ((WAYPOINTS, 4), "float32"),
    "curvature": ((1,), "float32"),
    "acceleration": ((1,), "float32"),
    "lead": ((2,), "float32"),  # distance m (NaN: none), 1 or 0 whether there is one
    "light": ((1,), "int8"),  # index into contract.LIGHTS; -1 unknown
    "occupancy": ((OCCUPANCY_ROWS, OCCUPANCY_COLUMNS), "int8"),  # 1, 0, or -1 unknown
    "saliency": (
        (len(CAMERAS), GRID_ROWS, GRID_COLUMNS),
        "int8",
    ),  # 1 where something that matters is seen, 0, or -1 unknown
}


def episode_shapes(budget: Budget) -> dict[str, tuple[tuple[int, ...], str]]:
    """Array name -> (shape of one tick, dtype) of everything an episode holds."""
    inputs = {name: spec for name, spec in input_shapes(budget).items() if name not in NOT_STORED}
    return {**inputs, "commit_slots": ((MAX_COMMITS_A_ROW,), "int16"), **LABEL_SHAPES}


class EpisodeWriter:
    """Collects the recorded ticks of one episode and writes them at the end.

    Args:
        folder: the episode's own folder; an earlier one of the same name is replaced.
        budget: of the compressor; every_ticks: how many 36 Hz ticks lie between two recorded ones.
    """

    def __init__(self, folder: Path, budget: Budget, every_ticks: int) -> None:
        self.folder, self._budget, self._every_ticks = folder, budget, every_ticks
        self._shapes = episode_shapes(budget)
        self._rows: dict[str, list[np.ndarray]] = {name: [] for name in self._shapes}
        self._feeds = InputBuffers(budget)
        self._pending_slots: list[int] = []

    def skip(self, tick: CompressedTick) -> None:
        """A tick that is not recorded: only its memory commits count, with the next recorded tick."""
        self._pending_slots += [int(slot) for slot in tick.commit_slots if slot >= 0]

    def add(self, step: TickInput, labels: Mapping[str, np.ndarray]) -> None:
        """Record one tick with its labels; a label that is left out is unknown."""
        self._feeds.load(step)
        self.skip(step.tick)
        slots = np.full(MAX_COMMITS_A_ROW, -1, np.int16)
        kept = self._pending_slots[-MAX_COMMITS_A_ROW:]
        slots[: len(kept)] = kept
        self._pending_slots.clear()
        for name, (shape, dtype) in self._shapes.items():
            if name == "commit_slots":
                value: Any = slots
            elif name in LABEL_SHAPES:
                value = labels.get(name, np.nan if dtype == "float32" else -1)
            else:
                value = self._feeds.arrays[name]
            self._rows[name].append(np.array(np.broadcast_to(value, shape), dtype=dtype))

    def __len__(self) -> int:
        return len(self._rows["retina"])

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write the episode; `facts` (scenario, seed, outcome …) go into `episode.json`."""
        if not len(self):
            return
        unfinished = self.folder.with_name(self.folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for name, rows in self._rows.items():
            np.save(unfinished / f"{name}.npy", np.stack(rows))
        about = {"ticks": len(self), "every_ticks": self._every_ticks, "budget": self._budget.name, **facts}
        write_text(unfinished / "episode.json", json.dumps(about, indent=2) + "\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        unfinished.rename(self.folder)


@dataclass(frozen=True)
class Episode:
    """One finished episode on disk. `facts` is its `episode.json`."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def ticks(self) -> int:
        """Recorded ticks."""
        return int(self.facts["ticks"])

    def read(self, begin: int, end: int) -> dict[str, np.ndarray]:
        """Rows `begin` to `end` of every array; what is not asked for stays on disk."""
        return {
            path.stem: np.array(np.load(path, mmap_mode="r")[begin:end]) for path in sorted(self.folder.glob("*.npy"))
        }


def find_episodes(folder: Path, budget: Budget) -> list[Episode]:
    """All finished episodes below a folder, in name order.

    Raises:
        ClipError: there are none, or one was collected at another budget.
    """
    episodes = list(_finished(folder))
    if not episodes:
        raise ClipError(f"No finished episodes in {folder}. Collect some first: `fsd train` does.")
    for episode in episodes:
        if episode.facts["budget"] != budget.name:
            raise ClipError(
                f"{episode.folder} was collected at budget {episode.facts['budget']}, the network wants {budget.name}. "
                "Collect into another folder."
            )
    return episodes


def _finished(folder: Path) -> Iterator[Episode]:
    for path in sorted(folder.glob("*/episode.json")):
        yield Episode(path.parent, json.loads(path.read_text(encoding="utf-8")))
