"""Cost of one tick of the network, independent of hardware: multiply-accumulates and bytes per operator.

Counted from the shapes that ONNX Runtime reports for the optimised graph, so it needs neither the `onnx` package nor a
formula per network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

ELEMENT_BYTES = {"float": 4, "float16": 2, "bfloat16": 2, "double": 8, "int64": 8, "int32": 4, "uint8": 1, "int8": 1}
CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Operator -> index of the input that holds the weights."""

PRODUCTS = {
    "MatMul",
    "FusedMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "QLinearMatMul",
    "Gemm",
    "FusedGemm",
    "QGemm",
}
INTEGER_TYPES = {"uint8", "int8"}
TRANSPOSES_FIRST = {"Gemm", "FusedGemm", "QGemm"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Type and shape of one operand; types as ONNX Runtime names them: `float`, `uint8` …"""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * ELEMENT_BYTES.get(self.dtype, 4)


@dataclass(frozen=True, slots=True)
class OperatorCost:
    """One operator of the graph.

    Attributes:
        macs: multiply-accumulates; 0 for anything but convolutions and matrix products.
        bytes: operands read plus results written, each once: the traffic if nothing stays in a cache.
        is_int8: the multiplications are 8-bit.
    """

    name: str
    kind: str
    macs: int
    bytes: int
    is_int8: bool


@dataclass(frozen=True)
class NetworkCost:
    """Cost of the whole graph; `name` is the network's."""

    name: str
    operators: tuple[OperatorCost, ...] = field(repr=False)

    @property
    def int8_macs(self) -> int:
        return sum(each.macs for each in self.operators if each.is_int8)

    @property
    def float_macs(self) -> int:
        return sum(each.macs for each in self.operators if not each.is_int8)

    @property
    def macs(self) -> int:
        return self.int8_macs + self.float_macs

    @property
    def bytes(self) -> int:
        """Memory traffic per tick if nothing stays in a cache."""
        return sum(each.bytes for each in self.operators)


def operator_cost(name: str, kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> OperatorCost:
    """Count one operator from the shapes of all its operands, constants included."""
    result = outputs[0].elements if outputs else 0
    macs = 0
    if kind in CONVOLUTIONS and len(inputs) > CONVOLUTIONS[kind]:
        weights = inputs[CONVOLUTIONS[kind]]
        macs = result * weights.elements // weights.shape[0]
    elif kind in PRODUCTS and len(inputs) > 1:
        macs = result * _inner_size(kind, inputs, outputs[0])
    return OperatorCost(
        name=name,
        kind=kind,
        macs=macs,
        bytes=sum(each.bytes for each in (*inputs, *outputs)),
        is_int8=kind == "DynamicQuantizeMatMul" or (bool(inputs) and inputs[0].dtype in INTEGER_TYPES),
    )


def _inner_size(kind: str, inputs: Sequence[Tensor], output: Tensor) -> int:
    """Inner dimension of a matrix product; a transposed first factor is recognised from the result's rows."""
    first = inputs[0].shape
    if len(first) < 2:
        return first[-1] if first else 1
    if kind in TRANSPOSES_FIRST and first[0] != output.shape[0]:
        return first[0]
    return first[-1]
