"""The engine with two more instruments: how long binding a tick's inputs takes, and the runtime's operator profile.

Runs the same session, buffers and steps as `fsd.engine.Engine`; only where it looks is different.
"""

import time
from pathlib import Path

import onnxruntime as ort

from fsd.engine import Engine
from fsd.networks.feeds import Feeds, Step
from fsd.profile.runtime_trace import session_options


class _TimedFeeds(Feeds):
    """Inputs that remember how long the last tick took to copy in."""

    load_ns = 0

    def load(self, step: Step) -> None:
        start_ns = time.perf_counter_ns()
        super().load(step)
        self.load_ns = time.perf_counter_ns() - start_ns


class ProfiledEngine(Engine):
    """An engine under observation.

    Args:
        model, threads: as for `Engine`.
        operator_trace: prefix of the file for the runtime's operator profile; None leaves it off. It slows the network
            down, so latencies are measured without.
    """

    def __init__(self, model: Path | None = None, threads: int = 1, operator_trace: Path | None = None) -> None:
        super().__init__(model, threads)
        self._feeds: Feeds = _TimedFeeds(self.budget)
        self.threads = threads
        if operator_trace is not None:
            options = session_options(threads)
            options.enable_profiling = True
            options.profile_file_prefix = str(operator_trace)
            self._session = ort.InferenceSession(str(self.model), options, providers=["CPUExecutionProvider"])
        self._binding = self._bind()

    @property
    def bind_ms(self) -> float:
        """How long the last tick's inputs took to copy in."""
        assert isinstance(self._feeds, _TimedFeeds)
        return self._feeds.load_ns / 1e6

    @property
    def feeds(self) -> Feeds:
        """The inputs as they were at the last tick."""
        return self._feeds

    def end_operator_trace(self) -> tuple[Path, int]:
        """Stop the runtime's profile: its file, and the wall-clock nanoseconds from which it counts."""
        start_ns = self._session.get_profiling_start_time_ns()
        return Path(self._session.end_profiling()), start_ns
