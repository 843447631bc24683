"""Example networks without state: several cameras, bytes, route commands, mixtures, steering, a backbone, 100 MB."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from example_networks.parts import (
    POINTS,
    STEP_S,
    Encoder,
    Example,
    ExampleNetwork,
    Eye,
    PathHead,
    Size,
    Target,
    Tensors,
    attention,
    front_image,
    image_spec,
    path_output,
)
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import CalibrationInput, EgoInput, ImageInput
from fsd.third_party.output_fields import Mixture, Outputs, Place, Steering, Waypoints

SPEED = ((1, 1), torch.float32)
SPEED_INPUT = EgoInput("speed", ("speed_mps",))


class Surround(ExampleNetwork):
    """Four cameras in one tensor, each described by its pose."""

    CAMERAS = ("front_main", "left_pillar", "right_pillar", "rear")

    def __init__(self, size: Size) -> None:
        super().__init__()
        cameras, features = len(self.CAMERAS), 2 * size.width
        shape, dtype = image_spec(size)
        self.inputs = {
            "images": ((1, cameras, *shape[1:]), dtype),
            "camera_from_ego": ((1, cameras, 4, 4), torch.float32),
            "speed": SPEED,
        }
        self.outputs = ("path",)
        self.eye, self.pose = Eye(3, size, features), nn.Linear(12, features)
        self.mix = nn.Sequential(nn.Linear(features, features), nn.ReLU())
        self.head = PathHead(features)

    def forward(self, images: torch.Tensor, camera_from_ego: torch.Tensor, speed: torch.Tensor) -> tuple[torch.Tensor]:
        seen = self.eye(images.flatten(0, 1))
        placed = seen + self.pose(camera_from_ego[:, :, :3].flatten(2)).flatten(0, 1)
        mixed = self.mix(placed).unflatten(0, (-1, len(self.CAMERAS))).mean(1)
        return (self.head(mixed, speed),)


def surround(size: Size) -> Example:
    image = ImageInput(
        "images",
        size.width_px,
        size.height_px,
        cameras=Surround.CAMERAS,
        layout="nvchw",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    adapter = Adapter(
        "surround cameras in one tensor",
        path_output(),
        images=(image,),
        ego=(SPEED_INPUT,),
        calibration=(CalibrationInput("camera_from_ego", "camera_from_ego", image="images"),),
    )
    return Example(adapter, Surround(size))


class Bytes(ExampleNetwork):
    """An image as decoders give it (H, W, 3) uint8, and the speed of now and of 0.25 and 0.5 s before."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        self.inputs = {"image": ((1, size.height_px, size.width_px, 3), torch.uint8), "speeds": ((1, 3), torch.float32)}
        self.outputs = ("path",)
        self.eye, self.head = Eye(3, size, features), PathHead(features + 3)

    def forward(self, image: torch.Tensor, speeds: torch.Tensor) -> tuple[torch.Tensor]:
        pixels = (image.permute(0, 3, 1, 2).float() - 115.0) / 64.0
        return (self.head(torch.cat([self.eye(pixels), speeds * 0.1], 1), speeds[:, -1:]),)


def nhwc_bytes(size: Size) -> Example:
    image = ImageInput("image", size.width_px, size.height_px, camera="front_wide", layout="nhwc", fit="crop")
    adapter = Adapter(
        "bytes in rows", path_output(), images=(image,), ego=(EgoInput("speeds", ("speed_mps",), history=(18, 9, 0)),)
    )
    return Example(adapter, Bytes(size))


class Conditional(ExampleNetwork):
    """Conditional imitation (Codevilla et al. 2018): one branch for each route command."""

    BRANCHES = ("none", "left", "right", "straight")

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        self.inputs = {"image": image_spec(size), "speed": SPEED}
        self.outputs = ("branches",)
        self.eye = Eye(3, size, features)
        self.heads = nn.ModuleList(PathHead(features) for _ in self.BRANCHES)

    def forward(self, image: torch.Tensor, speed: torch.Tensor) -> tuple[torch.Tensor]:
        features = self.eye(image)
        return (torch.stack([head(features, speed) for head in self.heads], 1),)


class ConditionalExample(Example):
    """Trains the branch of the command."""

    COMMANDS = ("none", "straight", "left", "right")

    def loss(self, outputs: Tensors, target: Target) -> torch.Tensor:
        order = torch.tensor([Conditional.BRANCHES.index(name) for name in self.COMMANDS])
        branch = order[target.command.clamp(max=len(self.COMMANDS) - 1)]
        chosen = outputs["branches"][torch.arange(len(branch)), branch]
        return functional.smooth_l1_loss(chosen, target.path_m, beta=0.2)


