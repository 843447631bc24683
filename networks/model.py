"""The driving network: from one tick of compressed cameras, and the memory of earlier ticks, to a plan.

Inputs and outputs are those of `contract.py`, with any number of leading batch axes. The network keeps no state: it
returns one memory slot; its caller (engine, trainer, calibration) writes that into the slots named by the compressor
and passes the memory in at the next tick.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd.compression.tick import RETINA_TOKENS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.networks.attention import MASKED, MemoryAttention, TokenAttention
from fsd.networks.config import NetworkConfig
from fsd.networks.contract import KEY_SIZE, LIGHTS, OCCUPANCY_COLUMNS, OCCUPANCY_ROWS, SLOT_TOKENS
from fsd.networks.encoders import (
    CELL,
    MAX_AGE_S,
    EgoEncoder,
    GeometryEncoder,
    PatchEncoder,
    RetinaEncoder,
    normalise_pixels,
)
from fsd.networks.plan_head import PlanHead

TOKEN_ROWS, TOKEN_COLUMNS = GRID_ROWS // CELL, GRID_COLUMNS // CELL
SCENE_ROWS, SCENE_COLUMNS = 4, 4
"""The 16 scene tokens are a coarse map: each predicts 6 x 4 cells of the occupancy grid around the car."""

MAX_LEAD_M = 100.0

IMAGE_INPUTS = ("retina", "retina_meta", "patches", "patch_meta", "camera_valid", "camera_age_s")
EGO_INPUTS = ("ego", "ego_valid", "proprio", "proprio_valid", "command")
PLAN_INPUTS = ("memory_k", "memory_v", "memory_pose", "memory_valid", "ego", "ego_valid", "command")
"""Inputs of `DrivingNetwork.encode`, of its `ego_encoder`, and of `decide`."""


def select(inputs: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Some of the inputs, as keyword arguments."""
    return {name: inputs[name] for name in names}


