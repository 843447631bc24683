"""Models with large weights: write them with the weights in a file of their own, without copying them in memory."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from google.protobuf.message import Message
from onnx import TensorProto, external_data_helper

from fsd.data.files import replacing, write_bytes

SERIALISED_LIMIT = 1_500_000_000
"""Bytes above which a model keeps its weights outside: protobuf ends at 2 GiB, and a file must be copied to be read."""

DATA_SUFFIX = ".data"
SMALLEST_OUTSIDE = 1024
"""Bytes of the smallest tensor that is kept outside: shapes and scales stay where tools read them."""

_ALIGNMENT = 4096


def proto_bytes(model: onnx.ModelProto) -> int:
    """Size of a model in memory. Counts tensors one by one: protobuf fails for a message of over 2 GiB."""
    tensors = sum(len(entry.raw_data) or entry.ByteSize() for entry in model.graph.initializer)
    return tensors + sum(node.ByteSize() for node in model.graph.node)


def write_file(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, with the weights in `<path>.data` if they are too large for one file."""
    write_bytes(path, file_content(model, path))


def file_content(model: onnx.ModelProto, path: Path, external: bool = False) -> bytes:
    """Content of a model's file; if `external` or too large for one file, the weights are written to `<path>.data`."""
    if not external and proto_bytes(model) < SERIALISED_LIMIT:
        return model.SerializeToString(deterministic=True)
    data = path.with_name(path.name + DATA_SUFFIX)
    with replacing(data) as unfinished:
        stubs = _write_data(model, unfinished, data.name)
    return stubs.SerializeToString(deterministic=True)


@contextmanager
def temporary_file(model: onnx.ModelProto) -> Iterator[Path]:
    """A file of the model, which is removed after the block."""
    with tempfile.TemporaryDirectory(prefix="fsd-") as folder:
        path = Path(folder, "model.onnx")
        write_file(model, path)
        yield path


def file_sha256(path: Path) -> str:
    """Digest of a file, and of the weights beside it if there are any of its name."""
    digest = hashlib.sha256()
    for part in (path, path.with_name(path.name + DATA_SUFFIX)):
        if part.is_file():
            with part.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def uses_external_data(path: Path) -> bool:
    """Whether a model file keeps tensors in other files."""
    model = onnx.load(path, load_external_data=False)
    return any(external_data_helper.uses_external_data(entry) for entry in model.graph.initializer)


def _write_data(model: onnx.ModelProto, path: Path, location: str) -> onnx.ModelProto:
    """Write the large tensors of a model to a file; returns the model with references to them."""
    stubs = onnx.ModelProto()
    _copy_fields(model, stubs, "graph")
    _copy_fields(model.graph, stubs.graph, "initializer")
    with path.open("wb") as file:
        for entry in model.graph.initializer:
            stub = stubs.graph.initializer.add()
            if len(entry.raw_data) < SMALLEST_OUTSIDE:
                stub.CopyFrom(entry)
                continue
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            _copy_fields(entry, stub, "raw_data")
            stub.data_location = TensorProto.EXTERNAL
            references = {"location": location, "offset": str(file.tell()), "length": str(len(entry.raw_data))}
            for key, value in references.items():
                reference = stub.external_data.add()
                reference.key, reference.value = key, value
            file.write(entry.raw_data)
    return stubs


def _copy_fields(source: Message, target: Message, left_out: str) -> None:
    """Copy all fields of a message but one."""
    for field, value in source.ListFields():
        if field.name == left_out:
            continue
        if hasattr(value, "extend"):
            getattr(target, field.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