def conditional(size: Size) -> Example:
    places = {name: Place(start=index * POINTS * 2) for index, name in enumerate(Conditional.BRANCHES)}
    path = Waypoints("branches", POINTS, STEP_S, by_command=places)
    adapter = Adapter(
        "a branch for each command", Outputs(waypoints=path), images=(front_image(size),), ego=(SPEED_INPUT,)
    )
    return ConditionalExample(adapter, Conditional(size))


class PathMixture(ExampleNetwork):
    """Three paths at uneven times with their log scales and logits in one vector; from two YUV images 0.2 s apart."""

    PATHS = 3
    times_s = (0.25, 0.5, 1.0, 1.75, 2.75, 4.0)
    NUMBERS = 2 * len(times_s)
    """Of one path; its log scales are as many, and one logit follows."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        half = Size(size.width, size.height_px // 2, size.width_px // 2)
        self.inputs = {"images": ((1, 12, half.height_px, half.width_px), torch.uint8), "speed": SPEED}
        self.outputs = ("plan",)
        self.eye = Eye(12, half, features)
        self.heads = nn.ModuleList(PathHead(features, self.times_s) for _ in range(self.PATHS))
        self.rest = nn.Linear(features, self.PATHS * (self.NUMBERS + 1))

    def forward(self, images: torch.Tensor, speed: torch.Tensor) -> tuple[torch.Tensor]:
        features = self.eye((images.float() - 115.0) / 64.0)
        paths = torch.stack([head(features, speed).flatten(1) for head in self.heads], 1)
        rest = self.rest(features).unflatten(1, (self.PATHS, self.NUMBERS + 1))
        return (torch.cat([paths, rest], 2).flatten(1),)


class MixtureExample(Example):
    """Winner takes all: the nearest path learns its place and scale, and the logits which one it was."""

    def loss(self, outputs: Tensors, target: Target) -> torch.Tensor:
        numbers = PathMixture.NUMBERS
        rows = outputs["plan"].unflatten(1, (PathMixture.PATHS, -1))
        wanted = target.path_m.flatten(1).unsqueeze(1)
        distance = (rows[:, :, :numbers] - wanted).abs()
        nearest = distance.mean(2).argmin(1)
        which = torch.arange(len(nearest))
        log_scale = rows[which, nearest, numbers : 2 * numbers].clamp(-3, 3)
        likelihood = (distance[which, nearest] * torch.exp(-log_scale) + log_scale).mean()
        return likelihood + 0.1 * functional.cross_entropy(rows[:, :, -1], nearest)


def path_mixture(size: Size) -> Example:
    numbers = PathMixture.NUMBERS
    path = Waypoints(
        "plan",
        len(PathMixture.times_s),
        times_s=PathMixture.times_s,
        mixture=Mixture(
            PathMixture.PATHS, 2 * numbers + 1, probability_start=2 * numbers, probability_stride=2 * numbers + 1
        ),
        scale_start=numbers,
        scale_is_log=True,
    )
    image = ImageInput("images", size.width_px, size.height_px, camera="front_main", colour="yuv420", history=(7, 0))
    adapter = Adapter("mixture at uneven times", Outputs(waypoints=path), images=(image,), ego=(SPEED_INPUT,))
    return MixtureExample(adapter, PathMixture(size))


class PilotNet(ExampleNetwork):
    """Five convolutions and four linear layers to a steering wheel angle (Bojarski et al. 2016)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        share = size.width / 64
        widths = [3, *(max(4, round(each * share)) for each in (24, 36, 48, 64, 64))]
        self.inputs, self.outputs = {"image": ((1, 3, 66, 200), torch.float32)}, ("wheel_rad",)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            kernel, stride = (5, 2) if index < 3 else (3, 1)
            layers += [nn.Conv2d(before, after, kernel, stride), nn.ReLU()]
        layers.append(nn.Flatten())
        linear = [widths[-1] * 18, *(max(4, round(each * share)) for each in (100, 50, 10))]
        for before, after in pairwise(linear):
            layers += [nn.Linear(before, after), nn.ReLU()]
        for layer in layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.layers = nn.Sequential(*layers, nn.Linear(linear[-1], 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layers(image),)


class SteeringExample(Example):
    """Trains the angle that drives the recorded curvature."""

    def loss(self, outputs: Tensors, target: Target) -> torch.Tensor:
        steering = self.adapter.outputs.steering
        assert steering is not None
        wheel_rad = torch.atan(target.curvature_per_m * steering.wheelbase_m) * steering.steering_ratio
        return functional.smooth_l1_loss(outputs["wheel_rad"].squeeze(1), wheel_rad, beta=0.1)


def pilotnet(size: Size) -> Example:
    image = ImageInput("image", 200, 66, camera="front_main", mean=(0.45,), std=(0.25,))
    adapter = Adapter("PilotNet", Outputs(steering=Steering("wheel_rad", 2.8, 15.0)), images=(image,))
    return SteeringExample(adapter, PilotNet(size))


class Backbone(ExampleNetwork):
    """A ResNet-18 that torchvision made (or, without it, `ResNet18`), with a head whose outputs are steps."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.inputs, self.outputs = {"image": image_spec(size)}, ("steps",)
        self.backbone, features, self.made_by = _resnet18(size)
        self.head = nn.Linear(features, 2 * POINTS)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([3.0, 0.0] * POINTS))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.head(self.backbone(image)).unflatten(1, (POINTS, 2)),)


class StepsExample(Example):
    """Trains a path that is given as steps."""

    def loss(self, outputs: Tensors, target: Target) -> torch.Tensor:
        return functional.smooth_l1_loss(torch.cumsum(outputs["steps"], 1), target.path_m, beta=0.2)


def backbone(size: Size) -> Example:
    image = ImageInput(
        "image",
        size.width_px,
        size.height_px,
        camera="front_main",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    path = Waypoints("steps", POINTS, STEP_S, are_steps=True)
    return StepsExample(Adapter("ResNet-18 with a head", Outputs(waypoints=path), images=(image,)), Backbone(size))


def _resnet18(size: Size) -> tuple[nn.Module, int, str]:
    """Backbone, number of features, and who made it."""
    if size.width >= 64:
        try:
            from torchvision.models import resnet18
        except (ImportError, RuntimeError):  # a wheel for another build of PyTorch: `torchvision::nms does not exist`
            pass
        else:
            made: Any = resnet18(weights=None)
            made.fc = nn.Identity()
            return made, 512, "torchvision"
    width = 64 if size.width >= 64 else 4
    return ResNet18(width), 8 * width, "example_networks, with the layers of torchvision, which cannot be imported"


class ResNet18(nn.Sequential):
    """(B, 3, H, W) -> (B, 8 x width): the layers of torchvision's `resnet18`, whose width is 64."""

    def __init__(self, width: int) -> None:
        stem = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        widths = (width, width, 2 * width, 4 * width, 8 * width)
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            blocks += [Residual(before, after, stride=2 if index else 1), Residual(after, after, stride=1)]
        super().__init__(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.second, self.second_norm = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Identity() if (before, stride) == (after, 1) else shortcut

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        changed = torch.relu(self.first_norm(self.first(images)))
        return torch.relu(self.second_norm(self.second(changed)) + self.shortcut(images))


class LargeTransformer(ExampleNetwork):
    """A vision transformer of 100 MB, whatever the size of its image; saved with external data."""

    FEATURES, BLOCKS, TOKEN_PX, HEADS = 1024, 2, 16, 8

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = self.FEATURES
        self.inputs, self.outputs = {"image": image_spec(size), "speed": SPEED}, ("path",)
        self.patches = nn.Sequential(Encoder(3, size.width), nn.Conv2d(size.width, features, 2, 2))
        tokens = (size.height_px // self.TOKEN_PX) * (size.width_px // self.TOKEN_PX)
        self.position = nn.Parameter(torch.randn(1, tokens, features) * 0.1)
        self.norms = nn.ModuleList(nn.LayerNorm(features) for _ in range(2 * self.BLOCKS + 1))
        self.projections = nn.ModuleList(nn.Linear(features, 3 * features) for _ in range(self.BLOCKS))
        self.results = nn.ModuleList(nn.Linear(features, features) for _ in range(self.BLOCKS))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features))
            for _ in range(self.BLOCKS)
        )
        self.head = PathHead(features)

    def forward(self, image: torch.Tensor, speed: torch.Tensor) -> tuple[torch.Tensor]:
        tokens = self.patches(image).flatten(2).transpose(1, 2) + self.position
        for index in range(self.BLOCKS):
            query, key, value = self.projections[index](self.norms[2 * index](tokens)).chunk(3, 2)
            tokens = tokens + self.results[index](attention(query, key, value, self.HEADS))
            tokens = tokens + self.mlps[index](self.norms[2 * index + 1](tokens))
        return (self.head(self.norms[-1](tokens).mean(1), speed),)


def large_transformer(size: Size) -> Example:
    adapter = Adapter("100 MB of external data", path_output(), images=(front_image(size),), ego=(SPEED_INPUT,))
    return Example(adapter, LargeTransformer(size))
