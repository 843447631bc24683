from collections.abc import Iterable
from dataclasses import replace

import onnx
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration
from fsd.export.network_nodes import quantized_nodes
from fsd.export.node_choice import layers_of, macs_of
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.export.sensitivity import LayerEffect, QuantizationTrial, Sensitivity, choose_float_layers
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork

BAD_LAYER = "cross_attention.0.perceptron.widen"


@pytest.fixture(scope="module")
def trial(
    fp32_model: onnx.ModelProto, calibration: Calibration, make_feeds: MakeFeeds, steps: list[TickInput]
) -> QuantizationTrial:
    """A network with one layer that quantization ruins: its input was calibrated a thousand times too wide."""
    node = next(node for node in fp32_model.graph.node if node.name.startswith(BAD_LAYER) and "Relu" not in node.name)
    ranges = {**calibration.ranges, node.input[0]: (-1000.0, 1000.0)}
    ruined = replace(calibration, ranges=ranges)
    nodes = quantized_nodes(fp32_model)
    return QuantizationTrial(fp32_model, nodes, ruined, RECIPES["ort-cpu"], make_feeds, TrajectoryMeasure(), [steps], 6)


def effect(trial: QuantizationTrial, layer: str) -> LayerEffect:
    others = [other for other in trial.layers if other != layer]
    return LayerEffect(layer, trial.distance_m(others), trial.distance_m([layer]))


def test_every_quantized_node_belongs_to_one_layer(fp32_model: onnx.ModelProto) -> None:
    nodes = [node for layer in layers_of(fp32_model, quantized_nodes(fp32_model)).values() for node in layer]
    assert sorted(nodes) == sorted(quantized_nodes(fp32_model))


def test_layers_are_the_networks_modules(fp32_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    modules = dict(network.named_modules())
    assert set(layers_of(fp32_model, quantized_nodes(fp32_model))) <= set(modules)


def test_a_layer_kept_in_float_has_no_quantizer(fp32_model: onnx.ModelProto, calibration: Calibration) -> None:
    first = next(iter(layers_of(fp32_model, quantized_nodes(fp32_model))))
    kept = quantize(fp32_model, quantized_nodes(fp32_model), calibration, RECIPES["ort-cpu"], [first])
    producer = {output: node.op_type for node in kept.graph.node for output in node.output}
    convolution = next(node for node in kept.graph.node if node.name == f"{first}/Conv")
    assert producer.get(convolution.input[1]) != "DequantizeLinear"


def test_the_ruined_layer_stands_out_and_sparing_it_heals_the_plan(trial: QuantizationTrial) -> None:
    bad, sound = effect(trial, BAD_LAYER), effect(trial, "cross_attention.0.query")
    assert bad.alone_m > 2 * sound.alone_m
    assert bad.spared_m < trial.distance_m()


def test_the_ruined_layer_stays_in_float_until_the_limit_holds(trial: QuantizationTrial) -> None:
    effects = (effect(trial, BAD_LAYER), effect(trial, "cross_attention.0.query"))
    sensitivity = Sensitivity(effects, trial.distance_m(), trial.ticks)
    limit_m = (effects[0].spared_m + sensitivity.all_m) / 2
    kept, left_m = choose_float_layers(trial, sensitivity, limit_m)
    assert kept == [BAD_LAYER]
    assert left_m <= limit_m


def test_a_limit_that_no_mix_holds_is_an_error(trial: QuantizationTrial) -> None:
    sensitivity = Sensitivity((effect(trial, "cross_attention.0.query"),), trial.distance_m(), trial.ticks)
    with pytest.raises(ModelError, match="1e-09 m"):
        choose_float_layers(trial, sensitivity, 1e-9)


class AddingUp(QuantizationTrial):
    """Errors of the layers add up as squares: three layers, of which the last costs most to leave in float."""

    def __init__(self, model: onnx.ModelProto, lost_m: dict[str, float]) -> None:
        self.model, self.lost_m, self.nodes = model, lost_m, quantized_nodes(model)
        self.layers = list(layers_of(model, self.nodes))

    def distance_m(self, keep_float: Iterable[str] = ()) -> float:
        kept = set(keep_float)
        return float(sum(lost_m**2 for layer, lost_m in self.lost_m.items() if layer not in kept) ** 0.5)

    def sensitivity(self) -> Sensitivity:
        return Sensitivity(
            tuple(LayerEffect(layer, lost_m, self.distance_m([layer])) for layer, lost_m in self.lost_m.items()),
            self.distance_m(),
            1,
        )


CHEAP, MIDDLING, DEAR = "cross_attention.0.query", "joint_blocks.0.query", "retina.trunk.1.second.1"


@pytest.mark.parametrize(
    ("lost_m", "limit_m", "chosen"),
    [
        ({CHEAP: 0.02, MIDDLING: 0.01, DEAR: 0.03}, 0.032, [CHEAP]),  # the worst layer costs a tenth of the network
        ({CHEAP: 0.02, MIDDLING: 0.02, DEAR: 0.02}, 0.03, [CHEAP]),
        ({CHEAP: 0.02, MIDDLING: 0.02, DEAR: 0.02}, 0.021, [CHEAP, MIDDLING]),
        ({CHEAP: 0.01, MIDDLING: 0.01, DEAR: 0.09}, 0.02, [DEAR]),  # the only one that reaches the limit
        ({CHEAP: 0.01, MIDDLING: 0.01, DEAR: 0.01}, 0.1, []),
    ],
)
def test_layers_are_chosen_by_what_they_gain_for_what_they_cost(
    fp32_model: onnx.ModelProto, lost_m: dict[str, float], limit_m: float, chosen: list[str]
) -> None:
    trial = AddingUp(fp32_model, lost_m)
    kept, left_m = choose_float_layers(trial, trial.sensitivity(), limit_m)
    assert kept == chosen
    assert left_m == trial.distance_m(chosen) <= limit_m


def test_layers_that_make_it_worse_are_not_left_in_float(fp32_model: onnx.ModelProto) -> None:
    class Worsening(AddingUp):
        def distance_m(self, keep_float: Iterable[str] = ()) -> float:
            return 0.05 + 0.01 * len(set(keep_float))

    trial = Worsening(fp32_model, {CHEAP: 0.01, DEAR: 0.01})
    with pytest.raises(ModelError, match="--mixed"):
        choose_float_layers(trial, trial.sensitivity(), 0.04)


def test_layers_cost_what_pytorch_counts(fp32_model: onnx.ModelProto, network: DrivingNetwork) -> None:
    macs = macs_of(fp32_model, quantized_nodes(fp32_model))
    with FlopCounterMode(display=False) as counter:
        network(
            **{
                name: torch.zeros((1, *shape), dtype=getattr(torch, kind))
                for name, (shape, kind) in input_shapes(network.config.budget).items()
            }
        )
    counted = counter.get_flop_counts()
    for layer in ("retina.to_token", "patch.to_token", "cross_attention.0.query"):
        assert macs[layer] == sum(counted[f"DrivingNetwork.{layer}"].values()) / 2
    trunk = sum(count for layer, count in macs.items() if layer.startswith("retina.trunk"))
    assert trunk == sum(counted["DrivingNetwork.retina.trunk"].values()) / 2


def test_no_ticks_is_an_error(fp32_model: onnx.ModelProto, calibration: Calibration, make_feeds: MakeFeeds) -> None:
    with pytest.raises(ModelError, match="--data"):
        QuantizationTrial(fp32_model, (), calibration, RECIPES["trt"], make_feeds, TrajectoryMeasure(), [[]], 6)
