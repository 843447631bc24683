"""Run an exported model over a clip, memory included, as the engine does: one thread, on the CPU."""

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


class OnnxRunner:
    """Runs a model over a clip, memory included; each call of `step` is one tick."""

    def __init__(self, session: onnxruntime.InferenceSession, budget: Budget) -> None:
        self.session, self.feeds = session, InputBuffers(budget)
        self.names = [output.name for output in session.get_outputs()]

    def reset(self) -> None:
        self.feeds.reset()

    def step(self, step: TickInput) -> dict[str, np.ndarray]:
        """Outputs of one tick by name; then writes the memory slots named by the compressor."""
        self.feeds.load(step)
        outputs = dict(zip(self.names, self.session.run(None, self.feeds.arrays), strict=True))
        self.feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        return outputs


class BatchRunner(OnnxRunner):
    """Runs a model with a free batch over a clip: each tick with the previous one as second row, to detect mixing."""

    def __init__(self, session: onnxruntime.InferenceSession, budget: Budget) -> None:
        super().__init__(session, budget)
        self._before = {name: array.copy() for name, array in self.feeds.arrays.items()}

    def step(self, step: TickInput) -> dict[str, np.ndarray]:
        """Outputs of the current tick's row."""
        self.feeds.load(step)
        rows = {name: np.stack([array, self._before[name]]) for name, array in self.feeds.arrays.items()}
        self._before = {name: both[0] for name, both in rows.items()}
        outputs = {name: both[0] for name, both in zip(self.names, self.session.run(None, rows), strict=True)}
        self.feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        return outputs
