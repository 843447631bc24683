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

from fsd.compression.tick import FILLED, RETINA_TOKENS
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.networks.attention import MASKED, MemoryAttention, TokenAttention
from fsd.networks.config import NetworkConfig
from fsd.networks.contract import KEY_SIZE, LIGHTS, OCCUPANCY_COLUMNS, OCCUPANCY_ROWS, SEMANTICS, SLOT_TOKENS
from fsd.networks.encoders import (
    CELL,
    MAX_AGE_S,
    EgoEncoder,
    GeometryEncoder,
    HorizonEncoder,
    PatchEncoder,
    RetinaEncoder,
    normalise_pixels,
)
from fsd.networks.plan_head import PlanHead

TOKEN_ROWS, TOKEN_COLUMNS = GRID_ROWS // CELL, GRID_COLUMNS // CELL
SCENE_ROWS, SCENE_COLUMNS = 4, 4
"""The 16 scene tokens are a coarse map: each predicts 6 x 4 cells of the occupancy grid around the car."""

MAX_LEAD_M = 100.0

IMAGE_INPUTS = ("retina", "retina_outer", "retina_meta", "patches", "patch_meta", "camera_valid", "camera_age_s")
EGO_INPUTS = ("ego", "ego_valid", "proprio", "proprio_valid", "command")
MEMORY_INPUTS = ("memory_k", "memory_v", "memory_pose", "memory_valid")
PLAN_INPUTS = (*MEMORY_INPUTS, "ego", "ego_valid", "command")
"""Inputs of `DrivingNetwork.encode`, of its `ego_encoder`, of `attend` and of `decide`."""


