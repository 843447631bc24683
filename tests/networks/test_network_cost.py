"""Costs are counted from ONNX Runtime's own profile; the judge is PyTorch's FLOP counter on the same network."""

import numpy as np
import pytest

from fsd.compression.budget import ALL_BUDGETS, BUDGETS, DEFAULT_BUDGET, FOVEATED_BUDGETS
from fsd.networks.contract import input_shapes
from fsd.networks.network_cost import Tensor, operator_cost
from fsd.outputs.profile_summary import MachinePeaks
from fsd.profile.energy.budget_costs import budget_costs
from fsd.profile.operators.operator_times import by_module, count_cost, module_of, time_operators
from fsd.profile.operators.runtime_trace import profiled_runs, shapes_run
from fsd.runtime.engine import packaged_model
from tests._one_operator import one_operator_model

PEAKS = MachinePeaks(
    threads=1,
    copy_gb_s=30.0,
    fp32_gmac_s=100.0,
    int8_gmac_s=400.0,
    fp32_kernel="Conv 3x3",
    int8_kernel="QLinearConv 3x3",
)


def convolution() -> bytes:
    weights = np.ones((16, 8, 3, 3), np.float32)
    return one_operator_model("Conv", (1, 8, 10, 12), weights, (1, 16, 10, 12), pads=[1, 1, 1, 1])


def test_a_convolution_counts_a_product_per_output_and_weight() -> None:
    feeds = {"x": np.zeros((1, 8, 10, 12), np.float32)}
    cost = count_cost("one", shapes_run(convolution(), feeds))
    assert cost.macs == cost.float_macs == 16 * 10 * 12 * 8 * 9


def test_channels_last_quantized_convolutions_count_alike() -> None:
    scale, zero = Tensor("float", ()), Tensor("uint8", ())
    inputs = [Tensor("uint8", (1, 10, 12, 8)), scale, zero, Tensor("int8", (16, 8, 3, 3)), scale, zero, scale, zero]
    cost = operator_cost("retina/Conv", "QLinearConv", inputs, [Tensor("uint8", (1, 10, 12, 16))])
    assert cost.macs == 16 * 10 * 12 * 8 * 9
    assert cost.is_int8


@pytest.mark.parametrize(
    ("kind", "first", "second", "result", "macs"),
    [
        ("MatMul", (3, 200), (200, 5), (3, 5), 3 * 200 * 5),
        ("FusedMatMul", (20, 4, 32), (175, 4, 32), (4, 20, 175), 4 * 20 * 175 * 32),
        ("Gemm", (200, 3), (200, 5), (3, 5), 3 * 200 * 5),
        ("Add", (3, 5), (3, 5), (3, 5), 0),
    ],
)
def test_matrix_products_count_the_length_of_their_sums(
    kind: str, first: tuple[int, ...], second: tuple[int, ...], result: tuple[int, ...], macs: int
) -> None:
    operands = [Tensor("float", first), Tensor("float", second)]
    assert operator_cost("x", kind, operands, [Tensor("float", result)]).macs == macs


def test_the_packaged_network_costs_what_pytorch_counts() -> None:
    """Two per cent, since quantization may leave out a product with a constant."""
    torch = pytest.importorskip("torch", reason="PyTorch's FLOP counter is the judge")
    from torch.utils.flop_counter import FlopCounterMode

    from fsd.networks.model import DrivingNetwork

    network = DrivingNetwork().eval()
    shapes = input_shapes(network.config.budget)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(
            **{name: torch.zeros((1, *shape), dtype=getattr(torch, kind)) for name, (shape, kind) in shapes.items()}
        )
    feeds = {name: np.zeros(shape, kind) for name, (shape, kind) in shapes.items()}
    cost = count_cost("packaged", shapes_run(packaged_model(), feeds))
    assert cost.macs == pytest.approx(counter.get_total_flops() / 2, rel=0.02)
    assert budget_costs()[DEFAULT_BUDGET].macs == pytest.approx(cost.macs, rel=0.02)
    assert cost.int8_macs > 0.7 * cost.macs  # the others are of the transformer and the heads


def test_a_larger_budget_moves_more_bytes() -> None:
    costs = list(budget_costs().values())
    assert {cost.name for cost in costs} == set(ALL_BUDGETS)
    pixels = [ALL_BUDGETS[cost.name].pixels for cost in costs]
    assert pixels == sorted(pixels, reverse=True)
    for family in (BUDGETS, FOVEATED_BUDGETS):
        large, *_, small = (budget_costs()[name] for name in family)
        assert large.bytes > small.bytes
        assert large.macs > small.macs


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("retina.trunk.0/Conv", "retina.trunk.0"),
        ("fused joint_blocks.0.perceptron.widen/Gemm", "joint_blocks.0.perceptron.widen"),
        ("cross_attention.0/MatMul/MatmulTransposeFusion//MatMulScaleFusion/", "cross_attention.0"),
        ("retina.stem/Conv_token_4", "retina.stem"),
        ("Slice_6/GatherSliceToSplitFusion", "(network)"),
        ("Concat_3", "(network)"),
        ("relu_7_nchwc", "(fused by the runtime)"),
    ],
)
def test_node_names_tell_the_module(node: str, module: str) -> None:
    assert module_of(node) == module


def test_shares_of_all_operators_add_up_to_one() -> None:
    feeds = {"x": np.zeros((1, 8, 10, 12), np.float32)}
    cost = count_cost("one", shapes_run(convolution(), feeds))
    operators = time_operators(cost, profiled_runs(convolution(), feeds, 1, 5), PEAKS)
    assert sum(each.share for each in operators) == pytest.approx(1.0)
    assert sum(row.share for row in by_module(operators)) == pytest.approx(1.0, abs=1e-3)
    assert any(each.peak_share is not None for each in operators)
