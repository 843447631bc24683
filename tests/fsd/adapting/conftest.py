"""Stand-in models of any inputs and outputs, with next to no weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Tensors = dict[str, tuple[tuple[int | str, ...], str]]


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Call it with inputs and outputs (name -> shape, type): a model whose outputs are `base` plus `gain` x inputs.

    Every output is its base (0 if left out), plus the mean of each input times `gain`: all inputs count.
    """
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def make(
        inputs: Tensors,
        outputs: Tensors,
        base: dict[str, np.ndarray] | None = None,
        gain: float = 1e-4,
        name: str = "m",
    ) -> Path:
        def declared(tensors: Tensors) -> list[Any]:
            return [
                helper.make_tensor_value_info(each, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
                for each, (shape, dtype) in tensors.items()
            ]

        nodes, stored = [], [numpy_helper.from_array(np.float32(gain), "gain")]
        for each in inputs:
            nodes.append(helper.make_node("Cast", [each], [f"{each}_f"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("ReduceMean", [f"{each}_f"], [f"{each}_mean"], keepdims=0))
        nodes.append(helper.make_node("Sum", [f"{each}_mean" for each in inputs], ["means"]))
        nodes.append(helper.make_node("Mul", ["means", "gain"], ["moved"]))
        for each, (shape, dtype) in outputs.items():
            values = np.zeros(shape) if base is None or each not in base else np.broadcast_to(base[each], shape)
            stored.append(numpy_helper.from_array(values.astype(np.float32), f"{each}_base"))
            nodes.append(helper.make_node("Add", [f"{each}_base", "moved"], [f"{each}_sum"]))
            target = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            nodes.append(helper.make_node("Cast", [f"{each}_sum"], [each], to=target))
        graph = helper.make_graph(nodes, "g", declared(inputs), declared(outputs), stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        path = tmp_path_factory.mktemp("stand_in") / f"{name}.onnx"
        onnx.save(model, path)
        return path

    return make
