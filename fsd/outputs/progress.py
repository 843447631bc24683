"""Progress of a long command on standard error: a line for each part that begins, and a bar with rate and time left.

`-q` shows none of it, `-v` all of it with times, also where no terminal shows it.
"""

import sys
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

ProgressCallback = Callable[[str], None]
"""Called with a short description of the part that begins."""


class Verbosity(Enum):
    """How much is said besides results and errors."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


_verbosity = Verbosity.NORMAL
_start_s = time.monotonic()


def set_verbosity(verbosity: Verbosity) -> None:
    """Choose for this process; times of `-v` count from here."""
    global _verbosity, _start_s
    _verbosity, _start_s = verbosity, time.monotonic()


def print_progress(part: str) -> None:
    """Say that a part begins."""
    if _verbosity is not Verbosity.QUIET:
        print(f"{_time()}{part} …", file=sys.stderr, flush=True)


def print_line(text: str, is_error: bool = False) -> None:
    """Say that a part has ended; an error is said with `-q` too."""
    if is_error or _verbosity is not Verbosity.QUIET:
        print(f"{_time()}{text}", file=sys.stderr, flush=True)


def describe_s(seconds: float) -> str:
    """`12 s`, `3 min` or `2.5 h`."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def print_step(part: str) -> None:
    """The same for a part that is short: only where somebody watches, or with `-v`."""
    if _verbosity is Verbosity.VERBOSE or sys.stderr.isatty():
        print_progress(part)


def progress_bar(
    total: int | None, unit: str, what: str, is_shown: bool = True, in_logs: bool = False, done: int = 0
) -> "tqdm":
    """A bar with the rate and the time left; without a terminal, lines instead, if `in_logs` or with `-v`.

    Args:
        total: None where it is unknown; what: is done, such as `replay`.
        in_logs: for what takes hours; done: before it begins.
    """
    from tqdm import tqdm  # `fsd --help` and `fsd doctor` do without

    is_shown = is_shown and _verbosity is not Verbosity.QUIET
    if is_shown and not sys.stderr.isatty() and (in_logs or _verbosity is Verbosity.VERBOSE):
        from fsd.outputs.progress_lines import ProgressLines

        return ProgressLines(total, unit, what, done)
    disable = None if is_shown else True
    return tqdm(total=total, initial=done, unit=unit, desc=what, disable=disable, file=sys.stderr, dynamic_ncols=True)


def _time() -> str:
    return f"{time.monotonic() - _start_s:7.1f} s  " if _verbosity is Verbosity.VERBOSE else ""
