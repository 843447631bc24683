"""Small third-party models of different shapes, made node by node, and feeds for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fsd.export.onnx_runner import MakeFeeds

Step = dict[str, np.ndarray]


class Builder:
    """Adds nodes to a graph one after another; names constants and results itself."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def weights(self, *shape: int) -> str:
        fan_in = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        return self.constant(self.rng.normal(0, fan_in**-0.5, shape))

    def add(self, operator: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        outputs = [f"t{len(self.nodes)}_{index}" for index in range(count)]
        name = attributes.pop("name", f"/{operator.lower()}{len(self.nodes)}/{operator}")
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs[0] if count == 1 else outputs

    def model(
        self, inputs: Mapping[str, tuple[tuple[int, ...], str]], outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    ) -> onnx.ModelProto:
        """inputs: name -> (shape, dtype); outputs: name -> (tensor, shape)."""
        for name, (tensor, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name], f"{name}/Identity"))
        kinds = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "float16": TensorProto.FLOAT16}
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info(name, kinds[kind], shape) for name, (shape, kind) in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        return model


class PairFeeds:
    """Inputs from steps that are dicts, and state from outputs of the tick before."""

    def __init__(self, model: onnx.ModelProto, pairs: Mapping[str, str]) -> None:
        self.pairs = pairs
        self.arrays = {
            value.name: np.zeros(
                [axis.dim_value for axis in value.type.tensor_type.shape.dim],
                helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type),
            )
            for value in model.graph.input
        }

    def reset(self) -> None:
        for array in self.arrays.values():
            array.fill(0)

    def load(self, step: Step) -> None:
        for name, values in step.items():
            np.copyto(self.arrays[name], values)

    def carry(self, step: Step, outputs: Mapping[str, np.ndarray]) -> None:
        for output, name in self.pairs.items():
            np.copyto(self.arrays[name], outputs[output])


@dataclass(frozen=True)
class SmallModel:
    """A model with its state pairs (output -> input) and the output that is its plan."""

    model: onnx.ModelProto
    pairs: Mapping[str, str] = field(default_factory=dict)
    plan: str = "plan"

    @property
    def make_feeds(self) -> MakeFeeds:
        return lambda: PairFeeds(self.model, self.pairs)

    def steps(self, count: int, seed: int = 0) -> list[Step]:
        """Smooth inputs: what neighbouring ticks see is similar."""
        rng = np.random.default_rng(seed)
        given = [value for value in self.model.graph.input if value.name not in self.pairs.values()]
        steps: list[Step] = [{} for _ in range(count)]
        for value in given:
            shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
            phase, speed = rng.uniform(0, 6.3, shape), rng.uniform(0.02, 0.5, shape)
            is_bytes = value.type.tensor_type.elem_type == TensorProto.UINT8
            for tick, step in enumerate(steps):
                wave = np.sin(phase + speed * tick)
                step[value.name] = (127 + 100 * wave).astype(np.uint8) if is_bytes else wave.astype(np.float32)
        return steps


def recurrent_cell() -> SmallModel:
    """A gated recurrent unit of matrix products, with one state."""
    b = Builder()
    x = b.add("Relu", b.add("Gemm", "features", b.weights(48, 64), b.constant(np.full(64, 0.1))))
    gates = b.add("Add", b.add("MatMul", x, b.weights(64, 192)), b.add("MatMul", "hidden", b.weights(64, 192)))
    reset, update, new = b.add("Split", gates, b.constant([64, 64, 64], np.int64), count=3, axis=1)
    keep = b.add("Sigmoid", update)
    candidate = b.add("Tanh", b.add("Mul", b.add("Sigmoid", reset), new))
    rest = b.add("Sub", b.constant(1.0), keep)
    hidden = b.add("Add", b.add("Mul", keep, "hidden"), b.add("Mul", rest, candidate))
    plan = b.add("MatMul", hidden, b.weights(64, 20), name="/head/MatMul")
    model = b.model(
        {"features": ((1, 48), "float32"), "hidden": ((1, 64), "float32")},
        {"plan": (plan, (1, 20)), "next_hidden": (hidden, (1, 64))},
    )
    return SmallModel(model, {"next_hidden": "hidden"})


