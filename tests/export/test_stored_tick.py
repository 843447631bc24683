import base64
import zlib
from pathlib import Path

import msgspec
import onnx
import pytest
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.networks import stored_tick
from fsd.networks.contract import METADATA_KEY
from fsd.networks.model_digest import model_sha256
from fsd.networks.model_metadata import from_properties, to_json
from fsd.networks.onnx_session import open_session
from fsd.runtime.engine import Engine


def properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def written(model: onnx.ModelProto, path: Path, texts: dict[str, str]) -> Path:
    """A model file with these properties, and its digest among them brought up to date."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    metadata = from_properties(texts, "model")
    sha256 = model_sha256(bare.SerializeToString(), "model")
    texts = {**texts, METADATA_KEY: to_json(msgspec.structs.replace(metadata, model_sha256=sha256))}
    onnx.helper.set_model_props(bare, texts)
    path.write_bytes(bare.SerializeToString())
    return path


def difference(path: Path) -> float | None:
    session = open_session(path)
    return stored_tick.difference(session, from_properties(session.get_modelmeta().custom_metadata_map, "model"), "")


def test_this_machine_computes_the_stored_tick_of_an_exported_file(int8_file: Path) -> None:
    assert Engine(int8_file).metadata.pair_safe
    found = difference(int8_file)
    assert found is not None
    assert found < stored_tick.LIMIT / 2


def test_a_machine_that_computes_otherwise_is_refused(int8_file: Path, tmp_path: Path) -> None:
    model = onnx.load(int8_file)
    texts = properties(model)
    # Stands for such a machine: weights that are not those whose memory was stored.
    for entry in model.graph.initializer:
        if entry.data_type == onnx.TensorProto.INT8 and entry.dims:
            entry.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(entry) // 2, entry.name))
    path = written(model, tmp_path / "otherwise.onnx", texts)
    with pytest.raises(ModelError, match=r"This machine \(.+\) computes .* wrongly"):
        Engine(path)


@pytest.mark.parametrize(
    "text", ["not base64!", base64.b64encode(b"no zlib").decode(), base64.b64encode(zlib.compress(b"\x81")).decode()]
)
def test_a_damaged_stored_tick_is_refused(text: str, int8_file: Path, tmp_path: Path) -> None:
    model = onnx.load(int8_file)
    path = written(model, tmp_path / "damaged.onnx", {**properties(model), stored_tick.PROPERTY_KEY: text})
    with pytest.raises(ModelError, match=r"stored tick .* is damaged"):
        Engine(path)


def test_a_file_without_a_stored_tick_is_accepted(int8_file: Path, tmp_path: Path) -> None:
    model = onnx.load(int8_file)
    texts = {key: text for key, text in properties(model).items() if key != stored_tick.PROPERTY_KEY}
    path = written(model, tmp_path / "without.onnx", texts)
    assert difference(path) is None
    Engine(path)
