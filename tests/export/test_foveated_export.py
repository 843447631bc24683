"""Files of a network with a fovea and hypotheses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fsd.compression.budget import FOVEATED_BUDGETS
from fsd.data.errors import ModelError
from fsd.export.config import ExportConfig
from fsd.export.export import export, load_network
from fsd.export.network_nodes import quantized_nodes
from fsd.export.node_choice import node_macs
from fsd.export.onnx_export import export_onnx, tensor_shapes
from fsd.export.steps import Exported
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import input_shapes, output_shapes
from fsd.networks.input_buffers import InputBuffers
from fsd.networks.weights import save_weights, untrained, with_budget
from fsd.runtime.engine import Engine
from fsd.runtime.plan import Plan
from tests.networks._tiny import TINY, TINY_FOVEATED

BUDGET = TINY_FOVEATED.budget
NETWORK = untrained(TINY_FOVEATED)
HYPOTHESES = 10


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("foveated")
    save_weights(NETWORK, folder / "weights.safetensors", trained=False)
    config = ExportConfig(weights=folder / "weights.safetensors", out=folder / "out", half=True, parity_ticks=12)
    return export(config, clips=[list(synthetic_steps(BUDGET, 12, seed=3))])


@pytest.fixture(scope="module")
def graph(exported: Exported) -> onnx.ModelProto:
    return onnx.load(exported.fp32)


def test_the_files_have_the_outer_retina_and_the_hypotheses(graph: onnx.ModelProto) -> None:
    assert tensor_shapes(graph.graph.input) == input_shapes(BUDGET)
    assert tensor_shapes(graph.graph.output) == output_shapes(HYPOTHESES)


def test_all_files_agree_with_pytorch(exported: Exported) -> None:
    assert exported.report is not None
    assert exported.report.failures == ()
    assert exported.report.comparisons["onnx_fp32"].max_abs["hypothesis"] < 1e-5
    assert set(exported.report.comparisons) >= {"onnx_fp32", "onnx_int8", "onnx_fp16"}


def test_what_only_training_uses_is_in_no_file(graph: onnx.ModelProto) -> None:
    names = [node.name for node in graph.graph.node]
    assert not [name for name in names if "to_scene" in name]
    assert [name for name in names if "to_saliency" in name]


def test_the_arithmetic_is_what_pytorch_counts(graph: onnx.ModelProto) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    feeds = InputBuffers(BUDGET)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        NETWORK(**{name: torch.from_numpy(array) for name, array in feeds.arrays.items()})
    # Two per cent, since the export may leave out a product with a constant.
    assert sum(node_macs(graph).values()) == pytest.approx(counter.get_total_flops() / 2, rel=0.02)


def test_every_trunk_is_quantized_and_constant_matrices_and_heads_are_not(graph: onnx.ModelProto) -> None:
    chosen = quantized_nodes(graph)
    convolutions = {node.name for node in graph.graph.node if node.op_type == "Conv"}
    in_float = convolutions - set(chosen)
    assert {name.partition(".")[0] for name in in_float} == {"map_heads", "map_heads_outer"}
    assert {"retina_outer.to_token/Conv", "horizon.to_token/Conv"} <= set(chosen)
    constants = {each.name for each in graph.graph.initializer}
    products = [node for node in graph.graph.node if node.name in chosen and node.op_type in ("MatMul", "Gemm")]
    assert all(node.input[0] not in constants for node in products)
    assert not [name for name in chosen if name.startswith("plan_head")]


def test_int8_trunks_read_the_bytes_of_all_three_kinds_of_pictures(exported: Exported) -> None:
    nodes = onnx.load(exported.others["onnx_int8"]).graph.node
    for picture in ("retina", "retina_outer", "patches"):
        readers = {node.op_type for node in nodes if picture in node.input}
        assert readers == {"DequantizeLinear"} or readers == {"Reshape"}, picture


@pytest.mark.parametrize("name", ["fp32", "onnx_int8", "onnx_fp16"])
def test_the_engine_gives_probabilities_and_speeds(exported: Exported, name: str) -> None:
    engine = Engine(exported.fp32 if name == "fp32" else exported.others[name])
    accelerations = engine.metadata.hypotheses_mps2
    assert len(accelerations) == HYPOTHESES
    assert list(accelerations) == sorted(accelerations)
    for step in synthetic_steps(BUDGET, 3, seed=5):
        outputs = engine.step(*step)
        assert outputs["hypothesis"].sum() == pytest.approx(1, abs=2e-3)
        assert (outputs["hypothesis_speed"] >= 0).all()
    plan = Plan.from_outputs(0, 0, outputs, "ok")
    assert plan.hypothesis is not None
    assert np.array_equal(plan.hypothesis, outputs["hypothesis"])


def test_a_plan_to_stop_has_no_hypotheses(exported: Exported) -> None:
    engine = Engine(exported.fp32)
    (step,) = synthetic_steps(BUDGET, 1)
    broken = replace(step.tick, retina_meta=np.full_like(step.tick.retina_meta, np.nan))
    outputs = engine.step(broken, step.ego)
    assert engine.plan_source == "stop"
    assert Plan.from_outputs(0, 0, outputs, "plan=stop").hypothesis is None


def test_a_file_without_hypotheses_has_none(network_without: onnx.ModelProto) -> None:
    assert tensor_shapes(network_without.graph.output) == output_shapes()


@pytest.fixture(scope="module")
def network_without() -> onnx.ModelProto:
    return export_onnx(untrained(replace(TINY_FOVEATED, has_hypotheses=False)))


def test_the_same_weights_serve_more_patches_and_leave_unused_ones_out() -> None:
    more = with_budget(NETWORK, replace(BUDGET, name="more", patch_count=9), "weights")
    (step,) = synthetic_steps(BUDGET, 1)
    plans = []
    for network, budget in ((NETWORK, BUDGET), (more, replace(BUDGET, fovea=replace(BUDGET.fovea, patch_count_max=9)))):
        feeds = InputBuffers(budget)
        feeds.load(step)
        with torch.inference_mode():
            outputs = network(**{name: torch.from_numpy(array) for name, array in feeds.arrays.items()})
        plans.append(outputs["trajectory"].numpy())
    assert plans[0] == pytest.approx(plans[1], abs=1e-5)


def test_other_budgets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):  # its base images are smaller
        with_budget(NETWORK, FOVEATED_BUDGETS["F200"], "weights")
    save_weights(untrained(TINY), tmp_path / "weights.safetensors", trained=False)
    with pytest.raises(ModelError):  # it has no fovea
        load_network(ExportConfig(weights=tmp_path / "weights.safetensors", budget="F200"))


def test_an_untrained_network_of_a_foveated_budget_has_hypotheses() -> None:
    network, header, _ = load_network(ExportConfig(budget="F200"))
    assert network.config.budget == FOVEATED_BUDGETS["F200"]
    assert network.config.has_hypotheses
    assert (header.trained, header.trained_on) == (False, "")
