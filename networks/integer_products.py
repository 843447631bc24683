"""Find the products of 8-bit numbers in an ONNX file, without the onnx package.

ONNX Runtime has exact kernels for processors whose fast ones saturate, but only for weights that are stored in the
file. It can also compute products between Q/DQ pairs in float, but not operators that multiply integers themselves.
"""

from dataclasses import dataclass, field

from fsd.networks.protobuf import fields, varint

_FACTORS = {
    "MatMul": (1,),
    "Gemm": (1,),
    "Conv": (1,),
    "ConvTranspose": (1,),
    "MatMulInteger": (1,),
    "ConvInteger": (1,),
    "QLinearConv": (3,),
    "QLinearMatMul": (3,),
    "QGemm": (3,),
    "MatMulIntegerToFloat": (1,),
    "DynamicQuantizeMatMul": (1,),
    "DynamicQuantizeLSTM": (1, 2),
    "QAttention": (1,),
}
"""Operator -> indices of what its inputs are multiplied with, the weights where those are stored."""

_FLOAT = ("MatMul", "Gemm", "Conv", "ConvTranspose")
"""Those that multiply integers only between Q/DQ pairs."""

_MOVES = ("Transpose", "Reshape", "Flatten", "Slice", "Split", "Concat", "Squeeze", "Unsqueeze", "Gather", "Identity")
"""Operators that only move values: the type behind them is the type before."""

_INT8 = 3
"""`TensorProto.DataType`. Source: onnx.proto3, as all numbers of fields below."""


@dataclass
class IntegerProducts:
    """What 8-bit products a file has.

    Attributes:
        between_pairs: products between Q/DQ pairs, which can be computed in float.
        operators: names of operators that multiply integers themselves.
        of_results: names of operators whose second factor is an int8 result instead of stored weights.
    """

    between_pairs: bool = False
    operators: set[str] = field(default_factory=set)
    of_results: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.between_pairs or bool(self.operators)


@dataclass
class _Node:
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    subgraphs: list[bytes] = field(default_factory=list)
    constant: int = 0
    """Data type of a tensor among its attributes."""


def integer_products(content: bytes, origin: str) -> IntegerProducts:
    """Find them in a serialised model; those of functions that the file defines are not seen.

    Raises:
        ModelError: the bytes are not a protobuf message; `origin` names the file in errors.
    """
    found = IntegerProducts()
    for graph in _messages(content, 7, origin):
        _search(graph, {}, found, origin)
    return found


def _search(graph: bytes, outer: dict[str, int], found: IntegerProducts, origin: str) -> None:
    """`outer`: name -> data type of the constants around a subgraph, 0 where it is not known."""
    stored = outer | dict(_tensor(each, origin) for each in _messages(graph, 5, origin))
    # Results by what they hold: floats of Q/DQ pairs (stored weights as well), int8 numbers, uint8 numbers.
    dequantized: set[str] = set()
    signed: set[str] = set()
    unsigned: set[str] = set()
    for node in (_node(each, origin) for each in _messages(graph, 1, origin)):
        for subgraph in node.subgraphs:
            _search(subgraph, stored, found, origin)
        zero_point = stored.get(node.inputs[2]) if len(node.inputs) > 2 else None
        if node.operator != "DequantizeLinear" and all(name in stored for name in node.inputs):
            # ONNX Runtime computes it once, before it chooses kernels.
            stored.update(dict.fromkeys(node.outputs, node.constant or zero_point or 0))
        elif node.operator in ("QuantizeLinear", "DynamicQuantizeLinear"):
            (signed if zero_point == _INT8 else unsigned).update(node.outputs)
        elif node.operator == "DequantizeLinear":
            dequantized.update(node.outputs)
            values = set(node.inputs[:1])
            if values & signed or (zero_point == _INT8 and not values <= stored.keys()):
                signed.update(node.outputs)
        elif node.operator in _MOVES:
            for kind in (dequantized, signed, unsigned):
                if kind.intersection(node.inputs):
                    kind.update(node.outputs)
        elif node.operator in _FACTORS:
            factors = {node.inputs[index] for index in _FACTORS[node.operator] if index < len(node.inputs)}
            if node.operator not in _FLOAT:
                found.operators.add(node.operator)
                if not factors <= stored.keys() | unsigned:
                    found.of_results.add(node.operator)
            elif factors & dequantized:
                found.between_pairs = True
                if factors & signed:
                    found.of_results.add(node.operator)


def _messages(content: bytes, number: int, origin: str) -> list[bytes]:
    return [content[each.value : each.end] for each in fields(content, origin) if each.number == number]


def _node(content: bytes, origin: str) -> _Node:
    node = _Node()
    for each in fields(content, origin):
        value = content[each.value : each.end]
        if each.number in (1, 2):
            (node.inputs if each.number == 1 else node.outputs).append(value.decode("utf-8", "replace"))
        elif each.number == 4:
            node.operator = value.decode("utf-8", "replace")
        elif each.number == 5:
            node.subgraphs += [graph for kind in (6, 11) for graph in _messages(value, kind, origin)]
            for tensor in _messages(value, 5, origin):
                _, node.constant = _tensor(tensor, origin)
    return node


def _tensor(content: bytes, origin: str) -> tuple[str, int]:
    """Name and data type."""
    name, kind = "", 0
    for each in fields(content, origin):
        if each.number == 2:
            kind, _ = varint(content, each.value, origin)
        elif each.number == 8:
            name = content[each.value : each.end].decode("utf-8", "replace")
    return name, kind
