"""Put the model's metadata into its file, and read it back.

Metadata is the last thing written: tools that rewrite a graph drop it.
"""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from fsd.data.errors import ModelError
from fsd.export.onnx_export import serialise
from fsd.networks.contract import METADATA_KEY, ModelMetadata
from fsd.networks.model_metadata import from_properties, to_json


def write_model(model: onnx.ModelProto, metadata: ModelMetadata, path: Path) -> None:
    """Write one self-contained file and read it back; the model given stays as it is.

    Raises:
        ModelError: what was read back is not what was written.
    """
    described = onnx.ModelProto()
    described.CopyFrom(model)
    onnx.helper.set_model_props(described, {METADATA_KEY: to_json(metadata)})
    path.write_bytes(serialise(described))
    if read_metadata(path) != metadata:
        raise ModelError(f"The metadata of {path} did not survive writing.")


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata of a model file.

    Raises:
        ModelError: there is no such file, it is not ONNX, or it carries no metadata that fits.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}. Make one with `fsd export`.") from error
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX file, or is damaged. Export or copy it again.") from error
    return from_properties({entry.key: entry.value for entry in model.metadata_props}, str(path))
