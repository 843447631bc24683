"""Small ONNX models and tick data for the tests of third-party models."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from fsd.data.clock import tick_time_ns
from fsd.data.frames import FrameSet


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    """One operator with one output."""
    return helper.make_node(kind, inputs, [output], **attributes)


def save(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int]],
    types: dict[str, int] | None = None,
    **constants: np.ndarray,
) -> Path:
    """A model of these nodes; inputs and outputs are float32 unless `types` says otherwise."""

    def values(shapes: dict[str, list[int]]) -> list[Any]:
        chosen = types or {}
        return [
            helper.make_tensor_value_info(name, chosen.get(name, TensorProto.FLOAT), shape)
            for name, shape in shapes.items()
        ]

    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", values(inputs), values(outputs), stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def empty_frame_set(tick: int, run: int = 0) -> FrameSet:
    """A tick at which no camera has a picture."""
    none = np.zeros(8, bool)
    return FrameSet(tick, tick_time_ns(tick), (None,) * 8, np.full(8, -1), none, none, run)
