"""Put the model's metadata into its file, and read it back.

Metadata is the last thing written: tools that rewrite a graph drop it.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import onnx
from google.protobuf.message import DecodeError

from fsd.data.errors import ModelError
from fsd.data.files import write_bytes
from fsd.export.onnx_export import serialise
from fsd.networks.contract import METADATA_KEY, ModelMetadata
from fsd.networks.model_digest import check_digest, model_sha256
from fsd.networks.model_metadata import from_properties, to_json
from fsd.networks.weights import weights_sha256


def write_model(model: onnx.ModelProto, metadata: ModelMetadata, path: Path) -> None:
    """Write one self-contained file, its own digest recorded, and read it back; the model given stays as it is.

    Raises:
        ModelError: what was read back is not what was written.
    """
    described = onnx.ModelProto()
    described.CopyFrom(model)
    del described.metadata_props[:]
    metadata = msgspec.structs.replace(metadata, model_sha256=model_sha256(serialise(described), str(path)))
    onnx.helper.set_model_props(described, {METADATA_KEY: to_json(metadata)})
    write_bytes(path, serialise(described))
    if read_metadata(path) != metadata:
        raise ModelError(f"The metadata of {path} did not survive writing.")


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata of a model file.

    Raises:
        ModelError: there is no such file, it is not ONNX, its content is not what was written, or it carries no
            metadata that fits.
    """
    model = load_model(path)
    metadata = from_properties({entry.key: entry.value for entry in model.metadata_props}, str(path))
    check_digest(path.read_bytes(), metadata.model_sha256, str(path))
    return metadata


def load_model(path: Path) -> onnx.ModelProto:
    """A model file's graph, without reading any other file.

    Raises:
        ModelError: there is no such file, it is not ONNX, or it wants data from outside its folder.
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
    """Refuse a model whose weights lie outside its own folder: it could read any file of this machine.

    Raises:
        ModelError: names the tensor and the place.
    """
    folder = path.resolve().parent
    for tensor in _tensors(model.graph):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            # Joined, an absolute location replaces the folder; resolved, `..` and links show where they lead.
            if not (folder / entry.value).resolve().is_relative_to(folder):
                raise ModelError(
                    f"{path} keeps `{tensor.name}` in {entry.value!r}, outside its folder; it is refused. Put the data "
                    "beside the model, or save the model as one file."
                )


def check_origin(path: Path, weights: Path) -> ModelMetadata:
    """Whether a model file was exported from this weights file.

    Raises:
        ModelError: it was not, or one of both cannot be read.
    """
    metadata = read_metadata(path)
    sha256 = weights_sha256(weights)
    if metadata.weights_sha256 != sha256:
        recorded = metadata.weights_sha256 or "none (random weights)"
        raise ModelError(f"{path} was not exported from {weights}: it records weights {recorded}, these are {sha256}.")
    return metadata


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers, and constants in nodes, subgraphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)
