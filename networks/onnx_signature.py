"""Inputs and outputs of an ONNX file, read without its weights: those of a file of 500 MB are found in milliseconds.

Source of all numbers of fields: onnx.proto3.
"""

import mmap
from pathlib import Path

from fsd.data.errors import ModelError
from fsd.networks.onnx_session import Signature, open_session, require_model_file, session_signature
from fsd.networks.protobuf import Buffer, fields, varint

_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
"""`TensorProto.DataType` -> dtype."""


def file_signatures(model: Path) -> tuple[Signature, Signature]:
    """Inputs and outputs of a file; one that leaves a shape out is opened, since ONNX Runtime may infer it.

    So is one whose outputs have free axes besides the batch: the older exporter of PyTorch leaves sizes out that follow
    from the graph.

    Raises:
        ModelError: the file is missing or damaged.
    """
    require_model_file(model)
    origin = str(model)
    with (
        model.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as content,
    ):
        found = _graph_signatures(content, origin)
    if found is not None:
        return found
    session = open_session(model, optimise=False, prepack=False)
    return session_signature(session.get_inputs()), session_signature(session.get_outputs())


def _graph_signatures(content: memoryview, origin: str) -> tuple[Signature, Signature] | None:
    """None where a shape is not stated, or an output's in part."""
    stored: set[str] = set()
    found: tuple[Signature, Signature] = ({}, {})
    is_whole, has_graph = True, False
    for part in fields(content, origin):
        if part.number != 7:
            continue
        has_graph = True
        with content[part.value : part.end] as graph:
            for each in fields(graph, origin):
                if each.number not in (5, 11, 12):
                    continue
                with graph[each.value : each.end] as value:
                    if each.number == 5:
                        stored.add(_text(value, 8, origin))
                        continue
                    name, spec = _value_info(value, origin)
                is_whole &= spec is not None
                if spec is not None:
                    found[each.number - 11][name] = spec
    if not has_graph:
        raise ModelError(f"{origin} is not an ONNX file, or is damaged. Export or copy it again.")
    for name in stored:  # before IR version 4, weights were listed among the inputs
        found[0].pop(name, None)
    is_whole &= all(-1 not in shape[1:] for shape, _ in found[1].values())
    return found if is_whole else None


def _value_info(content: Buffer, origin: str) -> tuple[str, tuple[tuple[int, ...], str] | None]:
    name, spec = _text(content, 1, origin), None
    for tensor in _nested(content, (2, 1), origin):
        dtype, shape = "", None
        for each in fields(tensor, origin):
            if each.number == 1:
                number, _ = varint(tensor, each.value, origin)
                dtype = _DTYPES.get(number, f"type {number}")
            elif each.number == 2:
                dimensions = _nested(bytes(tensor[each.value : each.end]), (1,), origin)
                shape = tuple(_size(dimension, origin) for dimension in dimensions)
        spec = None if shape is None else (shape, dtype)
    return name, spec


def _size(dimension: Buffer, origin: str) -> int:
    """The size of an axis; -1 for a free one."""
    sizes = [varint(dimension, each.value, origin)[0] for each in fields(dimension, origin) if each.number == 1]
    return sizes[0] if sizes else -1


def _nested(content: Buffer, numbers: tuple[int, ...], origin: str) -> list[bytes]:
    """The messages at a path of field numbers."""
    found = [bytes(content)]
    for number in numbers:
        found = [
            part[each.value : each.end] for part in found for each in fields(part, origin) if each.number == number
        ]
    return found


def _text(content: Buffer, number: int, origin: str) -> str:
    values = [bytes(content[each.value : each.end]) for each in fields(content, origin) if each.number == number]
    return values[0].decode("utf-8", "replace") if values else ""
