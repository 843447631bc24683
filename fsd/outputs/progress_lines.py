"""A progress bar for log files: plain lines now and then, without codes that move a cursor."""

import sys
import time
from typing import Any

from tqdm import tqdm

LINES_S = 30.0
"""Between two lines; the first step and the last one are told at once."""

_FORMAT = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} so far, {remaining} left, {rate_fmt}{postfix}"


class ProgressLines(tqdm):  # type: ignore[misc]  # tqdm states no types
    """As `tqdm`, written as lines."""

    def __init__(self, total: int | None, unit: str, what: str, done: int = 0) -> None:
        self._told_s, self._told_n = -LINES_S, -1
        super().__init__(
            total=total,
            initial=done,
            unit=unit,
            desc=what,
            file=sys.stderr,
            mininterval=0.0,
            miniters=0,
            smoothing=0.05,
            leave=False,
            bar_format=_FORMAT,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write a line if one is due; `msg` is what `tqdm` would overwrite a bar with."""
        is_first, is_last = self._told_n == self.initial < self.n, self.n == self.total != self._told_n
        if msg is None and (is_first or is_last or time.monotonic() - self._told_s >= LINES_S):
            self._tell()
        return False

    def clear(self, *args: Any, **others: Any) -> None:
        """A line stays."""

    def close(self) -> None:
        """Write how far it came."""
        if not self.disable and self._told_n != self.n:
            self._tell()
        super().close()

    def _tell(self) -> None:
        self._told_s, self._told_n = time.monotonic(), self.n
        print(self, file=self.fp, flush=True)
