"""Encode pixels and sensor vectors as tokens: retina trunk, patch trunk, token geometry, ego and command.

Plain 3x3 convolutions with BatchNorm and ReLU, because INT8 speeds them up; each trunk has inputs of one resolution, so
that its BatchNorm statistics are consistent. Does not know how the tokens are used.
"""

import math

import torch
from torch import Tensor, nn

from fsd.compression.tick import META_SIZE
from fsd.data.ego import COMMANDS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.networks.contract import EGO_SIZE, PROPRIO_SIZE

PIXEL_MEAN, PIXEL_SCALE = 128.0, 1.0 / 64.0
"""Pixels are normalised as (pixel - 128) / 64: exactly one DequantizeLinear, so INT8 files take the uint8 pixels."""

IMAGE_CHANNELS = 6
CELL = 5
"""A retina token covers 5 x 5 cells of the 15 x 20 block grid."""

HORIZON_TOKENS = 10
"""Finer tokens in the middle row of a camera."""

_TOKEN_COLUMNS, _ANGULAR_WIDTH = GRID_COLUMNS // CELL, 4

RAY_FREQUENCIES = (1.0, 3.0, 9.0)
"""Fourier frequencies of the ray's components, rad: the highest separates rays 10 degrees apart."""

MAX_AGE_S = 1.0
META_LOWEST = (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
META_HIGHEST = (1.0, 1.0, 1.0, 3.0, 3.0, MAX_AGE_S, 1.0, 1.0)
"""Limits of a metadata row after its camera index, so that no input gives extreme tokens."""

EGO_SCALE = (0.1, 2.0)
"""Scales speed and yaw rate to about ±1: 10 m/s, 0.5 rad/s."""


def normalise_pixels(image: Tensor) -> Tensor:
    """Pixels 0-255 (uint8 or float) to about ±2; mid grey, the value of missing pixels, becomes 0."""
    return (image.float() - PIXEL_MEAN) * PIXEL_SCALE


class ConvUnit(nn.Sequential):
    """3x3 convolution, BatchNorm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
        )


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions around a sum, ReLU last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(features + self.second(self.first(features)))


class RetinaEncoder(nn.Module):
    """Encode a camera's base image as features on the 15 x 20 block grid, then as 3 x 4 tokens.

    Any base size works: the trunk halves the resolution while both sides stay at least as large as the grid, and fixed
    pooling resamples the result to 15 x 20 (the named budgets need none). All residual blocks work on the grid.
    """

    def __init__(self, image_hw: tuple[int, int], channels: int, blocks: int, width: int) -> None:
        super().__init__()
        map_hw, halvings = image_hw, 0
        while map_hw[0] // 2 >= GRID_ROWS and map_hw[1] // 2 >= GRID_COLUMNS:
            map_hw, halvings = ((map_hw[0] + 1) // 2, (map_hw[1] + 1) // 2), halvings + 1
        # Feature maps larger than the grid have few channels: they would dominate the run time.
        widths = [IMAGE_CHANNELS] + [channels // 2] * (halvings - 1) + [channels]
        strides = [2] * halvings or [1]
        layers: list[nn.Module] = [
            ConvUnit(before, after, stride)
            for before, after, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        ]
        if map_hw != (GRID_ROWS, GRID_COLUMNS):
            layers.append(GridPool(map_hw))
        layers += [ResidualUnit(channels) for _ in range(blocks)]
        self.trunk = nn.Sequential(*layers)
        self.to_token = nn.Conv2d(channels, width, CELL, CELL)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(M, 6, h, w) normalised pixels -> tokens (M, 12, D), features (M, C, 15, 20)."""
        features = self.trunk(image)
        return self.to_token(features).flatten(2).transpose(1, 2), features


class HorizonEncoder(nn.Module):
    """Encode the middle row of the retina's tokens again, as tokens of 5 x 2 cells: far things are there, and small.

    Their geometry is interpolated between that of the four tokens of that row; the outermost two lie beyond these.
    """

    between: Tensor
    spans: Tensor

    def __init__(self, channels: int, width: int, columns: int = META_SIZE) -> None:
        super().__init__()
        self.to_token = nn.Conv2d(channels, width, (CELL, 4), (CELL, 2), (0, 1))
        tokens = torch.arange(HORIZON_TOKENS)
        places = (tokens + 0.5) * (GRID_COLUMNS / HORIZON_TOKENS) / CELL - 0.5  # in tokens of the row
        left = places.floor().clamp(0, _TOKEN_COLUMNS - 2).long()
        between = torch.zeros(HORIZON_TOKENS, _TOKEN_COLUMNS)
        between[tokens, left], between[tokens, left + 1] = 1.0 - (places - left), places - left
        spans = torch.ones(columns)
        spans[_ANGULAR_WIDTH] = GRID_COLUMNS / HORIZON_TOKENS / CELL
        self.register_buffer("between", between, persistent=False)
        self.register_buffer("spans", spans, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(M, C, 15, 20) -> tokens (M, 10, D)."""
        return self.to_token(features[..., CELL : 2 * CELL, :]).flatten(2).transpose(1, 2)

    def geometry(self, retina_meta: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (…, 12, columns) and camera one-hot (…, 12, 8) of a camera's tokens -> the same of its 10 tokens."""
        row = slice(_TOKEN_COLUMNS, 2 * _TOKEN_COLUMNS)
        # Not interpolated: in bfloat16 the weights of a token do not sum to exactly 1.
        one_hot = camera[..., :1, :].expand(*camera.shape[:-2], HORIZON_TOKENS, camera.shape[-1])
        return self.between @ retina_meta[..., row, :] * self.spans, one_hot


class GridPool(nn.Module):
    """Resample (M, C, h, w) to (M, C, 15, 20) with fixed linear weights: an area mean where the map is larger.

    Two constant matrices, so that it exports as two MatMuls of static shape for every size.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, map_hw: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("rows", _overlap(GRID_ROWS, map_hw[0]), persistent=False)
        self.register_buffer("columns", _overlap(GRID_COLUMNS, map_hw[1]).T.contiguous(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.rows @ features @ self.columns


def _overlap(cells: int, pixels: int) -> Tensor:
    """(cells, pixels): the share of each cell that a pixel covers; rows sum to 1."""
    edges = torch.arange(cells + 1, dtype=torch.float64) * pixels / cells
    low = torch.maximum(edges[:-1, None], torch.arange(pixels)[None])
    high = torch.minimum(edges[1:, None], torch.arange(1, pixels + 1)[None])
    return ((high - low).clamp(min=0) * cells / pixels).float()


class PatchEncoder(nn.Module):
    """Encode a 32x32 patch, packed to 6 x 16 x 16, as one token."""

    def __init__(self, channels: tuple[int, int], blocks: int, width: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            ConvUnit(IMAGE_CHANNELS, channels[0], stride=2),  # 8 x 8
            ResidualUnit(channels[0]),
            ConvUnit(channels[0], channels[1], stride=2),  # 4 x 4
            *(ResidualUnit(channels[1]) for _ in range(blocks)),
        )
        # A linear layer over the flattened 4 x 4 map, not a 4 x 4 convolution: one matrix product for all patches.
        self.to_token = nn.Linear(channels[1] * 16, width)

    def forward(self, image: Tensor) -> Tensor:
        """(M, 6, 16, 16) normalised pixels -> (M, D)."""
        return self.to_token(self.trunk(image).flatten(1))


class GeometryEncoder(nn.Module):
    """Encode a token's metadata row as a gain and an offset of its features.

    A gain as well as an offset, since the meaning of the same pixels depends on where they are seen.
    """

    camera_index: Tensor
    lowest: Tensor
    highest: Tensor
    frequencies: Tensor
    phases: Tensor

    def __init__(self, width: int, columns: int = META_SIZE, hidden: int = 64) -> None:
        super().__init__()
        values = columns - 1
        waves = torch.cat([torch.eye(3) * frequency for frequency in RAY_FREQUENCIES], dim=1)  # (3, 9)
        self.register_buffer("camera_index", torch.arange(len(CAMERAS)).float(), persistent=False)
        self.register_buffer("lowest", torch.tensor(META_LOWEST[:values]), persistent=False)
        self.register_buffer("highest", torch.tensor(META_HIGHEST[:values]), persistent=False)
        self.register_buffer("frequencies", torch.cat([waves, waves], dim=1), persistent=False)
        # sin(x + pi/2) is cos(x): one operator computes both.
        self.register_buffer("phases", torch.tensor([0.0] * 9 + [math.pi / 2] * 9), persistent=False)
        self.hidden = nn.Linear(len(CAMERAS) + values + self.phases.numel(), hidden)
        self.gain = nn.Linear(hidden, width)
        self.offset = nn.Linear(hidden, width)

    def camera_one_hot(self, meta: Tensor) -> Tensor:
        """(…, 8) rows -> (…, 8) one-hot of the camera; all zero for the index -1 of an unused patch."""
        return (meta[..., :1] == self.camera_index).to(meta.dtype)

    def forward(self, meta: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """(…, columns) metadata rows, (…, 8) their camera one-hot -> gain (…, D) around 1, offset (…, D)."""
        place = torch.minimum(torch.maximum(meta[..., 1:], self.lowest), self.highest)
        waves = torch.sin(place[..., :3] @ self.frequencies + self.phases)
        hidden = torch.relu(self.hidden(torch.cat([camera, place, waves], dim=-1)))
        return 1.0 + self.gain(hidden), self.offset(hidden)


class EgoEncoder(nn.Module):
    """Encode ego motion, further sensors and the route command as one token.

    A vector that is not valid is set to zero, and its flag input is 0.
    """

    ego_scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("ego_scale", torch.tensor(EGO_SCALE), persistent=False)
        size = EGO_SIZE + 1 + PROPRIO_SIZE + 1 + len(COMMANDS)
        self.layers = nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width))

    def forward(
        self, ego: Tensor, ego_valid: Tensor, proprio: Tensor, proprio_valid: Tensor, command: Tensor
    ) -> Tensor:
        """ego (…, 2), proprio (…, 16), flags (…, 1), command (…, 6) -> (…, D)."""
        ego = (ego * self.ego_scale).clamp(-4.0, 4.0) * ego_valid
        proprio = proprio.clamp(-4.0, 4.0) * proprio_valid
        return self.layers(torch.cat([ego, ego_valid, proprio, proprio_valid, command], dim=-1))
