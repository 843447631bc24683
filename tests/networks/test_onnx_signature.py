"""Inputs and outputs read from a file are those that ONNX Runtime states."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.onnx_session import open_session, session_signature  # noqa: E402
from fsd.networks.onnx_signature import file_signatures  # noqa: E402
from fsd.runtime.engine import packaged_model  # noqa: E402


def save(path: Path, output: Any, ir_version: int = 10, **options: Any) -> Path:
    """image (free, 3, 4) float16, index () int64, mask (2,) bool and flag uint8 -> y (free, 3, 4)."""
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT16, ["batch", 3, 4]),
        helper.make_tensor_value_info("index", TensorProto.INT64, []),
        helper.make_tensor_value_info("mask", TensorProto.BOOL, [2]),
    ]
    weight = numpy_helper.from_array(np.ones((3, 4), np.float16), "weight")
    if ir_version < 4:
        inputs.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT16, [3, 4]))
    graph = helper.make_graph([helper.make_node("Add", ["image", "weight"], ["y"])], "g", inputs, [output], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=ir_version)
    onnx.save(model, path, **options)
    return path


OUTPUT = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["batch", 3, 4])


def stated(model: Path) -> tuple[Any, Any]:
    session = open_session(model)
    return session_signature(session.get_inputs()), session_signature(session.get_outputs())


@pytest.mark.parametrize("ir_version", [3, 10])
def test_they_are_those_of_the_runtime(tmp_path: Path, ir_version: int) -> None:
    model = save(tmp_path / "m.onnx", OUTPUT, ir_version)
    inputs, outputs = stated(model)
    inputs.pop("weight", None)  # the runtime lists weights as inputs before IR version 4
    assert file_signatures(model) == (inputs, outputs)
    assert set(inputs) == {"image", "index", "mask"}


def test_those_of_the_packaged_network_are_the_same() -> None:
    assert file_signatures(packaged_model()) == stated(packaged_model())


def test_sizes_of_an_output_that_only_follow_from_the_graph_are_found(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["batch", "Addy_dim_1", "Addy_dim_2"])
    assert file_signatures(save(tmp_path / "m.onnx", output))[1] == {"y": ((-1, 3, 4), "float16")}


def test_weights_beside_the_file_are_not_needed(tmp_path: Path) -> None:
    options = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0}
    model = save(tmp_path / "m.onnx", OUTPUT, **options)
    (tmp_path / "m.data").unlink()
    assert file_signatures(model)[1] == {"y": ((-1, 3, 4), "float16")}


def test_a_shape_that_the_file_leaves_out_is_inferred(tmp_path: Path) -> None:
    model = save(tmp_path / "m.onnx", helper.make_tensor_value_info("y", TensorProto.FLOAT16, None))
    assert file_signatures(model)[1] == stated(model)[1]


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x3a\xff\xff"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError):
        file_signatures(tmp_path / "m.onnx")
