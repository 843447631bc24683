"""Every error that a user can cause.

    FsdError
    ├── ClipError          a recording cannot be opened, decoded or written
    │   ├── RigError       rig.json is wrong, or does not match the videos
    │   └── ClockError     timestamps cannot be used
    ├── ModelError         a model file is wrong, or does not match the rig or the compressor
    ├── SimulatorError     the simulator cannot run on this machine, or has no such scenario
    ├── OutputError        results cannot be written
    └── UsageError         an option has a value that cannot be used

The command line prints the message without a traceback and exits with `exit_code`.
"""

import re
from collections.abc import Sequence

from fsd.data.printable import printable

INTERRUPTED_EXIT_CODE = 130
"""Of a process that Ctrl-C or SIGTERM ended, as shells have it."""

MOST_NAMED = 6
"""How many of many things a message names."""


def few(names: Sequence[str]) -> str:
    """The first names, separated by commas, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


MAX_MESSAGE = 4000
"""Characters: a library's message may repeat a whole damaged file."""


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} …"


class FsdError(Exception):
    """Base of all errors below. The message states what was expected, what was received, and how to fix it.

    `camera` and `field` name the canonical camera and the field or column that the error is about, if it is about one.
    """

    exit_code = 1

    def __init__(self, message: str, *, camera: str | None = None, field: str | None = None) -> None:
        super().__init__(printable(_cut(message)))
        self.camera, self.field = camera, field


class ClipError(FsdError):
    exit_code = 3


class RigError(ClipError):
    """`rig.json`, or a rig made in Python, is wrong or does not match the videos."""


class ClockError(ClipError):
    """Timestamps are missing, do not rise, or do not match the video."""


class ModelError(FsdError):
    exit_code = 4


class SimulatorError(FsdError):
    exit_code = 5


class OutputError(FsdError):
    exit_code = 6


class UsageError(FsdError):
    exit_code = 2


LONG_LINE, LONGEST_LINE = 200, 400
"""Characters: of an error that is printed in two lines, and of a line that is cut in its middle."""
_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z`-])")


def error_text(text: str, error: BaseException) -> str:
    """What is printed of an error: its text, and the notes that were added on its way.

    A long one is divided between two sentences near its middle: what is wrong, and how to fix it. `--debug` shows all
    of a line that is cut.
    """
    line = " ".join([f"fsd: {text}", *getattr(error, "__notes__", ())])
    lines = line.splitlines()
    ends = [found.start() for found in _SENTENCE_END.finditer(line)]
    if len(line) > LONG_LINE and len(lines) == 1 and ends:
        end = min(ends, key=lambda end: max(end, len(line) - end))
        lines = [line[:end], line[end + 1 :]]
    return "\n".join(map(_without_middle, lines))


def _without_middle(line: str) -> str:
    kept = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:kept]} … {line[-kept:]}"
