"""Run a model over a clip, recurrent state included, as the engine does: one thread, on the CPU."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime

from fsd.export.model_file import SERIALISED_LIMIT, proto_bytes, temporary_file
from fsd.export.onnx_export import serialise
from fsd.networks import onnx_session

Clip = Iterable[Any]
"""One drive, step by step from its start; a step is what the `load` of the model's feeds takes."""


class Feeds(Protocol):
    """The inputs of one model: those that a step brings, and its recurrent state."""

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Every input by name, valid for the next run; read anew at every tick."""
        ...

    def reset(self) -> None:
        """Empty the state, as at the start of a clip."""
        ...

    def load(self, step: Any, /) -> None:
        """Copy the inputs of one tick in."""
        ...

    def carry(self, step: Any, outputs: Mapping[str, np.ndarray], /) -> None:
        """Take the state for the next tick from the outputs of this one."""
        ...


MakeFeeds = Callable[[], Feeds]
"""Makes feeds with a state of their own, one for each runner."""

Reference = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""A model as a function without state: inputs by name -> outputs by name, such as a PyTorch module."""


def open_model(model: onnx.ModelProto | Path, optimise: bool = True, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a session for a model in memory or in a file."""
    if isinstance(model, Path):
        return onnx_session.open_session(model, threads, optimise=optimise)
    if proto_bytes(model) < SERIALISED_LIMIT:
        return onnx_session.open_session(serialise(model), threads, optimise=optimise)
    with temporary_file(model) as path:
        return onnx_session.open_session(path, threads, optimise=optimise)


@contextmanager
def further_outputs(model: onnx.ModelProto, tensors: Iterable[str]) -> Iterator[onnx.ModelProto]:
    """The same model, which inside the block also outputs these float tensors."""
    outputs = model.graph.output
    present = {output.name for output in outputs}
    before = len(outputs)
    added = [name for name in dict.fromkeys(tensors) if name not in present]
    outputs.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in added)
    try:
        yield model
    finally:
        del outputs[before:]


class Runner(ABC):
    """Runs a model over a clip with its own state; each call of `step` is one tick."""

    def __init__(self, make_feeds: MakeFeeds) -> None:
        self.feeds = make_feeds()

    def reset(self) -> None:
        self.feeds.reset()

    def step(self, step: Any) -> dict[str, np.ndarray]:
        """Outputs of one tick by name; then carries the state over."""
        self.feeds.load(step)
        outputs = self._run()
        self.feeds.carry(step, outputs)
        return outputs

    @abstractmethod
    def _run(self) -> dict[str, np.ndarray]:
        """Outputs for the inputs in `feeds`."""


class OnnxRunner(Runner):
    """Runs a model of static shapes in ONNX Runtime."""

    def __init__(self, session: onnxruntime.InferenceSession, make_feeds: MakeFeeds) -> None:
        super().__init__(make_feeds)
        self.session, self.names = session, [output.name for output in session.get_outputs()]

    def _run(self) -> dict[str, np.ndarray]:
        return dict(zip(self.names, self.session.run(None, dict(self.feeds.arrays)), strict=True))


class BatchRunner(OnnxRunner):
    """Runs a model with a free batch: each tick with the previous one as second row, to detect mixing."""

    def __init__(self, session: onnxruntime.InferenceSession, make_feeds: MakeFeeds) -> None:
        super().__init__(session, make_feeds)
        self._before = {name: array.copy() for name, array in self.feeds.arrays.items()}

    def _run(self) -> dict[str, np.ndarray]:
        rows = {name: np.stack([array, self._before[name]]) for name, array in self.feeds.arrays.items()}
        self._before = {name: both[0] for name, both in rows.items()}
        return {name: both[0] for name, both in zip(self.names, self.session.run(None, rows), strict=True)}


class ReferenceRunner(Runner):
    """Runs a function such as a PyTorch module in place of a file."""

    def __init__(self, reference: Reference, make_feeds: MakeFeeds) -> None:
        super().__init__(make_feeds)
        self.reference = reference

    def _run(self) -> dict[str, np.ndarray]:
        return dict(self.reference(self.feeds.arrays))
