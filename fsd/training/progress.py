"""Progress of a training run for people: one bar per phase on standard error, and the page of curves."""

import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from fsd.training.curves_page import write_curves_page

SHOWN = ("loss", "validation_score_m", "validation_ade_3s_m", "held_out_score_m", "loader_share")


class TrainingProgress:
    """Shows the reports of a run in `folder`; use it as a context manager.

    Args:
        lines: printed first; is_shown: False in all processes but the first of a `torchrun`.
    """

    def __init__(self, folder: Path, lines: Iterable[str] = (), is_shown: bool = True) -> None:
        self._folder, self._is_shown = folder, is_shown
        self._lines = tuple(lines)
        self._bars: dict[str, tqdm] = {}
        self._latest: dict[str, float] = {}

    def __enter__(self) -> "TrainingProgress":
        if self._is_shown:
            for line in self._lines:
                print(line, file=sys.stderr, flush=True)
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def report(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Move the bar of a phase; where there are metrics, draw the curves anew."""
        if not self._is_shown:
            return
        if phase not in self._bars:
            self._bars[phase] = tqdm(total=total, desc=phase, file=sys.stderr, mininterval=2.0)
        bar = self._bars[phase]
        bar.update(done - bar.n)
        if metrics:
            # A held-out score stays beside the loss until the next one.
            self._latest |= {name: metrics[name] for name in SHOWN if name in metrics}
            bar.set_postfix({name: f"{value:.3g}" for name, value in self._latest.items()})
            write_curves_page(self._folder)
