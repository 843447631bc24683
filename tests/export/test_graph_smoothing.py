import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsd.data.errors import ModelError
from fsd.export.graph_smoothing import measure_scales, smooth
from fsd.export.node_choice import choose_nodes
from fsd.export.onnx_runner import OnnxRunner, open_model
from tests.export._small_models import SMALL_MODELS, Builder, SmallModel, cached_attention


def decomposed_norm() -> SmallModel:
    """A norm of single operators, which two layers read."""
    b = Builder(8)
    centred = b.add("Sub", "x", b.add("ReduceMean", "x", axes=[-1]))
    spread = b.add("Sqrt", b.add("ReduceMean", b.add("Mul", centred, centred), axes=[-1]))
    scale = np.ones(64)
    scale[3] = 30.0
    norm = b.add("Mul", b.add("Div", centred, spread), b.constant(scale))
    norm = b.add("Add", norm, b.constant(np.zeros(64)), name="/norm/Add")
    first, second = (b.add("Relu", b.add("MatMul", norm, b.weights(64, 64))) for _ in range(2))
    plan = b.add("MatMul", b.add("Add", first, second), b.weights(64, 16))
    return SmallModel(b.model({"x": ((1, 4, 64), "float32")}, {"plan": (plan, (1, 4, 16))}))


@pytest.mark.parametrize(("make", "large"), [(cached_attention, 5), (decomposed_norm, 3)])
def test_large_channels_shrink_and_the_function_stays(make: type[SmallModel], large: int) -> None:
    small = make()
    nodes = choose_nodes(small.model, [small.plan])
    scales = measure_scales(small.model, small.make_feeds, [small.steps(8)], nodes)
    assert [*scales] == ["/norm"]
    assert scales["/norm"][large] > 2.5 * np.median(np.delete(scales["/norm"], large))
    smoothed = onnx.ModelProto()
    smoothed.CopyFrom(small.model)
    smooth(smoothed, scales, nodes)
    before, after = (OnnxRunner(open_model(model), small.make_feeds) for model in (small.model, smoothed))
    for step in small.steps(6):
        np.testing.assert_allclose(after.step(step)["plan"], before.step(step)["plan"], rtol=1e-3, atol=1e-4)


def test_a_norm_that_another_node_reads_is_left_alone() -> None:
    b = Builder()
    norm = b.add("LayerNormalization", "x", b.constant(np.ones(64)), b.constant(np.zeros(64)))
    x = b.add("Relu", b.add("MatMul", norm, b.weights(64, 64)))
    x = b.add("MatMul", b.add("Add", x, norm), b.weights(64, 64))
    small = SmallModel(b.model({"x": ((1, 64), "float32")}, {"plan": (x, (1, 64))}))
    assert measure_scales(small.model, small.make_feeds, [small.steps(4)], choose_nodes(small.model, ["plan"])) == {}


def test_a_vector_that_two_norms_share_is_divided_for_one_alone() -> None:
    b = Builder()
    shared, shift = b.constant(np.ones(64)), b.constant(np.zeros(64))
    x = "x"
    for _ in range(2):
        x = b.add("LayerNormalization", x, shared, shift)
        x = b.add("Relu", b.add("MatMul", x, b.weights(64, 64)))
    small = SmallModel(b.model({"x": ((1, 64), "float32")}, {"plan": (b.add("MatMul", x, b.weights(64, 8)), (1, 8))}))
    nodes = choose_nodes(small.model, ["plan"])
    wanted = OnnxRunner(open_model(small.model), small.make_feeds).step(small.steps(1)[0])["plan"]
    smooth(small.model, measure_scales(small.model, small.make_feeds, [small.steps(4)], nodes), nodes)
    found = OnnxRunner(open_model(small.model), small.make_feeds).step(small.steps(1)[0])["plan"]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    assert len({numpy_helper.to_array(entry).tobytes() for entry in small.model.graph.initializer}) > 5


def test_scales_of_another_model_are_refused() -> None:
    small = SMALL_MODELS["attention"]()
    with pytest.raises(ModelError, match="--calibration"):
        smooth(small.model, {"/norm": [1.0, 2.0]}, choose_nodes(small.model, ["plan"]))
