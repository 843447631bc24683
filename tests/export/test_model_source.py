"""What `fsd export MODEL` reads, and the one line that it gives for everything that it cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from fsd.data.errors import ModelError
from fsd.export.model_source import LoadedModel, kind_of, load_source
from fsd.export.onnx_export import tensor_shapes
from fsd.export.onnx_file import check_runs, read_onnx

WEIGHTS = np.arange(16, dtype=np.float32).reshape(4, 4)
FUNCTIONS = """
import torch
from torch import nn

class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRUCell(4, 8), nn.Linear(8, 2)

    def forward(self, view, hidden):
        hidden = self.gru(view, hidden)
        return {"path": self.head(hidden), "hidden_out": hidden}

class Several(nn.Module):
    def forward(self, view, state):
        return view, (state[0] + 1, state[1] * 2)

class Loop(nn.Module):
    def forward(self, view):
        return view * 2 if view.sum() > 0 else view

def cell():
    torch.manual_seed(0)
    return Cell(), {"hidden": torch.zeros(1, 8), "view": torch.zeros(1, 4)}

def bare(): return Cell()
def positions(): return Cell(), (torch.zeros(1, 4), torch.zeros(1, 8))
def too_many(): return Cell(), [torch.zeros(1)] * 3
def several(): return Several(), {"view": torch.zeros(2), "state": (torch.zeros(3), torch.zeros(3))}
def loop(): return Loop(), {"view": torch.zeros(2)}
def misnamed(): return Cell(), {"view": torch.zeros(1, 4), "memory": torch.zeros(1, 8)}
def raises(): raise FileNotFoundError("no checkpoint")
def number(): return 3
"""


def multiply(
    opset: int = 20, ir: int = 10, dtype: int = TensorProto.FLOAT, batch: int | str = 1, operator: str = "MatMul"
) -> onnx.ModelProto:
    domain, _, name = operator.rpartition(".")
    weights = numpy_helper.from_array(WEIGHTS, "w")
    if dtype != TensorProto.FLOAT:
        weights = helper.make_tensor("w", dtype, (4, 4), WEIGHTS.ravel().tolist())
    graph = helper.make_graph(
        [helper.make_node(name, ["x", "w"], ["y"], domain=domain)],
        "multiply",
        [helper.make_tensor_value_info("x", dtype, [batch, 4])],
        [helper.make_tensor_value_info("y", dtype, [batch, 4])],
        [weights],
    )
    domains = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=domains, ir_version=ir)


def save_apart(folder: Path) -> Path:
    """A file with its weights beside it."""
    path = folder / "model.onnx"
    onnx.save(multiply(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    return path


def refuse_location(path: Path, location: str) -> None:
    model = onnx.load(path, load_external_data=False)
    next(entry for entry in model.graph.initializer[0].external_data if entry.key == "location").value = location
    onnx.save(model, path)


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A module in the current folder."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions_of_test.py").write_text(FUNCTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield "functions_of_test"


@pytest.fixture(scope="module")
def cell(functions: str) -> LoadedModel:
    return load_source(f"{functions}:cell")


def test_a_file_with_weights_beside_it_becomes_one_model(tmp_path: Path) -> None:
    source = load_source(str(save_apart(tmp_path)))
    assert source.name == "model"
    assert source.torch is None
    np.testing.assert_array_equal(numpy_helper.to_array(source.model.graph.initializer[0]), WEIGHTS)


def test_free_axes_take_the_given_shape_and_so_do_others_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(multiply(batch="batch"), path)
    assert tensor_shapes(read_onnx(path, {"x": (3, 4)}).graph.output) == {"y": ((3, 4), "float32")}
    with pytest.raises(ModelError, match=r"`shapes`"):
        read_onnx(path)
    with pytest.raises(ModelError, match="5"):
        read_onnx(path, {"x": (1, 5)})
    with pytest.raises(ModelError, match="2 axes"):
        read_onnx(path, {"x": (1, 4, 1)})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda path: path.with_name("model.onnx.data").unlink(), r"model\.onnx\.data.* missing"),
        (lambda path: path.with_name("model.onnx.data").write_bytes(b"1234"), "truncated"),
        (lambda path: path.with_name("model.onnx.data").write_bytes(b"version https://git-lfs.git"), "git lfs pull"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"), "git lfs pull"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged|not an ONNX"),
        (lambda path: path.unlink(), "no model file"),
        (lambda path: refuse_location(path, "/etc/hostname"), "outside its folder"),
        (lambda path: refuse_location(path, "../model.onnx.data"), "outside its folder"),
        (lambda path: onnx.save(multiply(ir=99), path), "IR version 99.*newer onnxruntime"),
        (lambda path: onnx.save(multiply(opset=99), path), "opset 99.*newer onnxruntime"),
        (lambda path: onnx.save(multiply(dtype=TensorProto.BFLOAT16), path), "float32"),
        (lambda path: onnx.save(multiply(operator="acme.Fold"), path), "acme:Fold"),
        (lambda path: onnx.save(multiply(operator="Fold"), path), "Fold"),
    ],
)
def test_a_file_that_cannot_be_used_gives_one_line_with_the_way_out(
    tmp_path: Path, change: Callable[[Path], object], named: str
) -> None:
    path = save_apart(tmp_path)
    change(path)
    with pytest.raises(ModelError, match=named) as caught:
        load_source(str(path))
    assert "\n" not in str(caught.value)


def test_a_model_that_loads_but_cannot_run_names_the_operator(tmp_path: Path) -> None:
    model = multiply()
    model.graph.initializer.append(numpy_helper.from_array(np.array([3, 3]), "shape"))
    model.graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["z"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    with pytest.raises(ModelError, match="Reshape"):
        check_runs(model, {"x": np.zeros((1, 4), np.float32)}, "model.onnx")
    good = check_runs(multiply(), {"x": np.ones((1, 4), np.float32)}, "model.onnx")
    np.testing.assert_array_equal(good["y"][0], WEIGHTS.sum(0))


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("net.pt", "torch.export.save"),
        ("net.pth", "module"),
        ("net.ckpt", "pickle"),
        ("net.engine", "ONNX file"),
        ("net.tflite", "tf2onnx"),
        ("net.pb", "tf2onnx"),
        ("net.h5", "tf2onnx"),
        ("net.mlmodel", "ONNX"),
        ("net.torchscript", "torch.export.save"),
        ("net", "module:function"),
    ],
)
def test_a_format_without_a_graph_is_refused_with_what_to_do_instead(name: str, instead: str) -> None:
    with pytest.raises(ModelError, match=instead):
        kind_of(name)


def test_a_function_gives_a_graph_with_its_own_names_and_the_module_beside_it(cell: LoadedModel) -> None:
    source = cell
    assert tensor_shapes(source.model.graph.input) == {"view": ((1, 4), "float32"), "hidden": ((1, 8), "float32")}
    assert list(tensor_shapes(source.model.graph.output)) == ["path", "hidden_out"]
    assert "head/Gemm" in [node.name for node in source.model.graph.node]
    assert str(Path.cwd()).encode() not in source.model.graph.SerializeToString()
    assert source.torch is not None
    inputs = {"view": np.full((1, 4), 0.5, np.float32), "hidden": np.full((1, 8), 0.25, np.float32)}
    expected = source.torch.run(inputs)
    came = check_runs(source.model, inputs, "graph")
    assert {name: value.shape for name, value in expected.items()} == {"path": (1, 2), "hidden_out": (1, 8)}
    for name, value in expected.items():
        np.testing.assert_allclose(came[name], value, atol=1e-6)


def test_a_saved_program_gives_the_same_graph_as_the_function(cell: LoadedModel, tmp_path: Path) -> None:
    source = cell
    assert source.torch is not None
    torch.export.save(source.torch.program, tmp_path / "cell.pt2")
    saved = load_source(str(tmp_path / "cell.pt2"))
    assert saved.model == source.model
    inputs = {"view": np.ones((1, 4), np.float32), "hidden": np.ones((1, 8), np.float32)}
    assert saved.torch is not None
    np.testing.assert_array_equal(saved.torch.run(inputs)["path"], source.torch.run(inputs)["path"])
    (tmp_path / "cell.pt2").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"torch\.export\.save"):
        load_source(str(tmp_path / "cell.pt2"))


def test_nested_inputs_and_outputs_are_named_by_their_place(functions: str) -> None:
    source = load_source(f"{functions}:several")
    assert list(tensor_shapes(source.model.graph.input)) == ["view", "state_0", "state_1"]
    assert list(tensor_shapes(source.model.graph.output)) == ["output_0", "output_1_0", "output_1_1"]


def test_an_example_may_follow_the_order_of_the_arguments(functions: str) -> None:
    source = load_source(f"{functions}:positions")
    assert list(tensor_shapes(source.model.graph.input).items()) == list(
        tensor_shapes(load_source(f"{functions}:cell").model.graph.input).items()
    )


def test_the_example_of_the_adapter_stands_in_for_a_missing_one(functions: str) -> None:
    example = {"view": np.zeros((1, 4), np.float32), "hidden": np.zeros((1, 8), np.float32)}
    assert list(tensor_shapes(load_source(f"{functions}:bare", example=example).model.graph.input)) == [
        "view",
        "hidden",
    ]


@pytest.mark.parametrize(
    ("function", "named"),
    [
        ("bare", "no example inputs"),
        ("misnamed", "memory"),
        ("too_many", "forward. takes view, hidden, and the example inputs are 3 in a list"),
        ("raises", r"FileNotFoundError: no checkpoint \(functions_of_test\.py, line \d+\)"),
        ("number", "returned int"),
        ("absent", "it has cell, bare"),
        ("loop", "cannot be traced"),
    ],
)
def test_a_function_that_gives_no_model_is_named_with_the_reason(functions: str, function: str, named: str) -> None:
    with pytest.raises(ModelError, match=named) as caught:
        load_source(f"{functions}:{function}")
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no_such_module"):
        load_source("no_such_module:load")
