import numpy as np
import pytest
import torch

from fsd.data.errors import ModelError
from fsd.export.network_reference import network_feeds, network_reference
from fsd.export.onnx_runner import ReferenceRunner
from fsd.export.smoothing import measure_scales, smoothed
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork


@pytest.fixture(scope="module")
def uneven(network: DrivingNetwork) -> DrivingNetwork:
    """The tiny network with one channel of a norm thirty times larger than the others, as trained networks have."""
    network = smoothed(network, {name: [1.0] * len(scale) for name, scale in measure_scales(network, []).items()})
    with torch.no_grad():
        network.joint_blocks[0].norm.weight[3] *= 30.0
    return network


def test_a_smoothed_network_computes_the_same(uneven: DrivingNetwork, steps: list[TickInput]) -> None:
    scales = measure_scales(uneven, [steps[:12]])
    before, after = (
        ReferenceRunner(network_reference(each), network_feeds(each)) for each in (uneven, smoothed(uneven, scales))
    )
    for step in steps[:12]:
        wanted, given = before.step(step), after.step(step)
        for name in wanted:
            np.testing.assert_allclose(given[name], wanted[name], rtol=2e-3, atol=2e-4)


def test_large_channels_shrink_and_their_weights_grow(uneven: DrivingNetwork, steps: list[TickInput]) -> None:
    scales = measure_scales(uneven, [steps[:12]])["joint_blocks.0.norm"]
    others = np.delete(scales, 3)
    assert scales[3] > 3.0 * np.median(others)
    after = smoothed(uneven, measure_scales(uneven, [steps[:12]]))
    spread = [
        float(
            net.joint_blocks[0].norm.weight.detach().abs().max()
            / net.joint_blocks[0].norm.weight.detach().abs().median()
        )
        for net in (uneven, after)
    ]
    assert spread[1] < 0.5 * spread[0]


def test_channels_that_are_never_used_stay(network: DrivingNetwork) -> None:
    assert all(set(scale) == {1.0} for scale in measure_scales(network, []).values())


def test_scales_of_another_network_are_refused(network: DrivingNetwork) -> None:
    with pytest.raises(ModelError, match="--calibration"):
        smoothed(network, {"joint_blocks.0.norm": [1.0, 2.0]})
