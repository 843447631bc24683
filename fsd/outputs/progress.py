"""Progress of a long command, one line for each part that begins."""

import sys
from collections.abc import Callable

ProgressCallback = Callable[[str], None]
"""Called with a few words on the part that begins."""


def print_progress(words: str) -> None:
    """Print to standard error."""
    print(f"{words} …", file=sys.stderr, flush=True)
