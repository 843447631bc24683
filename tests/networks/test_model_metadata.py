import msgspec
import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.errors import ModelError
from fsd.networks.contract import METADATA_KEY, ModelMetadata, TensorSpec
from fsd.networks.model_metadata import describe, from_properties, to_json

METADATA = describe("b100", BUDGETS["B100"], trained=False, precision="int8", target="ort-cpu", weights_sha256="ab")


def read(metadata: ModelMetadata) -> ModelMetadata:
    return from_properties({METADATA_KEY: to_json(metadata)}, "model.onnx")


def test_metadata_survives_json() -> None:
    assert read(METADATA) == METADATA
    assert METADATA.budget == BUDGETS["B100"]


def test_a_file_without_metadata_is_refused() -> None:
    with pytest.raises(ModelError, match=r"model\.onnx.*`fsd`.*fsd export"):
        from_properties({}, "model.onnx")


def test_metadata_that_is_no_json_is_refused() -> None:
    with pytest.raises(ModelError, match="`fsd`"):
        from_properties({METADATA_KEY: "{"}, "model.onnx")


def test_other_cameras_are_named() -> None:
    with pytest.raises(ModelError, match=r"cameras \('left',\).*\('front_main'"):
        read(msgspec.structs.replace(METADATA, cameras=("left",)))


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(ModelError, match=r"version 99"):
        read(msgspec.structs.replace(METADATA, version=99))


def test_a_missing_input_is_named() -> None:
    inputs = {name: spec for name, spec in METADATA.inputs.items() if name != "ego"}
    with pytest.raises(ModelError, match=r"input.*\bego\b"):
        read(msgspec.structs.replace(METADATA, inputs=inputs))


def test_another_shape_is_reported_with_both_shapes() -> None:
    outputs = {**METADATA.outputs, "new_k": TensorSpec((16, 32), "float32")}
    with pytest.raises(ModelError, match=r"`new_k`.*float32\[16, 32\].*float32\[16, 64\]"):
        read(msgspec.structs.replace(METADATA, outputs=outputs))


def test_an_impossible_budget_is_refused() -> None:
    text = to_json(METADATA).replace('"patch_count":58', '"patch_count":0')
    with pytest.raises(ModelError, match="budget"):
        from_properties({METADATA_KEY: text}, "model.onnx")
