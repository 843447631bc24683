"""Attention over this tick's tokens, and over the memory of earlier ticks.

Softmax and the two products around it stay in float when the network is quantized (their INT8 forms in ONNX Runtime
are wrong without a warning); INT8 speeds up the linear layers. Does not know cameras or plans.
"""

import torch
from torch import Tensor, nn

from fsd.compression.tick import MEMORY_POSE_SIZE
from fsd.networks.contract import KEY_SIZE

MASKED = -1e4
"""Added to the scores of masked tokens: exp of it is 0, and it is finite in half precision."""

POSE_SCALE = (0.02, 0.1, 1.0, 1.0, 0.05, 0.5)
"""Memory pose to about ±1: x 50 m, y 10 m, sin and cos yaw, age 20 s, queue 0-3."""


class Perceptron(nn.Module):
    """The residual two-layer perceptron of a transformer: LayerNorm, widen, ReLU, narrow."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.narrow(torch.relu(self.widen(self.norm(tokens))))


class TokenAttention(nn.Module):
    """One pre-norm transformer layer in which the tokens from `start` on attend to all tokens and are updated."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, width // heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.perceptron = Perceptron(width, mlp_ratio * width)

    def forward(self, tokens: Tensor, mask: Tensor, start: int = 0) -> Tensor:
        """tokens (…, L, D), mask (…, 1, 1, L) added to the scores -> the updated tokens (…, L - start, D)."""
        normed = self.norm(tokens)
        # Normalised again where it is a part: quantizers round the input of a layer, and no two layers share this one.
        query_input = normed if start == 0 else self.norm(tokens[..., start:, :])
        query = self._split(self.query(query_input)) * self.head_size**-0.5  # (…, H, L - start, D/H)
        key, value = self._split(self.key_value(normed)).chunk(2, dim=-3)  # (…, H, L, D/H) each
        weights = torch.softmax(query @ key.transpose(-1, -2) + mask, dim=-1)
        mixed = (weights @ value).transpose(-3, -2).flatten(-2)
        return self.perceptron(tokens[..., start:, :] + self.output(mixed))

    def _split(self, projected: Tensor) -> Tensor:
        """(…, L, n * D) -> (…, n * H, L, D/H)."""
        return projected.unflatten(-1, (-1, self.head_size)).transpose(-3, -2)


class MemoryAttention(nn.Module):
    """Queries attend to the memory: one set of keys and values for all heads, so that a slot stays small (8 KB).

    Where and when a slot was written, relative to the car now, becomes a bias of the scores per head (to select slots
    by place, such as 10 m behind) and an offset of the values (to tell the places apart). With an empty memory the
    result is exactly zero.
    """

    pose_scale: Tensor

    def __init__(self, width: int, heads: int, mlp_ratio: int, pose_hidden: int = 32) -> None:
        super().__init__()
        self.register_buffer("pose_scale", torch.tensor(POSE_SCALE), persistent=False)
        self.heads = heads
        self.pose_hidden = nn.Linear(MEMORY_POSE_SIZE, pose_hidden)
        self.pose_bias = nn.Linear(pose_hidden, heads)
        self.pose_offset = nn.Linear(pose_hidden, KEY_SIZE)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, heads * KEY_SIZE)
        self.output = nn.Linear(heads * KEY_SIZE, width)
        self.perceptron = Perceptron(width, mlp_ratio * width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, pose: Tensor, valid: Tensor) -> Tensor:
        """queries (…, Q, D), keys and values (…, S, 16, 64), pose (…, S, 6), valid (…, S) -> (…, Q, D)."""
        count, tokens = queries.shape[-2], keys.shape[-2]
        scaled = (pose * self.pose_scale).clamp(-4.0, 4.0)
        place = torch.relu(self.pose_hidden(scaled))
        bias = self.pose_bias(place) + ((1.0 - valid) * MASKED).unsqueeze(-1)  # (…, S, H)
        # Expand over a slot's tokens here, where it is small: broadcasting over the scores costs three times more.
        bias = bias.transpose(-1, -2).unsqueeze(-1)
        bias = bias.expand(*bias.shape[:-1], tokens).flatten(-2).unsqueeze(-2)  # (…, H, 1, S*16)
        keys = keys.flatten(-3, -2).transpose(-1, -2)  # (…, 64, S*16)
        values = (values + self.pose_offset(place).unsqueeze(-2)).flatten(-3, -2)  # (…, S*16, 64)

        query = self.query(self.norm(queries)) * KEY_SIZE**-0.5
        query = query.unflatten(-1, (self.heads, KEY_SIZE)).transpose(-3, -2)  # (…, H, Q, 64)
        # One product for all heads, since they share the keys.
        scores = (query.flatten(-3, -2) @ keys).unflatten(-2, (self.heads, count))
        weights = torch.softmax(scores + bias, dim=-1)  # (…, H, Q, S*16)
        found = (weights.flatten(-3, -2) @ values) * valid.amax(dim=-1)[..., None, None]
        found = found.unflatten(-2, (self.heads, count)).transpose(-3, -2).flatten(-2)
        return self.perceptron(queries + self.output(found))
