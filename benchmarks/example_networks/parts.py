"""What the example networks share: their base class, an encoder, a path head, and how state enters and leaves.

All tensors have a batch axis first, which is 1 in the exported files and larger in training.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import ImageInput
from fsd.third_party.output_fields import Outputs, Waypoints

POINTS, STEP_S = 6, 0.5
"""The path of most examples: 3 s."""

LONGEST_MEMORY_STEPS = 60

Tensors = Mapping[str, torch.Tensor]
Spec = tuple[tuple[int, ...], torch.dtype]


@dataclass(frozen=True)
class Size:
    """Channels of the widest layer, and size of an image."""

    width: int
    height_px: int
    width_px: int


TINY, USUAL = Size(8, 32, 64), Size(64, 64, 128)
"""For tests, and for measurements."""


class ExampleNetwork(nn.Module):
    """One ONNX file: `inputs` by name with shape and type, `outputs` in the order of `forward`.

    `times_s` are the times of the path that `path` reads from the outputs.
    """

    inputs: dict[str, Spec]
    outputs: tuple[str, ...]
    times_s: tuple[float, ...] = tuple(STEP_S * (index + 1) for index in range(POINTS))

    def example(self) -> dict[str, torch.Tensor]:
        """Zeros of each input's shape."""
        return {name: torch.zeros(shape, dtype=dtype) for name, (shape, dtype) in self.inputs.items()}

    def named(self, values: Tensors) -> dict[str, torch.Tensor]:
        """Run the network: outputs by name."""
        results = self(**{name: values[name] for name in self.inputs})
        return dict(zip(self.outputs, results, strict=True))


@dataclass(frozen=True)
class Target:
    """The recorded car's own future, for `B` ticks: path (B, P, 2) m, curvature (B,) 1/m, command (B,) index."""

    path_m: torch.Tensor
    curvature_per_m: torch.Tensor
    command: torch.Tensor


class Example:
    """A model of one or several files, which run in this order, and the adapter that describes it."""

    def __init__(self, adapter: Adapter, *parts: ExampleNetwork) -> None:
        self.adapter, self.parts = adapter, parts

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def times_s(self) -> tuple[float, ...]:
        """Times of the path that `loss` compares."""
        return self.parts[-1].times_s

    def run(self, values: Tensors) -> dict[str, torch.Tensor]:
        """All outputs of one step."""
        known = dict(values)
        outputs: dict[str, torch.Tensor] = {}
        for part in self.parts:
            outputs |= part.named(known)
            known |= {link.input: outputs[link.output] for link in self.adapter.links if link.output in outputs}
        return outputs

    def loss(self, outputs: Tensors, target: Target) -> torch.Tensor:
        """Distance of the plan from the recorded drive; a sum over the batch divided by its size."""
        return functional.smooth_l1_loss(outputs["path"], target.path_m, beta=0.2)


class Encoder(nn.Sequential):
    """(B, C, H, W) -> (B, width, H / 8, W / 8): three strided convolutions and one that keeps the size, with ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        widths = (channels, max(width // 4, 4), max(width // 2, 4), width)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        super().__init__(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


class Pool(nn.Module):
    """(B, width, h, w) -> (B, features): means of 2 x 4 cells, then a linear layer."""

    def __init__(self, width: int, features: int, height: int, columns: int) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d((height // 2, columns // 4))
        self.linear = nn.Linear(width * 8, features)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(self.cells(images).flatten(1)))


class Eye(nn.Sequential):
    """(B, C, H, W) -> (B, features)."""

    def __init__(self, channels: int, size: Size, features: int) -> None:
        pool = Pool(size.width, features, size.height_px // 8, size.width_px // 8)
        super().__init__(Encoder(channels, size.width), pool)


class PathHead(nn.Module):
    """(B, features), (B, 1) speed m/s -> (B, P, 2): how far each step differs from driving straight on, summed."""

    def __init__(self, features: int, times_s: tuple[float, ...] = ExampleNetwork.times_s) -> None:
        super().__init__()
        self.linear = nn.Linear(features, len(times_s) * 2)
        steps_s = [after - before for before, after in pairwise((0.0, *times_s))]
        straight = torch.tensor([[step_s, 0.0] for step_s in steps_s])
        self.straight = nn.Buffer(straight, persistent=False)
        self.scale = nn.Buffer(torch.tensor([[4.0 * step_s, 2.0 * step_s] for step_s in steps_s]), persistent=False)

    def forward(self, features: torch.Tensor, speed_mps: torch.Tensor) -> torch.Tensor:
        steps = self.linear(features).unflatten(1, self.scale.shape) * self.scale
        path = torch.cumsum(steps + speed_mps.unsqueeze(1) * self.straight, dim=1)
        return path.to(features.dtype)  # an FP16 sum is exported as FP32


def image_spec(size: Size, channels: int = 3) -> Spec:
    return (1, channels, size.height_px, size.width_px), torch.float32


def front_image(size: Size, name: str = "image") -> ImageInput:
    """The main front camera, roughly of mean 0 and deviation 1."""
    return ImageInput(name, size.width_px, size.height_px, camera="front_main", mean=(0.45,), std=(0.25,))


def path_output(name: str = "path") -> Outputs:
    return Outputs(waypoints=Waypoints(name, POINTS, STEP_S))


def slow_gate_bias(width: int) -> torch.Tensor:
    """Biases of gates that forget over 2 to `LONGEST_MEMORY_STEPS` steps (Tallec and Ollivier, arXiv 1804.11188)."""
    return -torch.log(torch.linspace(1.0, LONGEST_MEMORY_STEPS - 1.0, width))


def attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, Q, D), (B, T, D), (B, T, D) -> (B, Q, D); written out, as most exported files have it."""
    query, keys, values = (each.unflatten(2, (heads, -1)).transpose(1, 2) for each in (query, keys, values))
    scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1])
    return (torch.softmax(scores, dim=-1) @ values).transpose(1, 2).flatten(2)