def image_network() -> SmallModel:
    """Convolutions on a uint8 image with channels last: dilated, depthwise, grouped, SAME padding, a residual sum."""
    b = Builder(1)
    x = b.add("Mul", b.add("Cast", "image", to=TensorProto.FLOAT), b.constant(1 / 255))
    x = b.add("Transpose", x, perm=[0, 3, 1, 2])
    bias = b.constant(b.rng.normal(0, 0.1, 16))
    x = b.add("Relu", b.add("Conv", x, b.weights(16, 3, 3, 3), bias, strides=[2, 2], auto_pad="SAME_UPPER"))
    y = b.add("Relu", b.add("Conv", x, b.weights(16, 1, 3, 3), bias, group=16, pads=[1, 1, 1, 1]))
    y = b.add("Conv", y, b.weights(16, 8, 3, 3), group=2, dilations=[2, 2], pads=[2, 2, 2, 2])
    x = b.add("Relu", b.add("Add", x, y))
    x = b.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.add("Relu", b.add("Conv", x, b.weights(32, 16, 1, 1), b.constant(np.zeros(32))))
    x = b.add("Flatten", b.add("GlobalAveragePool", x))
    plan = b.add("Gemm", x, b.weights(32, 1), b.constant([0.2]), name="/head/Gemm")
    return SmallModel(b.model({"image": ((1, 24, 32, 3), "uint8")}, {"plan": (plan, (1, 1))}))


def cached_attention() -> SmallModel:
    """A transformer block that attends to keys and values of earlier ticks, kept in rolling buffers."""
    b, width, slots = Builder(2), 64, 8
    scale = np.ones(width)
    scale[5] = 20.0  # one channel that is much larger than the others
    norm = b.add("LayerNormalization", "token", b.constant(scale), b.constant(np.zeros(width)), name="/norm/LayerNorm")
    query, key, value = (b.add("MatMul", norm, b.weights(width, width)) for _ in range(3))
    one, end, axis = (b.constant([number], np.int64) for number in (1, slots, 1))
    keys, values = (
        b.add("Concat", b.add("Slice", old, one, end, axis), new, axis=1)
        for old, new in (("keys", key), ("values", value))
    )
    scores = b.add("Mul", b.add("MatMul", query, b.add("Transpose", keys, perm=[0, 2, 1])), b.constant(0.125))
    mixed = b.add("MatMul", b.add("Softmax", scores, axis=-1), values)
    x = b.add("Add", "token", b.add("MatMul", mixed, b.weights(width, width)))
    hidden = b.add("Relu", b.add("Gemm", b.add("Flatten", x, axis=2), b.weights(128, width), transB=1))
    plan = b.add("Gemm", hidden, b.weights(24, 128), transB=1, name="/head/Gemm")
    model = b.model(
        {
            "token": ((1, 1, width), "float32"),
            "keys": ((1, slots, width), "float32"),
            "values": ((1, slots, width), "float32"),
        },
        {"plan": (plan, (1, 24)), "next_keys": (keys, (1, slots, width)), "next_values": (values, (1, slots, width))},
    )
    return SmallModel(model, {"next_keys": "keys", "next_values": "values"})


def history_network() -> SmallModel:
    """One-dimensional convolutions over a history of motion, and products in both orders of their weights."""
    b = Builder(3)
    bias = b.constant(b.rng.normal(0, 0.1, 16))
    x = b.add("Relu", b.add("Conv", "history", b.weights(16, 4, 5), bias, strides=[4], pads=[2, 2]))
    x = b.add("Relu", b.add("Conv", x, b.weights(16, 16, 3), dilations=[2], pads=[2, 2]))
    x = b.add("Flatten", x)
    x = b.add("Relu", b.add("Gemm", x, b.weights(16 * 10, 64), b.constant(b.rng.normal(0, 0.1, 64))))
    x = b.add("Relu", b.add("Gemm", x, b.weights(48, 64), b.constant(b.rng.normal(0, 0.1, 48)), transB=1))
    plan = b.add("Gemm", x, b.weights(48, 8), name="/head/Gemm")
    return SmallModel(b.model({"history": ((1, 4, 40), "float32")}, {"plan": (plan, (1, 8))}))


SMALL_MODELS: dict[str, Callable[[], SmallModel]] = {
    "recurrent": recurrent_cell,
    "image": image_network,
    "attention": cached_attention,
    "history": history_network,
}