def select(inputs: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Some of the inputs, as keyword arguments; without a fovea there is no `retina_outer`."""
    return {name: inputs[name] for name in names if name in inputs}


class DrivingNetwork(nn.Module):
    """Cameras to plan. See `contract.py` for names, shapes and units; … stands for leading batch axes."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        budget, width = config.budget, config.width
        image_hw = (budget.base_height_px // 2, budget.base_width_px // 2)

        self.retina = RetinaEncoder(image_hw, config.retina_channels, config.retina_blocks, width)
        if budget.fovea is not None:
            outer_hw = (budget.fovea.outer_height_px // 2, budget.fovea.outer_width_px // 2)
            self.retina_outer = RetinaEncoder(outer_hw, config.outer_channels, config.retina_blocks, width)
        if config.has_maps:
            self.horizon = HorizonEncoder(config.retina_channels, width, budget.patch_meta_size)
            self.map_heads = MapHeads(config.retina_channels)
            if budget.fovea is not None:
                self.map_heads_outer = MapHeads(config.outer_channels)
        self.patch = PatchEncoder(config.patch_channels, config.patch_blocks, width)
        self.geometry = GeometryEncoder(width, budget.patch_meta_size)
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

        self.plan_head = PlanHead(config.plan_queries * width, has_hypotheses=config.has_hypotheses)
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
        retina_outer: Tensor | None = None,
    ) -> "Content":
        """Encode the images of a tick as tokens; nearly all of the network's arithmetic, without the memory."""
        lead, width = retina.shape[:-4], self.config.width
        tokens, features = self.retina(normalise_pixels(retina.flatten(0, -4)))  # (B*N, 12, D), (B*N, C, 15, 20)
        groups, maps = [tokens.reshape(*lead, -1, width)], [features]
        if retina_outer is not None:
            tokens, features = self.retina_outer(normalise_pixels(retina_outer.flatten(0, -4)))
            groups, maps = [*groups, tokens.reshape(*lead, -1, width)], [*maps, features]
        patch_tokens = self.patch(normalise_pixels(patches.flatten(0, -4)))  # (B*K, D)
        groups.append(patch_tokens.reshape(*lead, -1, width))
        columns = patch_meta.shape[-1] - retina_meta.shape[-1]  # those that only patches have
        base_meta = functional.pad(retina_meta, (0, columns))
        meta = torch.cat([base_meta.flatten(-3, -2), patch_meta], dim=-2)  # (…, N*12 + K, 8 or 9)
        camera = self.geometry.camera_one_hot(meta)
        if self.config.has_maps:
            horizon_tokens = self.horizon(maps[0])
            groups.append(horizon_tokens.reshape(*lead, -1, width))
            inner = retina.shape[-4]
            of_base = camera[..., : len(CAMERAS) * RETINA_TOKENS, :].unflatten(-2, (len(CAMERAS), RETINA_TOKENS))
            extra = self.horizon.geometry(base_meta[..., :inner, :, :], of_base[..., :inner, :, :])
            meta, camera = (
                torch.cat([all_rows, more.flatten(-3, -2)], dim=-2)
                for all_rows, more in zip((meta, camera), extra, strict=True)
            )
        gain, offset = self.geometry(meta, camera)
        tokens = self.content_norm(torch.cat(groups, dim=-2)) * gain + offset
        # Mask the features of a missing camera, not its pixels, so that BatchNorm statistics come from real images.
        of_camera = camera @ torch.stack([camera_valid, camera_age_s.clamp(0.0, MAX_AGE_S)], dim=-1)
        seen, age = of_camera[..., :1], of_camera[..., 1:]  # (…, N*12 + K + more, 1)
        tokens = seen * tokens + (1.0 - seen) * self.missing_camera + age * self.camera_age
        # Retina tokens are never masked (a missing camera has its own embedding); unused patches are.
        retina_count, patch_count = len(CAMERAS) * RETINA_TOKENS, patches.shape[-4]
        patch_rows = slice(retina_count, retina_count + patch_count)
        unused = 1.0 - patch_meta[..., FILLED].clamp(0.0, 1.0) * seen[..., patch_rows, 0]
        finer = tokens.shape[-2] - retina_count - patch_count
        mask = functional.pad(unused * MASKED, (retina_count, finer))
        return Content(tokens, mask, retina_count, tuple(each.unflatten(0, (*lead, -1)) for each in maps))

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
        context, queries = self.attend(content, ego_token, memory_k, memory_v, memory_pose, memory_valid)
        return self.answer(content, context, queries, ego, ego_valid, command)

    def attend(
        self,
        content: "Content",
        ego_token: Tensor,
        memory_k: Tensor,
        memory_v: Tensor,
        memory_pose: Tensor,
        memory_valid: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """From tokens, the ego token and the memory to context (…, L, D) and queries (…, 16 + plan queries, D)."""
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
        return context, self.final_norm(queries)

    def answer(
        self, content: "Content", context: Tensor, queries: Tensor, ego: Tensor, ego_valid: Tensor, command: Tensor
    ) -> dict[str, Tensor]:
        """All outputs of the contract from what attention found."""
        scene, plan = queries[..., :SLOT_TOKENS, :], queries[..., SLOT_TOKENS:, :].flatten(-2)
        outputs = self.plan_head(plan, ego, ego_valid, command)
        saliency = self.saliency_head(context[..., : content.retina_count, :]).unflatten(
            -2, (len(CAMERAS), RETINA_TOKENS)
        )
        outputs["saliency"] = _tile(saliency, TOKEN_ROWS, TOKEN_COLUMNS, GRID_ROWS)
        if self.config.has_maps:
            outputs["saliency"] = outputs["saliency"] + torch.cat(
                [heads.saliency(features) for heads, features in zip(self._map_heads(), content.maps, strict=True)],
                dim=-3,
            )
        outputs["new_k"] = self.to_key(scene)
        outputs["new_v"] = self.to_value(scene)
        lead_distance = torch.sigmoid(self.lead_distance(plan)) * MAX_LEAD_M
        outputs["lead"] = torch.cat([lead_distance, self.lead_exists(plan)], dim=-1)
        outputs["light"] = self.light_head(plan)
        outputs["occupancy"] = _tile(self.occupancy_head(scene), SCENE_ROWS, SCENE_COLUMNS, OCCUPANCY_ROWS)
        return outputs

    def scenes(self, content: "Content") -> tuple[Tensor, Tensor]:
        """What only training asks for, of all cameras: logits of `SEMANTICS` (…, 8, S, 15, 20), depth (…, 8, 15, 20).

        Depth as the logarithm of metres.
        """
        found = [
            heads.scene(features).split((len(SEMANTICS), 1), dim=-3)
            for heads, features in zip(self._map_heads(), content.maps, strict=True)
        ]
        semantics, depth = (torch.cat(parts, dim=-4) for parts in zip(*found, strict=True))
        return semantics, depth.squeeze(-3)

    def _map_heads(self) -> "list[MapHeads]":
        return [self.map_heads] if self.config.budget.fovea is None else [self.map_heads, self.map_heads_outer]


class MapHeads(nn.Module):
    """What is read from the retina's feature maps, cell by cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_saliency = nn.Conv2d(channels, 1, 1)
        self.to_scene = nn.Conv2d(channels, len(SEMANTICS) + 1, 1)

    def saliency(self, features: Tensor) -> Tensor:
        """(…, M, C, 15, 20) -> (…, M, 15, 20)."""
        return self.to_saliency(features.flatten(0, -4)).unflatten(0, features.shape[:-3]).squeeze(-3)

    def scene(self, features: Tensor) -> Tensor:
        """(…, M, C, 15, 20) -> (…, M, S + 1, 15, 20)."""
        return self.to_scene(features.flatten(0, -4)).unflatten(0, features.shape[:-3])


class Content(NamedTuple):
    """The encoded images of a tick.

    `tokens` (…, N*12 + K, D), the first `retina_count` from the retina, then the patches, then finer ones of the
    horizon if there are any; `mask` (…, N*12 + K) adds to attention scores; `maps` (…, n, C, 15, 20) are the features
    of the cameras with full and of those with smaller base images.
    """

    tokens: Tensor
    mask: Tensor
    retina_count: int
    maps: tuple[Tensor, ...] = ()

    def row(self, row: int) -> "Content":
        """One row of a batch with the axes (B, T, …)."""
        maps = tuple(each[:, row] for each in self.maps)
        return self._replace(tokens=self.tokens[:, row], mask=self.mask[:, row], maps=maps)


def _tile(cells: Tensor, rows: int, columns: int, height: int) -> Tensor:
    """(…, rows * columns, h * w), one small map per token -> (…, rows * h, columns * w), the maps side by side."""
    tile_height = height // rows
    tile_width = cells.shape[-1] // tile_height
    tiles = cells.unflatten(-1, (tile_height, tile_width)).unflatten(-3, (rows, columns)).transpose(-3, -2)
    return tiles.flatten(-2).flatten(-3, -2)
