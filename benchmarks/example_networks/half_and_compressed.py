"""Two example networks with unusual inputs: FP16 throughout, and the compressor's tensors in place of images."""

import math

import torch
from torch import nn

from example_networks.parts import Encoder, Example, ExampleNetwork, Eye, PathHead, Size, front_image, path_output
from fsd.compression.budget import BUDGETS
from fsd.networks.contract import input_shapes
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import CompressedInput, EgoInput
from fsd.third_party.state_fields import StatePair

BUDGET = "B100"


class HalfPrecision(ExampleNetwork):
    """FP16 inputs, weights, state and outputs: a leaky average of features. Trained in FP32, stored in FP16."""

    KEPT = 0.95

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        half = torch.float16
        self.inputs = {
            "image": ((1, 3, size.height_px, size.width_px), half),
            "speed": ((1, 1), half),
            "average_in": ((1, features), half),
        }
        self.outputs = ("path", "average_out")
        self.eye = Eye(3, size, features)
        self.after = nn.Sequential(nn.Linear(2 * features, features), nn.ReLU())
        self.head = PathHead(features)

    def forward(
        self, image: torch.Tensor, speed: torch.Tensor, average_in: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.eye(image)
        average = average_in * self.KEPT + seen * (1 - self.KEPT)
        return self.head(self.after(torch.cat([seen, average], 1)), speed), average


def half_precision(size: Size) -> Example:
    adapter = Adapter(
        "FP16",
        path_output(),
        images=(front_image(size),),
        ego=(EgoInput("speed", ("speed_mps",)),),
        state=(StatePair("average_out", "average_in"),),
    )
    return Example(adapter, HalfPrecision(size))


class OnCompressed(ExampleNetwork):
    """The retina of eight cameras, and the gaze patches with their geometry, to a path."""

    TENSORS = ("retina", "patches", "patch_meta", "ego", "command")

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        shapes = input_shapes(BUDGETS[BUDGET])
        self.inputs = {name: ((1, *shapes[name][0]), getattr(torch, shapes[name][1])) for name in self.TENSORS}
        self.outputs = ("path",)
        _, channels, height, width = shapes["retina"][0]
        cells = math.ceil(height / 8) * math.ceil(width / 8)
        self.eye = nn.Sequential(Encoder(channels, size.width), nn.Flatten(), nn.Linear(size.width * cells, features))
        self.patch_encoder = nn.Sequential(
            Encoder(channels, size.width), nn.Flatten(), nn.Linear(size.width * 4, features)
        )
        self.geometry = nn.Linear(shapes["patch_meta"][0][1], features)
        self.cameras = nn.Sequential(nn.Linear(8 * features, features), nn.ReLU())
        self.head = PathHead(2 * features + shapes["command"][0][0])

    def forward(
        self,
        retina: torch.Tensor,
        patches: torch.Tensor,
        patch_meta: torch.Tensor,
        ego: torch.Tensor,
        command: torch.Tensor,
    ) -> tuple[torch.Tensor]:
        shown = torch.relu(self.eye((retina.flatten(0, 1).float() - 115.0) / 64.0))
        cameras = self.cameras(shown.unflatten(0, (-1, retina.shape[1])).flatten(1))
        seen = self.patch_encoder((patches.flatten(0, 1).float() - 115.0) / 64.0)
        tokens = torch.relu(seen.unflatten(0, (-1, patches.shape[1])) + self.geometry(patch_meta))
        filled = patch_meta[..., 7:]
        gaze = (tokens * filled).sum(1) / (filled.sum(1) + 1.0)
        return (self.head(torch.cat([cameras, gaze, command], 1), ego[:, :1]),)


def on_compressed(size: Size) -> Example:
    tensors = {name: name for name in OnCompressed.TENSORS}
    adapter = Adapter("on compressed input", path_output(), compressed=CompressedInput(BUDGET, tensors))
    return Example(adapter, OnCompressed(size))
