"""Progress of a training run for people: one bar per phase on standard error, and the page of curves."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fsd.outputs.progress import print_line, progress_bar
from fsd.training.curves_page import write_curves_page

if TYPE_CHECKING:
    from tqdm import tqdm

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
                print_line(line)
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def report(self, phase: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Move the bar of a phase; where there are metrics, draw the curves anew."""
        if not self._is_shown:
            return
        if phase not in self._bars:
            unit = "drive" if phase.startswith("collect") else "step"
            self._bars[phase] = progress_bar(total, unit, phase, in_logs=True, done=done)
        bar = self._bars[phase]
        if metrics:
            # A held-out score stays beside the loss until the next one.
            self._latest |= {name: metrics[name] for name in SHOWN if name in metrics}
            bar.set_postfix({name: f"{value:.3g}" for name, value in self._latest.items()}, refresh=False)
            write_curves_page(self._folder)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
