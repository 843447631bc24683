"""Run an exported model over a clip, memory included, as the engine does: one thread, on the CPU."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from fsd.compression.budget import Budget
from fsd.export.onnx_export import serialise
from fsd.networks import onnx_session
from fsd.networks.input_buffers import InputBuffers, TickInput


def open_model(model: onnx.ModelProto | Path, optimise: bool = True) -> onnxruntime.InferenceSession:
    """Open a session for a model in memory or in a file."""
    source = model if isinstance(model, Path) else serialise(model)
    return onnx_session.open_session(source, optimise=optimise)


def with_outputs(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """A copy of a model that also outputs these float tensors."""
    wider = copy.deepcopy(model)
    present = {output.name for output in wider.graph.output}
    added = [name for name in dict.fromkeys(tensors) if name not in present]
    wider.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in added)
    return wider


class Runner(ABC):
    """Runs a model over a clip, memory included; each call of `step` is one tick."""

    def __init__(self, budget: Budget) -> None:
        self.feeds = InputBuffers(budget)

    def reset(self) -> None:
        self.feeds.reset()

    def step(self, step: TickInput) -> dict[str, np.ndarray]:
        """Outputs of one tick by name; then writes the memory slots named by the compressor."""
        self.feeds.load(step)
        outputs = self._run()
        self.feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        return outputs

    @abstractmethod
    def _run(self) -> dict[str, np.ndarray]:
        """Outputs for the inputs in `feeds`."""


class OnnxRunner(Runner):
    """Runs a model of static shapes in ONNX Runtime."""

    def __init__(self, session: onnxruntime.InferenceSession, budget: Budget) -> None:
        super().__init__(budget)
        self.session, self.names = session, [output.name for output in session.get_outputs()]

    def _run(self) -> dict[str, np.ndarray]:
        return dict(zip(self.names, self.session.run(None, self.feeds.arrays), strict=True))


class BatchRunner(OnnxRunner):
    """Runs a model with a free batch: each tick with the previous one as second row, to detect mixing."""

    def __init__(self, session: onnxruntime.InferenceSession, budget: Budget) -> None:
        super().__init__(session, budget)
        self._before = {name: array.copy() for name, array in self.feeds.arrays.items()}

    def _run(self) -> dict[str, np.ndarray]:
        rows = {name: np.stack([array, self._before[name]]) for name, array in self.feeds.arrays.items()}
        self._before = {name: both[0] for name, both in rows.items()}
        return {name: both[0] for name, both in zip(self.names, self.session.run(None, rows), strict=True)}
