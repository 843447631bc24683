"""Steps made of a recording: kept in memory up to a limit, and made again in each pass beyond it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip

KEEP_BYTES = 2**30
"""Memory limit for the steps of all recordings of an export: 6,000 ticks at B100, 1,700 at B25."""

Step = TypeVar("Step")


@dataclass
class KeptSteps(ABC, Generic[Step]):
    """The first `max_ticks` ticks of a recording (None: all), as steps; iterable repeatedly, one pass at a time.

    `keep_bytes` limits what is kept in memory.
    """

    path: Path
    max_ticks: int | None = field(default=None, kw_only=True)
    keep_bytes: int = field(default=KEEP_BYTES, kw_only=True)
    _on_step: Callable[[], None] | None = field(default=None, repr=False, init=False)
    _kept: list[Step] = field(default_factory=list, repr=False, init=False)
    _is_whole: bool = field(default=False, repr=False, init=False)

    def __iter__(self) -> Iterator[Step]:
        for step in self._pass():
            yield step
            if self._on_step is not None:
                self._on_step()

    def watch(self, on_step: Callable[[], None]) -> None:
        """Call something after every step of a pass from now on."""
        self._on_step = on_step

    def _pass(self) -> Iterator[Step]:
        known, used = len(self._kept), sum(map(self._bytes_of, self._kept))
        yield from self._kept[:known]
        if self._is_whole:
            return
        made = 0
        # Making steps has state, so steps that are kept are made again before the first that is not.
        for step in self._steps():
            made += 1
            if made <= known:
                continue
            if made == len(self._kept) + 1 and (used := used + self._bytes_of(step)) <= self.keep_bytes:
                self._kept.append(self._copied(step))
            yield step
        self._is_whole = made == len(self._kept)

    def _expected_ticks(self) -> int:
        """Number of ticks, from the recording's timestamps."""
        with FrameSource(open_clip(self.path), max_ticks=self.max_ticks) as frame_sets:
            expected = frame_sets.expected_ticks
        if expected is None:
            raise ClipError(f"The length of {self.path} is unknown. Leave `--fraction` out.")
        return expected

    @abstractmethod
    def _steps(self) -> Iterator[Step]:
        """All steps, from the first."""

    @abstractmethod
    def _bytes_of(self, step: Step) -> int:
        """Memory of a step."""

    def _copied(self, step: Step) -> Step:
        """What is kept of a step."""
        return step
