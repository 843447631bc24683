"""Ctrl-C and SIGTERM during a command: the first ends it in good order, a second Ctrl-C at once."""

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Self

from fsd.commands.exit_codes import INTERRUPTED

ONE_EVENT_S = 0.1
"""Signals this close together are one event: `timeout` sends its signal to the process and to its group."""


class Interrupts:
    """Turns signals into KeyboardInterrupt while a command runs; use it as a context manager.

    Outside of the main thread, and for a Ctrl-C that the caller has set to be ignored, it changes nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._first_s: float | None = None

    @property
    def were_received(self) -> bool:
        """Whether the command was interrupted."""
        return self._first_s is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._interrupt)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *raised: object) -> None:
        if not self.were_received:  # else a second Ctrl-C ends the program also while Python shuts down
            for number, handler in self._before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if self._first_s is None:
            self._first_s = now_s
            raise KeyboardInterrupt
        if number == signal.SIGINT and now_s - self._first_s > ONE_EVENT_S:
            with suppress(OSError):
                os.write(2, b"fsd: interrupted again, ended at once.\n")  # not by `sys.stderr`, which may be in use
            os._exit(INTERRUPTED)
