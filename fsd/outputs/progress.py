"""Progress of a long command, one line for each part that begins."""

import sys
from collections.abc import Callable

ProgressCallback = Callable[[str], None]
"""Called with a short description of the part that begins."""


def print_progress(part: str) -> None:
    """Print to standard error."""
    print(f"{part} …", file=sys.stderr, flush=True)
