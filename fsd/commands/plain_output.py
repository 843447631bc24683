"""Text for terminals: names, tags and metadata out of files must not control the terminal that shows them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from fsd.data.printable import printable


class PlainStream:
    """A text stream that shows control characters instead of sending them; what it cannot encode is escaped too.

    Args:
        stream: to write to.
        keeps_returns: whether carriage returns pass, by which a progress bar draws over itself.
    """

    def __init__(self, stream: TextIO, keeps_returns: bool) -> None:
        self._stream = stream
        self._keeps_returns = keeps_returns

    def write(self, text: str) -> int:
        """Write the text; returns its length."""
        shown = printable(text) if self._keeps_returns else printable(text).replace("\r", "\\r")
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Let `sys.stdout` and `sys.stderr` be plain streams."""
    before = sys.stdout, sys.stderr
    sys.stdout = PlainStream(before[0], keeps_returns=False)
    sys.stderr = PlainStream(before[1], keeps_returns=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
