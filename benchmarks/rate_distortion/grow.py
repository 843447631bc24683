"""Resize a trained network to another base image so that it computes the same before fine-tuning begins.

Only the first layers of the retina depend on the size of the base image; all others are copied. A larger base gets
extra layers in front that start as exact area means (they halve the image). A smaller one gets a first layer that acts
as if the image were enlarged. Fine-tuning then starts from what the network already computes.

Source: T. Chen, I. Goodfellow, J. Shlens, Net2Net: Accelerating learning via knowledge transfer, ICLR 2016.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fsd.compression.budget import Budget
from fsd.networks.encoders import IMAGE_CHANNELS, ConvUnit, ResidualUnit, normalise_pixels
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import untrained

_LUMA = 4
"""Channels 0-3 of a packed image are its luma pixels Y00 Y01 Y10 Y11, the others U and V."""


def resize_base(network: DrivingNetwork, budget: Budget, seed: int = 0) -> DrivingNetwork:
    """A network for `budget` that starts from the weights of one for an 80x60 base.

    Exact (same outputs for the same 80x60 image) if the new base is 80x60 multiplied or divided by a power of two. For
    other sizes the first layer is copied and receives an image of another scale.
    """
    grown = untrained(replace(network.config, budget=budget), seed)
    layers = [_ConvAndNorm.of(layer) for layer in grown.retina.trunk if isinstance(layer, ConvUnit)]
    (stem,) = [_ConvAndNorm.of(layer) for layer in network.retina.trunk if isinstance(layer, ConvUnit)]
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("retina.trunk.")}
    missing = grown.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    blocks = [layer for layer in network.retina.trunk if isinstance(layer, ResidualUnit)]
    for old, new in zip(blocks, list(grown.retina.trunk)[-len(blocks) :], strict=True):
        new.load_state_dict(old.state_dict())
    with torch.no_grad():
        _copy_stem(stem, layers)
    return grown.eval()


class _ConvAndNorm(NamedTuple):
    """The two layers of a `ConvUnit`."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d

    @classmethod
    def of(cls, unit: ConvUnit) -> "_ConvAndNorm":
        conv, norm = unit[0], unit[1]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        return cls(conv, norm)


def _copy_stem(stem: _ConvAndNorm, layers: list[_ConvAndNorm]) -> None:
    last = layers[-1]
    last.norm.load_state_dict(stem.norm.state_dict())
    if last.conv.stride == (1, 1):
        last.conv.weight.copy_(_on_enlarged(stem.conv.weight))
    elif len(layers) == 1:
        last.conv.weight.copy_(stem.conv.weight)
    else:
        for index, layer in enumerate(layers[:-1]):
            _make_halving(layer, is_first=index == 0)
        last.conv.weight.zero_()
        last.conv.weight[:, : 2 * IMAGE_CHANNELS] = _signed(stem.conv.weight)


def _make_halving(layer: _ConvAndNorm, is_first: bool) -> None:
    """Make the first 12 channels of a stride-2 layer the packed image at half size, and its negative.

    Both signs, because ReLU removes negative values. The other channels keep their random weights.
    """
    kernel = torch.zeros(IMAGE_CHANNELS, IMAGE_CHANNELS, 3, 3)
    for row in range(2):
        for column in range(2):  # taps 1 and 2 of a stride-2 kernel are the two source pixels of its output
            kernel[2 * row + column, :_LUMA, row + 1, column + 1] = 1.0 / _LUMA
            for chroma in range(_LUMA, IMAGE_CHANNELS):
                kernel[chroma, chroma, row + 1, column + 1] = 0.25
    kernel = kernel if is_first else _signed(kernel)
    kept = 2 * IMAGE_CHANNELS
    layer.conv.weight[:kept] = 0.0
    layer.conv.weight[:kept:2, : kernel.shape[1]] = kernel
    layer.conv.weight[1:kept:2, : kernel.shape[1]] = -kernel
    layer.norm.weight[:kept] = (1.0 + layer.norm.eps) ** 0.5


def _signed(kernel: Tensor) -> Tensor:
    """The same kernel over pairs of channels that hold the positive and the negative part of each input channel."""
    return torch.stack([kernel, -kernel], dim=2).flatten(1, 2)


def _on_enlarged(kernel: Tensor) -> Tensor:
    """The stride-1 kernel that gives on an image what a stride-2 kernel gives on the image enlarged twice.

    In the enlarged image, each luma pixel of a packed pixel becomes all four lumas of one packed pixel, and all four
    of those have the old chroma.
    """
    folded = torch.zeros_like(kernel)
    places = ((0, 1), (1, 0), (1, 1))  # tap of the stride-2 kernel -> tap of the new one, and which half of it
    for i, (row, low) in enumerate(places):
        for j, (column, right) in enumerate(places):
            folded[:, 2 * low + right, row, column] += kernel[:, :_LUMA, i, j].sum(dim=1)
            folded[:, _LUMA:, row, column] += kernel[:, _LUMA:, i, j]
    return folded


def calibrate_batch_norm(network: DrivingNetwork, retina: Tensor) -> None:
    """Set the running statistics of the new first layers from real images without changing what the layers compute.

    Batch normalisation then starts in training with the same values as in evaluation.

    Args:
        network: from `resize_base`; changed in place.
        retina: (M, 6, h, w) uint8 base images; a few hundred are enough.
    """
    layers = [layer for layer in network.retina.trunk if isinstance(layer, ConvUnit)]
    features = normalise_pixels(retina)
    with torch.no_grad():
        for layer in layers[:-1]:
            conv, norm = _ConvAndNorm.of(layer)
            before = conv(features)
            _calibrate(norm, before.mean(dim=(0, 2, 3)), before.var(dim=(0, 2, 3), correction=0))
            features = layer(features)


def _calibrate(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    kept = 2 * IMAGE_CHANNELS
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight[:kept] = torch.sqrt(variance[:kept] + norm.eps)
    norm.bias[:kept] = mean[:kept]
