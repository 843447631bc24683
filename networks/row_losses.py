"""The last known loss of every training row, by which a share of the draws is made.

A process has its own rows, so the losses are in a file per process beside its memory cache. Saving takes two steps
around the writing of the checkpoint, as in `MemoryCache`: `prepare`, then `commit`.

Source: proportional draws as in T. Schaul et al., Prioritized experience replay (2016).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fsd.data.files import replacing

LARGEST = 5.0
"""A loss counts as at most this multiple of the mean, so that a few odd rows cannot take all draws."""


class RowLosses:
    """Loss of each row at its last visit, NaN before the first.

    Args:
        folder: exists when `prepare` is called.
        episodes: names of the training episodes in the order of their rows; rows: their number of rows.
        step: of the checkpoint from which a run resumes. New episodes may have been appended since; if the earlier ones
            are others, nothing is kept.

    Attributes:
        values: (R,) float32.
        upcoming: (B, T) rows already drawn for the next step, by the losses of one step earlier; None if there are
            none.
        kept_rows: rows that the checkpoint knew; 0 if nothing was kept.
    """

    def __init__(self, folder: Path, episodes: Sequence[str], rows: int, step: int = 0) -> None:
        self._folder, self._episodes = folder, list(episodes)
        self.values = np.full(rows, np.nan, np.float32)
        self.upcoming: np.ndarray | None = None
        self.kept_rows = 0
        if step and self._path(step).exists():
            with np.load(self._path(step)) as saved:
                if saved["episodes"].tolist() == self._episodes[: len(saved["episodes"])]:
                    self.kept_rows = len(saved["losses"])
                    self.values[: self.kept_rows] = saved["losses"]
                    self.upcoming = saved["upcoming"] if saved["upcoming"].size else None

    def write(self, rows: np.ndarray, losses: np.ndarray) -> None:
        """Store the losses of rows, both of any equal shape; values that are not finite are left out."""
        is_finite = np.isfinite(losses)
        self.values[rows[is_finite]] = losses[is_finite]

    def weights(self) -> np.ndarray:
        """(R,) float64 by which rows are drawn: the loss, up to `LARGEST` times the mean, which unvisited rows have."""
        known = np.isfinite(self.values)
        mean = float(np.maximum(self.values[known], 0.0).mean(dtype=np.float64)) if known.any() else 0.0
        if mean <= 0.0:
            return np.ones(len(self.values))
        return np.where(known, np.clip(self.values, 0.0, LARGEST * mean), mean).astype(np.float64)

    def prepare(self, step: int) -> None:
        """Before the checkpoint of `step` is written."""
        upcoming = np.empty(0, np.int64) if self.upcoming is None else self.upcoming
        with replacing(self._path(step)) as unfinished, unfinished.open("wb") as file:
            np.savez(file, losses=self.values, upcoming=upcoming, episodes=np.array(self._episodes, np.str_))

    def commit(self, step: int) -> None:
        """Once the checkpoint of `step` is there."""
        for path in self._folder.glob("losses-*.npz"):
            if path != self._path(step):
                path.unlink()

    def _path(self, step: int) -> Path:
        return self._folder / f"losses-{step}.npz"
