from pathlib import Path

import msgspec
import onnx
import pytest

from fsd.data.errors import ModelError
from fsd.export.metadata import check_origin, load_model, read_metadata, write_model
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import describe
from fsd.networks.weights import weights_sha256


def test_metadata_is_read_back_from_the_file(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, tmp_path: Path
) -> None:
    metadata = describe("tiny", network.config.budget, False, "fp32", "any", "abc")
    write_model(fp32_model, metadata, tmp_path / "m.onnx")
    assert msgspec.structs.replace(read_metadata(tmp_path / "m.onnx"), model_sha256="") == metadata


def test_a_model_without_metadata_is_refused(int8_model: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(int8_model.SerializeToString())
    with pytest.raises(ModelError, match="`fsd`"):
        read_metadata(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"fsd export"):
        read_metadata(tmp_path / "none.onnx")


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="ONNX"):
        read_metadata(tmp_path / "m.onnx")


def with_external_weight(model: onnx.ModelProto, path: Path, location: str) -> Path:
    """The model with one weight that lies elsewhere."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    entry = changed.graph.initializer[0]
    entry.ClearField("raw_data")
    entry.data_location = onnx.TensorProto.EXTERNAL
    entry.external_data.add(key="location", value=location)
    path.write_bytes(changed.SerializeToString())
    return path


@pytest.mark.parametrize("location", ["../x", "/x", "inner/../../x"])
def test_data_outside_the_models_folder_is_refused(fp32_model: onnx.ModelProto, tmp_path: Path, location: str) -> None:
    with pytest.raises(ModelError, match="folder"):
        load_model(with_external_weight(fp32_model, tmp_path / "m.onnx", location))


def test_data_beside_the_model_is_not(fp32_model: onnx.ModelProto, tmp_path: Path) -> None:
    assert load_model(with_external_weight(fp32_model, tmp_path / "m.onnx", "weights.bin")).graph.node


def test_a_changed_weight_does_not_match_the_recorded_digest(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    write_model(fp32_model, describe("tiny", network.config.budget, False, "fp32", "any", "abc"), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        read_metadata(path)


def test_a_model_is_traced_to_its_weights_file(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    write_model(fp32_model, describe("t", network.config.budget, False, "fp32", "any", weights_sha256(weights)), path)
    assert check_origin(path, weights).name == "t"
    (tmp_path / "other").write_bytes(b"other")
    with pytest.raises(ModelError, match="other"):
        check_origin(path, tmp_path / "other")
