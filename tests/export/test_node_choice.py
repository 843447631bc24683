import numpy as np
import pytest

from fsd.data.errors import ModelError, UsageError
from fsd.export.node_choice import choose_nodes, layers_of
from fsd.export.prepared_graph import prepare
from tests.export._small_models import SMALL_MODELS, Builder, SmallModel


def chosen(name: str, **patterns: tuple[str, ...]) -> list[str]:
    small = SMALL_MODELS[name]()
    return choose_nodes(prepare(small.model), [small.plan], **patterns)


def kinds(names: list[str]) -> list[str]:
    return [name.rpartition("/")[2].split("_")[0] for name in names]


def test_the_last_layer_before_the_plan_stays_in_float() -> None:
    for name in SMALL_MODELS:
        assert not [node for node in chosen(name) if node.startswith("/head")]


def test_gates_are_quantized_and_the_state_update_is_not() -> None:
    assert set(kinds(chosen("recurrent"))) <= {"Gemm", "MatMul", "MatMulAddFusion"}
    assert len(chosen("recurrent")) == 3


def test_products_of_two_activations_and_softmax_stay_in_float() -> None:
    assert set(kinds(chosen("attention"))) <= {"MatMul", "Gemm", "MatMulAddFusion"}
    assert len(chosen("attention")) == 5  # query, key, value, output and the first layer of the perceptron


def test_sums_and_poolings_between_convolutions_come_along() -> None:
    found = kinds(chosen("image"))
    assert found.count("Conv") == 4
    assert {"Add", "MaxPool", "Relu"} <= {*found}
    assert "GlobalAveragePool" not in found  # leads to the head


def test_patterns_add_and_take_out_nodes() -> None:
    assert "/head/Gemm" in chosen("image", include=("/head",))
    assert not [node for node in chosen("image", exclude=("*conv*",), include=("/head/*",)) if "conv" in node]


def test_a_graph_with_heads_alone_has_nothing_to_quantize() -> None:
    b = Builder()
    model = b.model({"x": ((1, 64), "float32")}, {"plan": (b.add("MatMul", "x", b.weights(64, 64)), (1, 64))})
    with pytest.raises(ModelError, match="--include"):
        choose_nodes(model, ["plan"])
    with pytest.raises(UsageError, match="--include"):
        choose_nodes(model, ["plan"], include=("other",))
    assert choose_nodes(model, ["plan"], include=("*MatMul",)) == ["/matmul0/MatMul"]


def test_weights_shared_with_a_float_node_stay_in_float() -> None:
    b = Builder()
    table = b.weights(64, 64)
    x = b.add("Relu", b.add("MatMul", "x", table))
    x = b.add("Relu", b.add("MatMul", x, b.weights(64, 64)))
    x = b.add("MatMul", x, table)  # the head: float
    model = b.model({"x": ((1, 64), "float32")}, {"plan": (x, (1, 64))})
    assert choose_nodes(model, ["plan"]) == ["/matmul2/MatMul"]


def test_nodes_that_share_weights_are_one_layer() -> None:
    b = Builder()
    shared = b.weights(64, 64)
    x = b.add("Relu", b.add("MatMul", b.add("Relu", b.add("MatMul", "x", shared)), shared))
    model = b.model({"x": ((1, 64), "float32")}, {"plan": (b.add("MatMul", x, b.weights(64, 64)), (1, 64))})
    layers = layers_of(model, choose_nodes(model, ["plan"]))
    assert layers == {"/matmul0": ["/matmul0/MatMul", "/matmul2/MatMul"]}


def test_batch_norm_is_folded_before_the_choice() -> None:
    b = Builder()
    x = b.add("Conv", "x", b.weights(8, 3, 3, 3))
    scale, shift, mean, variance = (b.constant(np.full(8, value)) for value in (2.0, 0.1, 0.3, 1.0))
    x = b.add("Relu", b.add("BatchNormalization", x, scale, shift, mean, variance))
    x = b.add("Conv", x, b.weights(4, 8, 3, 3))
    small = SmallModel(b.model({"x": ((1, 3, 8, 8), "float32")}, {"plan": (x, (1, 4, 4, 4))}))
    graph = prepare(small.model)
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    assert kinds(choose_nodes(graph, ["plan"])) == ["Conv", "Relu"]
