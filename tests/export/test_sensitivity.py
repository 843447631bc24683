import onnx
import pytest

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.quantize import layers_of, quantize, quantized_nodes
from fsd.export.recipes import RECIPES
from fsd.export.sensitivity import LayerEffect, QuantizationTrial, Sensitivity, choose_float_layers
from fsd.networks.feeds import Step
from fsd.networks.model import DrivingNetwork

BAD_LAYER = "look.0.perceptron.widen"


@pytest.fixture(scope="module")
def trial(
    fp32_model: onnx.ModelProto, calibration: Calibration, network: DrivingNetwork, steps: list[Step]
) -> QuantizationTrial:
    """A network with one layer that quantization ruins: its input was calibrated a thousand times too wide."""
    node = next(node for node in fp32_model.graph.node if node.name.startswith(BAD_LAYER) and "Relu" not in node.name)
    ranges = {**calibration.ranges, node.input[0]: (-1000.0, 1000.0)}
    ruined = Calibration(ranges, calibration.ticks, calibration.clips)
    return QuantizationTrial(fp32_model, ruined, RECIPES["ort-cpu"], network.config.budget, [steps], 6)


def effect(trial: QuantizationTrial, layer: str) -> LayerEffect:
    others = [other for other in trial.layers if other != layer]
    return LayerEffect(layer, trial.distance_m(others), trial.distance_m([layer]))


def test_every_quantized_node_belongs_to_one_layer(fp32_model: onnx.ModelProto) -> None:
    nodes = [node for layer in layers_of(fp32_model).values() for node in layer]
    assert sorted(nodes) == sorted(quantized_nodes(fp32_model))


def test_layers_are_the_networks_modules(fp32_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    modules = dict(network.named_modules())
    assert set(layers_of(fp32_model)) <= set(modules)


def test_a_layer_kept_in_float_has_no_quantizer(fp32_model: onnx.ModelProto, calibration: Calibration) -> None:
    first = next(iter(layers_of(fp32_model)))
    kept = quantize(fp32_model, calibration, RECIPES["ort-cpu"], [first])
    producer = {output: node.op_type for node in kept.graph.node for output in node.output}
    convolution = next(node for node in kept.graph.node if node.name == f"{first}/Conv")
    assert producer.get(convolution.input[1]) != "DequantizeLinear"


def test_the_ruined_layer_stands_out_and_sparing_it_heals_the_plan(trial: QuantizationTrial) -> None:
    bad, sound = effect(trial, BAD_LAYER), effect(trial, "look.0.query")
    assert bad.alone_m > 2 * sound.alone_m
    assert bad.spared_m < trial.distance_m()


def test_the_worst_layers_stay_in_float_until_the_limit_holds(trial: QuantizationTrial) -> None:
    effects = tuple(sorted([effect(trial, BAD_LAYER), effect(trial, "look.0.query")], key=lambda e: -e.alone_m))
    sensitivity = Sensitivity(effects, trial.distance_m(), trial.ticks)
    limit_m = (effects[0].spared_m + sensitivity.all_m) / 2
    kept, left_m = choose_float_layers(trial, sensitivity, limit_m)
    assert kept == [BAD_LAYER]
    assert left_m <= limit_m


def test_a_limit_that_no_mix_holds_is_an_error(trial: QuantizationTrial) -> None:
    sensitivity = Sensitivity((effect(trial, "look.0.query"),), trial.distance_m(), trial.ticks)
    with pytest.raises(ModelError, match="No mix of layers keeps the plan within 1e-09 m"):
        choose_float_layers(trial, sensitivity, 1e-9)


def test_no_ticks_is_an_error(fp32_model: onnx.ModelProto, calibration: Calibration, network: DrivingNetwork) -> None:
    with pytest.raises(ModelError, match="nothing to measure layers on"):
        QuantizationTrial(fp32_model, calibration, RECIPES["trt"], network.config.budget, [[]], 6)
