"""Training episodes on disk: one folder per episode, one `.npy` file per array, ticks along the first axis.

Episodes store the network's inputs (compressed pixels included) and labels. NumPy only; this module does not know the
simulator or how the network is trained.

    episodes/
      S3-000042-r0/            scenario, seed, collection round
        retina.npy … commit_slots.npy     inputs at the recorded ticks
        trajectory.npy … occupancy.npy    labels; NaN (or -1 for classes) where unknown
        episode.json                      facts; written last: an episode without it is ignored
"""

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import CompressedTick
from fsd.data.errors import ClipError
from fsd.data.files import write_text
from fsd.data.frames import BLOCKS, CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.text_files import read_json
from fsd.networks.contract import OCCUPANCY_COLUMNS, OCCUPANCY_ROWS, WAYPOINTS, input_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput

UNFINISHED = ".part"
"""Ending of an episode's folder while it is written."""

MAX_COMMITS_PER_ROW = 8
"""Commits of unrecorded ticks are stored with the next recorded tick."""

NOT_STORED = ("memory_k", "memory_v", "proprio", "proprio_valid")
"""Inputs that are not stored: the memory comes from the network, and a simulated car has no further sensors."""

LABEL_SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "trajectory": ((WAYPOINTS, 4), "float32"),
    "curvature": ((1,), "float32"),
    "acceleration": ((1,), "float32"),
    "lead": ((2,), "float32"),  # distance m (NaN: none), 1 or 0 whether there is one
    "light": ((1,), "int8"),  # index into contract.LIGHTS; -1 unknown
    "occupancy": ((OCCUPANCY_ROWS, OCCUPANCY_COLUMNS), "int8"),  # 1, 0, or -1 unknown
    "saliency": ((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), "int8"),  # 1 on relevant objects, 0, or -1 unknown
    "semantic": ((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), "int8"),  # index into contract.SEMANTICS; -1 unknown
    "depth": ((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), "float16"),  # m along the ray; NaN unknown, sky or far
}


def episode_shapes(budget: Budget) -> dict[str, tuple[tuple[int, ...], str]]:
    """Array name -> (shape per tick, dtype) of all arrays of an episode."""
    inputs = {name: spec for name, spec in input_shapes(budget).items() if name not in NOT_STORED}
    return {**inputs, **patch_cell_shape(budget), "commit_slots": ((MAX_COMMITS_PER_ROW,), "int16"), **LABEL_SHAPES}


def patch_cell_shape(budget: Budget) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and dtype of `patch_cells`."""
    return {"patch_cell": ((budget.patch_slots,), "int16")}


def patch_cells(tick: CompressedTick) -> np.ndarray:
    """(K,) int16, the block that each patch shows, as camera * 300 + block; -1 where there is no patch."""
    cells: np.ndarray = np.where(tick.patch_block >= 0, tick.patch_camera * BLOCKS + tick.patch_block, -1)
    return cells.astype(np.int16)


def unknown_label(name: str) -> float:
    """What stands for a label that is not known: NaN, or -1 for classes."""
    return float("nan") if LABEL_SHAPES[name][1].startswith("float") else -1


class PendingCommits:
    """Memory commits since the last recorded tick."""

    def __init__(self) -> None:
        self._slots: list[int] = []

    def add(self, tick: CompressedTick) -> None:
        self._slots += [int(slot) for slot in tick.commit_slots if slot >= 0]

    def take(self) -> np.ndarray:
        """(8,) int16 `commit_slots` of the tick that is recorded now; the next ones count from here."""
        slots = np.full(MAX_COMMITS_PER_ROW, -1, np.int16)
        kept = self._slots[-MAX_COMMITS_PER_ROW:]
        slots[: len(kept)] = kept
        self._slots.clear()
        return slots

    def clear(self) -> None:
        """Forget them, where the memory starts anew."""
        self._slots.clear()


class EpisodeWriter:
    """Collects the recorded ticks of one episode and writes them at the end.

    Args:
        folder: the episode's own folder; an earlier one of the same name is replaced.
        budget: budget of the compressor; every_ticks: one in `every_ticks` 36 Hz ticks is recorded.
    """

    def __init__(self, folder: Path, budget: Budget, every_ticks: int) -> None:
        self.folder, self._budget, self._every_ticks = folder, budget, every_ticks
        self._shapes = episode_shapes(budget)
        self._rows: dict[str, list[np.ndarray]] = {name: [] for name in self._shapes}
        self._feeds = InputBuffers(budget)
        self._commits = PendingCommits()

    def skip(self, tick: CompressedTick) -> None:
        """Take note of a tick that is not recorded: its memory commits are stored with the next recorded tick."""
        self._commits.add(tick)

    def add(self, step: TickInput, labels: Mapping[str, np.ndarray]) -> None:
        """Record one tick with its labels; missing labels are stored as unknown."""
        self._feeds.load(step)
        self._commits.add(step.tick)
        values = {**self._feeds.arrays, "patch_cell": patch_cells(step.tick), "commit_slots": self._commits.take()}
        for name, (shape, dtype) in self._shapes.items():
            value = labels.get(name, unknown_label(name)) if name in LABEL_SHAPES else values[name]
            self._rows[name].append(np.array(np.broadcast_to(value, shape), dtype=dtype))

    def __len__(self) -> int:
        return len(self._rows["retina"])

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write the episode; `facts` (scenario, seed, outcome …) are stored in `episode.json`."""
        if not len(self):
            return
        unfinished = self.folder.with_name(self.folder.name + UNFINISHED)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for name, rows in self._rows.items():
            content = io.BytesIO()  # numpy's own writing to a file does not say that the disk is full
            np.save(content, np.stack(rows))
            (unfinished / f"{name}.npy").write_bytes(content.getbuffer())
        about = {"ticks": len(self), "every_ticks": self._every_ticks, "budget": self._budget.name, **facts}
        write_text(unfinished / "episode.json", json.dumps(about, indent=2) + "\n")
        if self.folder.exists():
            old = self.folder.with_name(self.folder.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            self.folder.rename(old)
            unfinished.rename(self.folder)
            shutil.rmtree(old)
        else:
            unfinished.rename(self.folder)


@dataclass(frozen=True)
class Episode:
    """One finished episode on disk. `facts` is its `episode.json`."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def ticks(self) -> int:
        return int(self.facts["ticks"])

    def read(self, begin: int, end: int) -> dict[str, np.ndarray]:
        """Rows `begin` to `end` of every array; reads only these rows from disk."""
        return {
            path.stem: np.array(np.load(path, mmap_mode="r")[begin:end]) for path in sorted(self.folder.glob("*.npy"))
        }


def find_episodes(folder: Path, budget: Budget) -> list[Episode]:
    """All finished episodes below a folder, in name order.

    Raises:
        ClipError: there are none, or one was recorded at another budget.
    """
    found = sorted(path for path in folder.glob("*/episode.json") if path.parent.suffix != UNFINISHED)
    episodes = [Episode(path.parent, read_json(path)) for path in found]
    if not episodes:
        raise ClipError(f"No finished episodes in {folder}. Record some first with `fsd train`.")
    for episode in episodes:
        if episode.facts["budget"] != budget.name:
            raise ClipError(
                f"{episode.folder} was recorded at budget {episode.facts['budget']}; the network needs {budget.name}. "
                "Choose another folder."
            )
    return episodes
