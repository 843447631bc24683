"""The log of a training run: `progress.csv`, one row per report. Draws nothing."""

import csv
import math
from pathlib import Path

from fsd.data.files import replacing

PROGRESS = "progress.csv"
CURVES = "curves.html"
"""The page that may be drawn from it."""


class TrainingLog:
    """Appends reports to `progress.csv`.

    Args:
        folder: of the run; resume_step: rows of later steps, from a run that was stopped, are dropped.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        self._path = folder / PROGRESS
        self.rows = [row for row in read_progress(self._path) if row["step"] <= resume_step]

    def add(self, step: int, values: dict[str, float]) -> None:
        """One report; names may differ from report to report."""
        self.rows.append({"step": float(step), **values})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(self._path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)

    @property
    def latest(self) -> dict[str, float]:
        """The newest value of every name."""
        return {name: value for row in self.rows for name, value in row.items() if not math.isnan(value)}


def read_progress(path: Path) -> list[dict[str, float]]:
    """The rows of a `progress.csv`; empty where there is none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
