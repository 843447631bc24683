"""What a profile watches: our engine, or another's model behind its adapter, under the same instruments.

Both run the session, buffers and steps that `fsd replay` runs; only where a profile looks is different. It knows
nothing of scenarios or clocks beyond one tick.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from fsd.compression.budget import Budget
from fsd.data.rig import Rig
from fsd.networks.contract import ModelMetadata
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.onnx_session import open_session
from fsd.runtime.engine import Engine
from fsd.runtime.pipeline import Pipeline, TickResult
from fsd.third_party.adapted_model import AdaptedModel
from fsd.third_party.adapted_pipeline import AdaptedPipeline


class Subject(Protocol):
    """A model under observation.

    Attributes:
        model: its file; device, threads: what it runs on.
        metadata, budget: what results say about it.
        bind_ms: how long the last tick's inputs took to copy in, as a part of `infer_ms`.
        inputs: the network's inputs as they were at the last tick.
    """

    model: Path
    device: str
    threads: int
    metadata: ModelMetadata
    budget: Budget

    @property
    def bind_ms(self) -> float: ...

    @property
    def inputs(self) -> Mapping[str, np.ndarray]: ...

    def pipeline(self, rig: Rig) -> Pipeline | AdaptedPipeline:
        """From frame set to plan, through this very model."""

    def again(self, last: TickResult) -> None:
        """Bind and run a tick once more, and nothing else of the path."""

    def end_operator_trace(self) -> tuple[Path, int]:
        """Stop the runtime's profile: its file, and the wall-clock nanoseconds from which it counts."""

    def description(self) -> dict[str, Any]:
        """What the summary says about the model besides its metadata."""


def open_subject(
    model: Path | None, adapter: Path | None, threads: int, device: str, operator_trace: Path | None = None
) -> Subject:
    """Load what is to be profiled.

    Args:
        model, adapter, threads, device: as for `fsd replay`.
        operator_trace: prefix of the file for the runtime's operator profile; None leaves it off. It slows the network
            down, so latencies are measured without.

    Raises:
        ModelError: a file is missing or damaged, or they do not fit; or the device is not there, or would leave part
            of the network to the CPU.
    """
    if adapter is None:
        return ProfiledEngine(model, threads, device, operator_trace)
    assert model is not None  # the configuration was checked
    return ProfiledModel(model, adapter, threads, device, operator_trace)


class _TimedFeeds(InputBuffers):
    """Inputs that remember how long the last tick took to copy in."""

    load_ns = 0

    def load(self, step: TickInput) -> None:
        start_ns = time.perf_counter_ns()
        super().load(step)
        self.load_ns = time.perf_counter_ns() - start_ns


class ProfiledEngine(Engine):
    """Our engine under observation; arguments as for `open_subject`."""

    def __init__(
        self, model: Path | None = None, threads: int = 1, device: str = "cpu", operator_trace: Path | None = None
    ) -> None:
        super().__init__(model, threads, device)
        self._feeds: InputBuffers = _TimedFeeds(self.budget)
        self.threads = threads
        if operator_trace is not None:
            self._session = open_session(self.model, threads, device, profile_prefix=operator_trace)
        self._binding = self._bind()

    @property
    def bind_ms(self) -> float:
        """How long the last tick's inputs took to copy in."""
        assert isinstance(self._feeds, _TimedFeeds)
        return self._feeds.load_ns / 1e6

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """As they were at the last tick."""
        return self._feeds.arrays

    def pipeline(self, rig: Rig) -> Pipeline:
        """Compressor and this engine."""
        return Pipeline(rig, self)

    def again(self, last: TickResult) -> None:
        """The network on a tick that is already compressed."""
        self.step(last.compressed)

    def end_operator_trace(self) -> tuple[Path, int]:
        """See `Subject`."""
        return _ended(self._session)

    def description(self) -> dict[str, Any]:
        """Ours: the metadata says it all."""
        return {}


class ProfiledModel(AdaptedModel):
    """Another's model under observation; arguments as for `open_subject`.

    Its inputs are written where the runtime reads them, so binding takes no time of its own: preparing the pictures
    stands in the stage `compress`.
    """

    bind_ms = 0.0

    def __init__(
        self, model: Path, adapter: Path, threads: int = 1, device: str = "cpu", operator_trace: Path | None = None
    ) -> None:
        super().__init__(model, adapter, threads, device)
        self.threads = threads
        if operator_trace is not None:
            self._session = open_session(self.model, threads, device, profile_prefix=operator_trace)

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """As they were at the last tick, but for the state, which is already the next one's."""
        return self.feeds

    def pipeline(self, rig: Rig) -> AdaptedPipeline:
        """Pictures as the adapter wants them, and this model; such a model knows nothing of a rig."""
        return AdaptedPipeline(self)

    def again(self, last: TickResult) -> None:
        """The model on the inputs that lie there, its state going on."""
        self.run()

    def end_operator_trace(self) -> tuple[Path, int]:
        """See `Subject`."""
        return _ended(self._session)

    def description(self) -> dict[str, Any]:
        """Whose words the name and `trained` are, and what goes in."""
        return {"adapter": self.adapter.name, "inputs": described(self.feeds), "state_pairs": len(self.adapter.state)}


def described(arrays: Mapping[str, np.ndarray]) -> str:
    """Names, types and shapes of inputs, for people."""
    return ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items())


def _ended(session: ort.InferenceSession) -> tuple[Path, int]:
    start_ns = session.get_profiling_start_time_ns()
    return Path(session.end_profiling()), start_ns
