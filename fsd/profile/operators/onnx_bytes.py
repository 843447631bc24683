"""Writes the bytes of a one-operator ONNX model, so that measuring a machine's peak needs no `onnx` package.

Knows the handful of protobuf fields that such a model uses (numbers from onnx.proto3), and nothing of larger graphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IR_VERSION = 9
OPSET = 20
ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}
"""TensorProto.DataType."""


@dataclass(frozen=True)
class Constant:
    """An initializer: its name and its values."""

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class Port:
    """A graph input or output: name, dtype and static shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def one_operator_model(
    operator: str, inputs: Sequence[Port | Constant], output: Port, integers: dict[str, Sequence[int]] | None = None
) -> bytes:
    """A model that runs one operator.

    Args:
        operator: `MatMul`, `QLinearMatMul`, `Conv` …
        inputs: of the operator, in its order; ports are fed, constants are stored.
        output: the operator's only output.
        integers: attributes that are lists of integers, such as `pads`.
    """
    node = b"".join(_text(1, each.name) for each in inputs)
    node += _text(2, output.name) + _text(3, operator) + _text(4, operator)
    for name, values in (integers or {}).items():
        # AttributeProto: name 1, ints 8, type 20 (7 means INTS).
        node += _message(5, _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, 7))
    graph = _message(1, node) + _text(2, operator)
    graph += b"".join(_message(5, _tensor(each)) for each in inputs if isinstance(each, Constant))
    graph += b"".join(_message(11, _value_info(each)) for each in inputs if isinstance(each, Port))
    graph += _message(12, _value_info(output))
    opset = _text(1, "") + _number(2, OPSET)
    return _number(1, IR_VERSION) + _message(7, graph) + _message(8, opset)


def _tensor(constant: Constant) -> bytes:
    values = np.ascontiguousarray(constant.values)
    dims = b"".join(_number(1, size) for size in values.shape)
    kind = _number(2, ELEMENT_TYPES[values.dtype.name])
    return dims + kind + _text(8, constant.name) + _bytes(9, values.tobytes())


def _value_info(port: Port) -> bytes:
    shape = b"".join(_message(1, _number(1, size)) for size in port.shape)
    tensor = _number(1, ELEMENT_TYPES[port.dtype]) + _message(2, shape)
    return _text(1, port.name) + _message(2, _message(1, tensor))


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _message(field: int, payload: bytes) -> bytes:
    return _bytes(field, payload)
