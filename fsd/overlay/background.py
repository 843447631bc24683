"""Encode images in a thread of its own while the next ones are drawn: `InOrder`."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MOST_WAITING = 3
"""Calls that may wait; each holds an image of up to 15 MB."""


class InOrder:
    """Runs calls in the order they are given, in one thread. What a call raises, `run` or `close` raises later."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Future[None]] = deque()

    def run(self, call: Callable[[], None]) -> None:
        """Begin a call; waits while `MOST_WAITING` others are not done."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(call))

    def close(self) -> None:
        """Wait for all calls; those after one that failed are left out."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._waiting.clear()
            self._thread.shutdown(cancel_futures=True)
