from pathlib import Path

import onnx
import pytest

from fsd.data.errors import ModelError
from fsd.export.metadata import read_metadata, write_model
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import describe


def test_metadata_is_read_back_from_the_file(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, tmp_path: Path
) -> None:
    metadata = describe("tiny", network.config.budget, False, "fp32", "any", "abc")
    write_model(fp32_model, metadata, tmp_path / "m.onnx")
    assert read_metadata(tmp_path / "m.onnx") == metadata


def test_a_model_without_metadata_is_refused(int8_model: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(int8_model.SerializeToString())
    with pytest.raises(ModelError, match="carries no `fsd` metadata"):
        read_metadata(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model file .*fsd export"):
        read_metadata(tmp_path / "none.onnx")


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="not an ONNX file"):
        read_metadata(tmp_path / "m.onnx")
