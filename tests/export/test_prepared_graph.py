import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fsd.data.errors import ModelError
from fsd.export.node_choice import choose_nodes
from fsd.export.onnx_export import SCOPES_KEY
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.prepared_graph import name_nodes, opset_of, prepare
from tests.export._small_models import SMALL_MODELS, Builder, SmallModel


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_prepared_graph_computes_the_same(name: str) -> None:
    small = SMALL_MODELS[name]()
    before, after = (OnnxRunner(open_model(each), small.make_feeds) for each in (small.model, prepare(small.model)))
    for step in small.steps(4):
        wanted, found = before.step(step), after.step(step)
        np.testing.assert_allclose(found["plan"], wanted["plan"], rtol=1e-4, atol=1e-5)


def test_every_node_has_a_name_of_its_own() -> None:
    small = SMALL_MODELS["image"]()
    for node in small.model.graph.node:
        node.name = ""
    prepared = prepare(small.model)
    names = [node.name for node in prepared.graph.node]
    assert all(names)
    assert len({*names}) == len(names)
    assert choose_nodes(prepared, ["plan"])


def test_nodes_have_the_names_of_their_modules() -> None:
    small = SMALL_MODELS["history"]()
    for index, node in enumerate(small.model.graph.node):
        node.name = f"node_{node.op_type}_{index}"
        scopes = node.metadata_props.add()
        scopes.key, scopes.value = SCOPES_KEY, "['', 'trunk.first', 'call']"
    name_nodes(small.model)
    assert [node.name for node in small.model.graph.node][:3] == [
        "trunk.first/Conv",
        "trunk.first/Relu",
        "trunk.first/Conv_2",
    ]


def test_an_old_opset_is_converted() -> None:
    b = Builder()
    model = b.model({"x": ((1, 64), "float32")}, {"plan": (b.add("MatMul", "x", b.weights(64, 64)), (1, 64))})
    model.opset_import[0].version = 11
    assert opset_of(prepare(model)) == 17


def test_a_graph_that_does_not_load_is_refused() -> None:
    broken = helper.make_model(
        helper.make_graph(
            [helper.make_node("NoSuchOperator", ["x"], ["y"])],
            "broken",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    with pytest.raises(ModelError, match="NoSuchOperator"):
        prepare(broken)


def test_half_precision_weights_can_be_quantized() -> None:
    b = Builder()
    x = b.add("Relu", b.add("MatMul", "x", b.constant(b.rng.normal(0, 0.1, (64, 64)), np.float16)))
    x = b.add("MatMul", x, b.constant(b.rng.normal(0, 0.1, (64, 64)), np.float16))
    plan = b.add("Cast", x, to=TensorProto.FLOAT)
    model = b.model({"x": ((1, 64), "float16")}, {"plan": (plan, (1, 64))})
    small = SmallModel(model)
    prepared = prepare(model)
    assert [name for name in choose_nodes(prepared, ["plan"]) if "matmul0" in name]
    assert {value.type.tensor_type.elem_type for value in prepared.graph.input} == {TensorProto.FLOAT16}
    assert isinstance(small.model, onnx.ModelProto)
