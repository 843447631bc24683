"""Model files that are broken, changed, or read outside their folder: refused with a `ModelError`, never a crash."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.contract import METADATA_KEY  # noqa: E402
from fsd.runtime.engine import Engine, packaged_model  # noqa: E402


def reaching_outside(path: Path, location: str) -> Path:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("location", ["../secret", "{folder}/secret", "link"])
def test_a_model_that_reads_outside_its_folder_is_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "link").symlink_to(tmp_path / "secret")
    model = reaching_outside(folder / "m.onnx", location.format(folder=tmp_path))
    with pytest.raises(ModelError, match=r"m\.onnx"):
        Engine(model)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    content = packaged_model().read_bytes()
    (tmp_path / "m.onnx").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=r"m\.onnx"):
        Engine(tmp_path / "m.onnx")


def test_a_weight_changed_after_the_export_is_refused(tmp_path: Path) -> None:
    from fsd.export.metadata import read_metadata, write_model

    model = onnx.load(packaged_model())
    write_model(model, read_metadata(packaged_model()), tmp_path / "m.onnx")
    Engine(tmp_path / "m.onnx")
    content = bytearray((tmp_path / "m.onnx").read_bytes())
    weight = max(model.graph.initializer, key=lambda entry: len(entry.raw_data)).raw_data
    content[content.index(weight) + len(weight) // 2] ^= 1
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        Engine(tmp_path / "m.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', '{"name": "x"}', "\x00"])
def test_metadata_that_is_no_metadata_is_refused(tmp_path: Path, text: str) -> None:
    model = onnx.load(packaged_model())
    helper.set_model_props(model, {METADATA_KEY: text})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="metadata"):
        Engine(tmp_path / "m.onnx")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model"):
        Engine(tmp_path)
