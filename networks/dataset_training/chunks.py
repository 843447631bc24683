"""Where training rows come from: data sets of recorded drives, and folders of simulated episodes, in chunks.

A chunk is consecutive rows of one drive, at most half a minute; its memory starts empty. NumPy only; reads rows, and
does not choose them.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fsd.compression.budget import Budget
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError, UsageError
from fsd.data.frames import MAX_FRAME_AGE_NS, RATE_HZ
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S
from fsd.networks.dataset import LABEL_SHAPES, Episode, episode_shapes, find_episodes, unknown_label
from fsd.networks.drives.recorded_dataset import INDEX_FILE, RecordedDataset
from fsd.networks.recorded_episodes import TRAINING_SHARE, ticks_before
from fsd.networks.validation import split

CHUNK_ROWS = 270
"""30 s at nine rows per second."""

DRIVING = ("trajectory", "curvature", "acceleration")
LABELS = (*DRIVING, "ego", "ego_valid")
"""What errors are made of."""


@dataclass(frozen=True)
class Chunk:
    """Rows `begin` to `end` of the sequence `sequence` of a source."""

    sequence: int
    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


class ChunkSource(Protocol):
    """Rows of one kind; several threads may read.

    `has_simulated`, `has_recorded`: whether pictures of some chunks are rendered, and of some a camera's.
    """

    name: str
    chunks: tuple[Chunk, ...]
    has_simulated: bool
    has_recorded: bool

    def commit_slots(self, chunk: Chunk) -> np.ndarray:
        """(n, 8) of all rows, as of an episode."""

    def is_used(self, chunk: Chunk) -> np.ndarray:
        """(n,) whether each row is to be learned from."""

    def labels(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """The arrays `LABELS` of all rows, (n, …); no images."""

    def read(self, chunk: Chunk, rows: Sequence[int]) -> dict[str, np.ndarray]:
        """All arrays of an episode at rows of the chunk, from 0: name -> (n, …); labels of unused rows are unknown."""


@dataclass(frozen=True)
class TimeCut:
    """Divide each clip at a time: rows before it, or after it and a gap as long as the maximum age of an image.

    Attributes:
        until_s: from the begin of the clip; None is two thirds of it, without the gap.
        is_before: which of the two.
    """

    until_s: float | None
    is_before: bool

    def time_s(self, ticks: np.ndarray) -> float:
        """The time of the cut in a clip with these recorded ticks."""
        if self.until_s is not None:
            return self.until_s
        length_s = (int(ticks[-1]) + int(np.diff(ticks[-2:]).sum())) / float(RATE_HZ)
        return TRAINING_SHARE * max(length_s - MAX_FRAME_AGE_NS / SECOND_NS, 0.0)


class RecordedChunks:
    """Chunks of one part of a data set, or of its clips before or after a time; chunks without used rows are left out.

    Args:
        part: of `splits.PARTS`; with a `cut` all parts are read.
        least_rows, chunk_rows: of a chunk; has_ego: whether ego motion is read as an input.

    Attributes:
        cuts_s: key of a clip -> time of the cut from its begin; empty without one.

    Raises:
        ClipError, UsageError: as of `RecordedDataset`.
    """

    def __init__(
        self,
        folder: Path,
        budget: Budget,
        part: str | None,
        cut: TimeCut | None = None,
        least_rows: int = 1,
        has_ego: bool = True,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self.name, self._cut, self._has_ego = folder.resolve().name, cut, has_ego
        self._chunk_rows = chunk_rows
        self.cuts_s: dict[str, float] = {}
        self._data, self._lock = RecordedDataset(folder, budget.name, None if cut else part), threading.Lock()
        self._shapes = episode_shapes(budget)
        chunks = [chunk for index in range(len(self._data.stretches)) for chunk in self._chunks_of(index)]
        self.chunks = tuple(each for each in chunks if len(each) >= least_rows and self.is_used(each).any())
        kinds = {self._data.stretches[each.sequence].is_simulated for each in self.chunks}
        self.has_simulated, self.has_recorded = True in kinds, False in kinds

    def commit_slots(self, chunk: Chunk) -> np.ndarray:
        with self._lock:
            return self._data.commit_slots_of(self._data.stretches[chunk.sequence], chunk.begin, chunk.end)

    def labels(self, chunk: Chunk) -> dict[str, np.ndarray]:
        stretch = self._data.stretches[chunk.sequence]
        rows = slice(stretch.begin + chunk.begin, stretch.begin + chunk.end)
        with self._lock:
            columns = self._data.labels_of(stretch.clip).arrays
        return self._known(chunk, np.arange(len(chunk)), {name: columns[name][rows] for name in (*LABELS, "tick")})

    def read(self, chunk: Chunk, rows: Sequence[int]) -> dict[str, np.ndarray]:
        stretch = self._data.stretches[chunk.sequence]
        places = [chunk.begin + row for row in rows]
        with self._lock:
            found = [self._data.read_from(stretch, place, place + 1) for place in places]
        recorded = {name: np.concatenate([each[name] for each in found]) for name in (*self._shapes, "tick")}
        recorded = self._known(chunk, np.asarray(rows), recorded)
        if not self._has_ego:
            recorded |= {name: np.zeros_like(recorded[name]) for name in ("ego", "ego_valid")}
        return recorded

    def _chunks_of(self, index: int) -> list[Chunk]:
        stretch = self._data.stretches[index]
        begin, end, size = 0, len(stretch), self._chunk_rows
        if self._cut is not None:
            ticks = self._data.labels_of(stretch.clip).arrays["tick"]
            own = ticks[stretch.begin : stretch.end]
            cut_s = self.cuts_s.setdefault(stretch.clip, self._cut.time_s(ticks))
            until_ns = round(cut_s * SECOND_NS)
            if self._cut.is_before:
                end = int(np.searchsorted(own, ticks_before(until_ns)))
            else:
                begin = int(np.searchsorted(own, ticks_before(until_ns + MAX_FRAME_AGE_NS)))
        return [Chunk(index, at, min(at + size, end)) for at in range(begin, end, size)]

    def is_used(self, chunk: Chunk) -> np.ndarray:
        stretch = self._data.stretches[chunk.sequence]
        rows = np.arange(chunk.begin, chunk.end) + stretch.begin
        is_used = np.zeros(len(chunk), np.bool_)
        for begin, end in stretch.used:
            is_used |= (rows >= begin) & (rows < end)
        return is_used

    def _known(self, chunk: Chunk, rows: np.ndarray, recorded: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Without labels of unused rows, and without those that come from after the cut."""
        is_used = self.is_used(chunk)[rows]
        recorded = recorded | {name: np.array(recorded[name], np.float32) for name in DRIVING}
        for name in DRIVING:
            recorded[name][~is_used] = np.nan
        if self._cut is not None and self._cut.is_before:
            cut_s = self.cuts_s[self._data.stretches[chunk.sequence].clip]
            left_s = cut_s - recorded["tick"] / float(RATE_HZ)
            recorded["trajectory"][left_s[:, None] < WAYPOINT_TIMES_S] = np.nan
            for name in ("curvature", "acceleration"):
                recorded[name][left_s < WAYPOINT_STEP_S] = np.nan
        del recorded["tick"]
        return recorded


