"""A network resized for another base image starts with the outputs of the original."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fsd.compression.budget import BUDGETS, Budget
from fsd.networks.config import SIZES
from fsd.networks.contract import input_shapes
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import untrained
from rate_distortion.grow import calibrate_batch_norm, resize_base

SMALL = replace(SIZES["uniform"], width=32, heads=2, retina_channels=32, retina_blocks=1)


@pytest.fixture(scope="module")
def trained() -> DrivingNetwork:
    """Random weights, with normalisation statistics that are not the initial ones."""
    network = untrained(SMALL, seed=3)
    rng = torch.Generator().manual_seed(4)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0.0, 0.3, generator=rng)
            part.running_var.uniform_(0.5, 2.0, generator=rng)
    return network


def tick(budget: Budget, retina: np.ndarray, patches: int) -> dict[str, torch.Tensor]:
    """Inputs of one tick with this base image and the same patches for every budget."""
    rng = np.random.default_rng(1)
    inputs = {
        name: torch.from_numpy(rng.uniform(0, 1, shape).astype(dtype)) if dtype == "float32" else torch.zeros(0)
        for name, (shape, dtype) in input_shapes(BUDGETS["B100"]).items()
    }
    inputs["retina"] = torch.from_numpy(retina)
    inputs["patches"] = torch.from_numpy(rng.integers(0, 256, (58, 6, 16, 16), dtype=np.uint8)[:patches])
    inputs["patch_meta"] = inputs["patch_meta"][:patches]
    return {name: value[None] for name, value in inputs.items()}


def enlarged(retina: np.ndarray) -> np.ndarray:
    """The packed image enlarged twice; every pixel becomes four."""
    count, _, height, width = retina.shape
    luma = retina[:, :4].reshape(count, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    luma = np.repeat(np.repeat(luma.reshape(count, 2 * height, 2 * width), 2, 1), 2, 2)
    packed = luma.reshape(count, 2 * height, 2, 2 * width, 2).transpose(0, 2, 4, 1, 3)
    chroma = np.repeat(np.repeat(retina[:, 4:], 2, 2), 2, 3)
    return np.concatenate([packed.reshape(count, 4, 2 * height, 2 * width), chroma], axis=1)


@pytest.mark.parametrize("doublings", [1, 2])
def test_a_larger_base_starts_with_the_same_outputs(trained: DrivingNetwork, doublings: int) -> None:
    retina = np.random.default_rng(0).integers(0, 256, (8, 6, 30, 40), dtype=np.uint8)
    large = retina
    for _ in range(doublings):
        large = enlarged(large)
    budget = Budget("large", 60 * 2**doublings, 80 * 2**doublings, 5)
    grown = resize_base(trained, budget)
    calibrate_batch_norm(grown, torch.from_numpy(large))
    expected = trained(**tick(BUDGETS["B100"], retina, 5))
    found = grown(**tick(budget, large, 5))
    for name in ("trajectory", "saliency", "new_k"):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-3)


def test_a_smaller_base_starts_as_if_the_image_were_enlarged(trained: DrivingNetwork) -> None:
    small = np.random.default_rng(0).integers(0, 256, (8, 6, 15, 20), dtype=np.uint8)
    grown = resize_base(trained, BUDGETS["B400"])
    expected = trained(**tick(BUDGETS["B100"], enlarged(small), 5))
    found = grown(**tick(BUDGETS["B400"], small, 5))
    torch.testing.assert_close(found["trajectory"], expected["trajectory"], rtol=1e-3, atol=1e-3)


def test_new_layers_start_in_training_as_in_evaluation(trained: DrivingNetwork) -> None:
    retina = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (32, 6, 60, 80), dtype=np.uint8))
    grown = resize_base(trained, BUDGETS["B50"])
    calibrate_batch_norm(grown, retina)
    first = grown.retina.trunk[0]
    pixels = (retina.float() - 128) / 64
    with torch.no_grad():
        evaluated = first(pixels)[:, :12]
        learning = first.train()(pixels)[:, :12]
    torch.testing.assert_close(learning, evaluated, rtol=1e-3, atol=1e-3)


def test_a_base_of_another_scale_keeps_every_layer_after_the_first(trained: DrivingNetwork) -> None:
    grown = resize_base(trained, Budget("odd", 94, 126, 1))
    for name, value in trained.state_dict().items():
        if not name.startswith("retina.trunk."):
            torch.testing.assert_close(grown.state_dict()[name], value)
    last = len(grown.retina.trunk) - 1
    torch.testing.assert_close(grown.retina.trunk[last].state_dict(), trained.retina.trunk[-1].state_dict())
