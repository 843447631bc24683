import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsd.export.divergence import (
    FLOAT_LIMIT_DB,
    QUANTIZED_LIMIT_DB,
    SAME_DB,
    TorchModel,
    between_files,
    from_pytorch,
    layer_sqnr_db,
    locate,
)
from fsd.export.network_reference import network_reference
from fsd.export.onnx_runner import MakeFeeds
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork

DAMAGED = "cross_attention.0.output"


@pytest.fixture(scope="module")
def feeds(network: DrivingNetwork, steps: list[TickInput]) -> InputBuffers:
    loaded = InputBuffers(network.config.budget)
    loaded.load(steps[5])
    return loaded


@pytest.fixture(scope="module")
def damaged(fp32_model: onnx.ModelProto) -> onnx.ModelProto:
    """The float model with one layer's weights doubled."""
    model = onnx.ModelProto()
    model.CopyFrom(fp32_model)
    name = next(node for node in model.graph.node if node.name.startswith(f"{DAMAGED}/")).input[1]
    weight = next(entry for entry in model.graph.initializer if entry.name == name)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(2), name))
    return model


def test_the_damaged_layer_is_named_between_two_files(
    fp32_model: onnx.ModelProto, damaged: onnx.ModelProto, feeds: InputBuffers
) -> None:
    found = between_files(fp32_model, damaged, feeds, FLOAT_LIMIT_DB)
    assert found is not None
    assert found.is_first
    assert found.layer.startswith(f"{DAMAGED}/")


def test_the_damaged_layer_is_named_against_pytorch(
    network: DrivingNetwork, damaged: onnx.ModelProto, feeds: InputBuffers
) -> None:
    found = from_pytorch(TorchModel(network, network_reference(network)), damaged, feeds, FLOAT_LIMIT_DB)
    assert found is not None
    assert (found.layer, found.is_first) == (DAMAGED, True)


def test_a_sound_export_has_no_first_layer(
    network: DrivingNetwork, fp32_model: onnx.ModelProto, int8_model: onnx.ModelProto, feeds: InputBuffers
) -> None:
    for found in (
        from_pytorch(TorchModel(network, network_reference(network)), fp32_model, feeds, FLOAT_LIMIT_DB),
        between_files(fp32_model, int8_model, feeds, QUANTIZED_LIMIT_DB),
    ):
        assert found is not None
        assert not found.is_first
        assert found.layer in str(found)


def test_the_sentence_names_tick_and_layer(
    make_feeds: MakeFeeds,
    fp32_model: onnx.ModelProto,
    damaged: onnx.ModelProto,
    steps: list[TickInput],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "m.onnx"
    onnx.save(damaged, path)
    sentence = locate("onnx_int8_unoptimised", 4, make_feeds, fp32_model, {"onnx_int8": path}, [steps[:2], steps[:8]])
    assert "tick 4," in sentence
    assert "cross_attention.0.output/" in sentence


def test_equal_numbers_that_are_not_finite_do_not_diverge() -> None:
    values = np.array([1.0, np.nan, np.inf], np.float32)
    assert layer_sqnr_db(values, values.copy()) == SAME_DB
    assert layer_sqnr_db(values, np.array([1.1, np.nan, np.inf], np.float32)) == pytest.approx(20, abs=0.01)
    assert not layer_sqnr_db(values, np.array([np.nan, np.nan, np.inf], np.float32)) >= FLOAT_LIMIT_DB
