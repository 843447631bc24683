"""Progress of a command that passes over recordings in several parts, such as `fsd export`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from fsd.outputs.progress import print_progress, progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm


class Passed(Protocol):
    """Recordings whose steps are counted."""

    def __len__(self) -> int: ...

    def watch(self, on_step: Callable[[], None]) -> None: ...


class PartProgress:
    """A `ProgressCallback` that also shows a bar over the steps of each pass, with rate and time left of that pass."""

    def __init__(self) -> None:
        self._part, self._steps, self._done = "", 0, 0
        self._bar: tqdm | None = None

    def __call__(self, part: str) -> None:
        self._end()
        self._part = part
        print_progress(part)

    def watch(self, recordings: Sequence[Passed]) -> None:
        """Count the steps of these recordings from now on."""
        self._steps = sum(map(len, recordings))
        for recording in recordings:
            recording.watch(self._count)

    def _count(self) -> None:
        if self._bar is None:
            self._bar, self._done = progress_bar(self._steps, "tick", self._part), 0
            self._bar.leave = False
        self._done += 1
        self._bar.update()
        if self._done >= self._steps:  # a further pass has a bar of its own
            self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