class EpisodeChunks:
    """Simulated episodes, each one chunk."""

    has_simulated, has_recorded = True, False

    def __init__(self, name: str, episodes: Sequence[Episode], budget: Budget, least_rows: int = 1) -> None:
        self.name, self._episodes, self._shapes = name, tuple(episodes), episode_shapes(budget)
        chunks = (Chunk(index, 0, episode.ticks) for index, episode in enumerate(self._episodes))
        self.chunks = tuple(chunk for chunk in chunks if len(chunk) >= least_rows)

    def commit_slots(self, chunk: Chunk) -> np.ndarray:
        return self._column(chunk, "commit_slots", np.arange(len(chunk)))

    def is_used(self, chunk: Chunk) -> np.ndarray:
        return np.ones(len(chunk), np.bool_)

    def labels(self, chunk: Chunk) -> dict[str, np.ndarray]:
        return {name: self._column(chunk, name, np.arange(len(chunk))) for name in LABELS}

    def read(self, chunk: Chunk, rows: Sequence[int]) -> dict[str, np.ndarray]:
        return {name: self._column(chunk, name, np.asarray(rows)) for name in self._shapes}

    def _column(self, chunk: Chunk, name: str, rows: np.ndarray) -> np.ndarray:
        path = self._episodes[chunk.sequence].folder / f"{name}.npy"
        try:
            column: np.ndarray = np.load(path, mmap_mode="r")[rows]
        except FileNotFoundError:
            if name not in LABEL_SHAPES:
                raise
            shape, dtype = LABEL_SHAPES[name]
            return np.full((len(rows), *shape), unknown_label(name), dtype)
        except (OSError, ValueError, IndexError) as error:
            raise ClipError(f"{path} cannot be read ({error}). Delete its folder and record it again.") from error
        return column


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a data set of `fsd dataset build`."""
    return (folder / INDEX_FILE).exists()


def simulated_chunks(
    folder: Path, budget: Budget, share: float, least_rows: int = 1
) -> tuple[EpisodeChunks, EpisodeChunks]:
    """Episodes for training and for validation, by world as in the simulator's own training.

    Args:
        folder: of episodes, or of a run of `fsd train`, which has them in `episodes/`; share: held out.

    Raises:
        ClipError: there are none, or they are of another budget.
        UsageError: all of them are held out.
    """
    inside = folder / "episodes"
    learned, held_out = split(find_episodes(inside if inside.is_dir() else folder, budget), share)
    if not learned:
        raise UsageError(f"{folder} has no world to train on: all are held out. Give more of them.")
    name = folder.resolve().name
    return EpisodeChunks(name, learned, budget, least_rows), EpisodeChunks(name, held_out, budget)
