"""Progress of a training run for people: one bar per phase on standard error, and the page of curves."""

import sys
from pathlib import Path

from tqdm import tqdm

from fsd.training.curves_page import write_curves_page

SHOWN = ("loss", "validation_ade_3s_m")


class TrainingProgress:
    """Shows the reports of a run in `folder`; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bars: dict[str, tqdm] = {}

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def report(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Move the bar of a phase; where there are metrics, draw the curves anew."""
        if phase not in self._bars:
            self._bars[phase] = tqdm(total=total, desc=phase, file=sys.stderr, mininterval=2.0)
        bar = self._bars[phase]
        bar.update(done - bar.n)
        if metrics:
            bar.set_postfix({name: f"{metrics[name]:.3g}" for name in SHOWN if name in metrics})
            write_curves_page(self._folder)
