"""Write a model file with its metadata, and read it back.

Metadata is written last, since tools that rewrite a graph drop it.
"""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import onnx
from google.protobuf.message import DecodeError

from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.export.model_file import file_content
from fsd.export.onnx_export import serialise
from fsd.networks.contract import METADATA_KEY, ModelMetadata
from fsd.networks.export_record import EXPORT_KEY, ExportRecord
from fsd.networks.model_digest import check_digest, model_sha256
from fsd.networks.model_metadata import from_properties, to_json
from fsd.networks.weights import weights_sha256


def write_model(
    model: onnx.ModelProto, metadata: ModelMetadata, path: Path, properties: Mapping[str, str] | None = None
) -> None:
    """Write one self-contained file with its own digest and verify it; does not change `model`.

    Args:
        properties: further texts to store beside the metadata.

    Raises:
        ModelError: the metadata read back differs.
    """
    described = copy.deepcopy(model)
    del described.metadata_props[:]
    metadata = msgspec.structs.replace(metadata, model_sha256=model_sha256(serialise(described), str(path)))
    onnx.helper.set_model_props(described, {METADATA_KEY: to_json(metadata), **(properties or {})})
    write_bytes(path, serialise(described))
    if read_metadata(path) != metadata:
        raise ModelError(f"The metadata read back from {path} differs from what was written. Export again.")


def write_third_party(
    model: onnx.ModelProto,
    record: ExportRecord,
    path: Path,
    properties: Mapping[str, str] | None = None,
    external: bool = False,
) -> None:
    """Write a file of a third-party model with what is known about it; does not change `model`.

    Args:
        properties: metadata of the model itself.
        external: keep the weights in a file beside it.
    """
    kept = list(model.metadata_props)
    del model.metadata_props[:]
    try:
        content = file_content(model, path, external)
    finally:
        model.metadata_props.extend(kept)
    record = msgspec.structs.replace(record, model_sha256=model_sha256(content, str(path)))
    described = onnx.ModelProto()
    text = msgspec.json.encode(record, order="deterministic").decode()
    onnx.helper.set_model_props(described, {**(properties or {}), EXPORT_KEY: text})
    # Serialised messages that follow each other are one message with the fields of both.
    write_bytes(path, content + described.SerializeToString(deterministic=True))


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata of a model file.

    Raises:
        ModelError: the file is missing, not ONNX, changed after its export, or has no valid metadata.
    """
    model = load_model(path)
    metadata = from_properties({entry.key: entry.value for entry in model.metadata_props}, str(path))
    check_digest(path.read_bytes(), metadata.model_sha256, str(path))
    return metadata


def load_model(path: Path) -> onnx.ModelProto:
    """A model file's graph, without reading any other file.

    Raises:
        ModelError: the file is missing, not ONNX, or refers to data outside its folder.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise ModelError(f"There is no readable model file {path}. Make one with `fsd export`.") from error
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX file, or is damaged. Export or copy it again.") from error
    refuse_data_outside(model, path)
    return model


def refuse_data_outside(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a model that refers to weights outside its own folder: it could read any file of this machine.

    Raises:
        ModelError: names the tensor and the location.
    """
    folder = path.resolve().parent
    for tensor in tensors_of(model.graph):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            # Joining replaces the folder by an absolute location; resolving follows `..` and links.
            if not (folder / entry.value).resolve().is_relative_to(folder):
                raise ModelError(
                    f"{path} keeps `{tensor.name}` in {entry.value!r}, outside its folder; it is refused. Put the data "
                    "beside the model, or save the model as one file."
                )


def check_origin(path: Path, weights: Path) -> ModelMetadata:
    """Check that a model file was exported from this weights file; returns its metadata.

    Raises:
        ModelError: it was not, or one of the files cannot be read.
    """
    metadata = read_metadata(path)
    sha256 = weights_sha256(weights)
    if metadata.weights_sha256 != sha256:
        recorded = metadata.weights_sha256 or "none (random weights)"
        raise ModelError(f"{path} was not exported from {weights}: it records weights {recorded}, these are {sha256}.")
    return metadata


def tensors_of(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers, and constants in nodes, subgraphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from tensors_of(inner)