class DrivingNetwork(nn.Module):
    """Cameras to plan. See `contract.py` for names, shapes and units; … stands for leading batch axes."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        budget, width = config.budget, config.width
        image_hw = (budget.base_height_px // 2, budget.base_width_px // 2)

        self.retina = RetinaEncoder(image_hw, config.retina_channels, config.retina_blocks, width)
        self.patch = PatchEncoder(config.patch_channels, config.patch_blocks, width)
        self.geometry = GeometryEncoder(width)
        self.content_norm = nn.LayerNorm(width)
        self.missing_camera = nn.Parameter(torch.randn(width) * 0.1)
        self.camera_age = nn.Parameter(torch.zeros(width))
        self.ego_encoder = EgoEncoder(width)
        self.queries = nn.Parameter(torch.randn(SLOT_TOKENS + config.plan_queries, width) * 0.3)

        heads, mlp_ratio = config.heads, config.mlp_ratio
        self.joint_blocks = nn.ModuleList(TokenAttention(width, heads, mlp_ratio) for _ in range(config.joint_layers))
        self.memory_attention = MemoryAttention(width, heads, mlp_ratio)
        self.cross_attention = nn.ModuleList(
            TokenAttention(width, heads, mlp_ratio) for _ in range(config.cross_layers)
        )
        self.final_norm = nn.LayerNorm(width)

        self.plan_head = PlanHead(config.plan_queries * width)
        self.to_key = nn.Sequential(nn.Linear(width, KEY_SIZE), nn.LayerNorm(KEY_SIZE))
        self.to_value = nn.Sequential(nn.Linear(width, KEY_SIZE), nn.LayerNorm(KEY_SIZE))
        self.saliency_head = nn.Linear(width, CELL * CELL)
        # Predicted from the plan's features, so that these auxiliary losses shape them.
        self.lead_distance = nn.Linear(config.plan_queries * width, 1)
        self.lead_exists = nn.Linear(config.plan_queries * width, 1)
        self.light_head = nn.Linear(config.plan_queries * width, len(LIGHTS))
        self.occupancy_head = nn.Linear(width, OCCUPANCY_ROWS * OCCUPANCY_COLUMNS // SLOT_TOKENS)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """All inputs of the contract by name -> all outputs by name."""
        content = self.encode(**select(inputs, IMAGE_INPUTS))
        ego_token = self.ego_encoder(**select(inputs, EGO_INPUTS))
        return self.decide(content, ego_token, **select(inputs, PLAN_INPUTS))

    def encode(
        self,
        retina: Tensor,
        retina_meta: Tensor,
        patches: Tensor,
        patch_meta: Tensor,
        camera_valid: Tensor,
        camera_age_s: Tensor,
    ) -> "Content":
        """Encode the images of a tick as tokens; nearly all of the network's arithmetic, without the memory."""
        lead = retina.shape[:-4]
        retina_tokens = self.retina(normalise_pixels(retina.flatten(0, -4)))  # (B*N, 12, D)
        patch_tokens = self.patch(normalise_pixels(patches.flatten(0, -4)))  # (B*K, D)
        retina_tokens = retina_tokens.reshape(*lead, -1, self.config.width)
        tokens = torch.cat([retina_tokens, patch_tokens.reshape(*lead, -1, self.config.width)], dim=-2)
        meta = torch.cat([retina_meta.flatten(-3, -2), patch_meta], dim=-2)  # (…, N*12 + K, 8)
        camera = self.geometry.camera_one_hot(meta)
        gain, offset = self.geometry(meta, camera)
        tokens = self.content_norm(tokens) * gain + offset
        # Mask the features of a missing camera, not its pixels, so that BatchNorm statistics come from real images.
        of_camera = camera @ torch.stack([camera_valid, camera_age_s.clamp(0.0, MAX_AGE_S)], dim=-1)
        seen, age = of_camera[..., :1], of_camera[..., 1:]  # (…, N*12 + K, 1)
        tokens = seen * tokens + (1.0 - seen) * self.missing_camera + age * self.camera_age
        # Retina tokens are never masked (a missing camera has its own embedding); unused patches are.
        retina_count = retina_tokens.shape[-2]
        unused = 1.0 - patch_meta[..., 7].clamp(0.0, 1.0) * seen[..., retina_count:, 0]
        return Content(tokens, functional.pad(unused * MASKED, (retina_count, 0)), retina_count)

    def decide(
        self,
        content: "Content",
        ego_token: Tensor,
        memory_k: Tensor,
        memory_v: Tensor,
        memory_pose: Tensor,
        memory_valid: Tensor,
        ego: Tensor,
        ego_valid: Tensor,
        command: Tensor,
    ) -> dict[str, Tensor]:
        """From tokens, the ego token (…, D) and the memory to all outputs of the contract."""
        ego_token = ego_token.unsqueeze(-2)
        tokens = torch.cat([content.tokens, ego_token, self.queries + ego_token], dim=-2)  # (…, L, D)
        query_start = tokens.shape[-2] - self.queries.shape[0]
        mask = functional.pad(content.mask, (0, tokens.shape[-2] - content.mask.shape[-1]))[..., None, None, :]

        for block in self.joint_blocks:
            tokens = block(tokens, mask)
        context, queries = tokens[..., :query_start, :], tokens[..., query_start:, :]
        queries = self.memory_attention(queries, memory_k, memory_v, memory_pose, memory_valid)
        for block in self.cross_attention:
            queries = block(torch.cat([context, queries], dim=-2), mask, query_start)

        queries = self.final_norm(queries)
        scene, plan = queries[..., :SLOT_TOKENS, :], queries[..., SLOT_TOKENS:, :].flatten(-2)
        outputs = self.plan_head(plan, ego, ego_valid, command)
        saliency = self.saliency_head(context[..., : content.retina_count, :]).unflatten(
            -2, (len(CAMERAS), RETINA_TOKENS)
        )
        outputs["saliency"] = _tile(saliency, TOKEN_ROWS, TOKEN_COLUMNS, GRID_ROWS)
        outputs["new_k"] = self.to_key(scene)
        outputs["new_v"] = self.to_value(scene)
        lead_distance = torch.sigmoid(self.lead_distance(plan)) * MAX_LEAD_M
        outputs["lead"] = torch.cat([lead_distance, self.lead_exists(plan)], dim=-1)
        outputs["light"] = self.light_head(plan)
        outputs["occupancy"] = _tile(self.occupancy_head(scene), SCENE_ROWS, SCENE_COLUMNS, OCCUPANCY_ROWS)
        return outputs


class Content(NamedTuple):
    """The encoded images of a tick.

    `tokens` (…, N*12 + K, D), the first `retina_count` from the retina; `mask` (…, N*12 + K) adds to attention scores.
    """

    tokens: Tensor
    mask: Tensor
    retina_count: int

    def row(self, row: int) -> "Content":
        """One row of a batch with the axes (B, T, …)."""
        return self._replace(tokens=self.tokens[:, row], mask=self.mask[:, row])


def _tile(cells: Tensor, rows: int, columns: int, height: int) -> Tensor:
    """(…, rows * columns, h * w), one small map per token -> (…, rows * h, columns * w), the maps side by side."""
    tile_height = height // rows
    tile_width = cells.shape[-1] // tile_height
    tiles = cells.unflatten(-1, (tile_height, tile_width)).unflatten(-3, (rows, columns)).transpose(-3, -2)
    return tiles.flatten(-2).flatten(-3, -2)
