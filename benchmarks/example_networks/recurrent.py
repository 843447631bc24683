"""Example networks with state: gated cells, shift registers, a key/value cache, and vision and policy in two files."""

import torch
from torch import nn

from example_networks.parts import (
    Encoder,
    Example,
    ExampleNetwork,
    Eye,
    PathHead,
    Pool,
    Size,
    attention,
    front_image,
    image_spec,
    path_output,
    slow_gate_bias,
)
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import EgoInput
from fsd.third_party.state_fields import Link, ShiftRegister, StatePair

SPEED = ((1, 1), torch.float32)
SPEED_INPUT = EgoInput("speed", ("speed_mps",))
RATE_HZ = 12.0
"""Of the examples that do not run at every tick."""


class ConvGru(ExampleNetwork):
    """A convolutional GRU (Ballas et al. 2016) over the features of one image."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, height, columns = size.width // 2, size.height_px // 8, size.width_px // 8
        state = (1, width, height, columns), torch.float32
        self.inputs = {"image": image_spec(size), "speed": SPEED, "hidden_in": state}
        self.outputs = ("path", "hidden_out")
        self.encoder = Encoder(3, width)
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.candidate = nn.Conv2d(2 * width, width, 3, padding=1)
        self.pool, self.head = Pool(width, 2 * width, height, columns), PathHead(2 * width)
        with torch.no_grad():
            self.gates.bias[:width] = slow_gate_bias(width)

    def forward(
        self, image: torch.Tensor, speed: torch.Tensor, hidden_in: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.encoder(image)
        update, reset = torch.sigmoid(self.gates(torch.cat([seen, hidden_in], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([seen, reset * hidden_in], 1)))
        hidden = hidden_in + update * (candidate - hidden_in)
        return self.head(self.pool(hidden), speed), hidden


def conv_gru(size: Size) -> Example:
    adapter = Adapter(
        "convolutional GRU",
        path_output(),
        images=(front_image(size),),
        ego=(SPEED_INPUT,),
        state=(StatePair("hidden_out", "hidden_in"),),
    )
    return Example(adapter, ConvGru(size))


class Lstm(ExampleNetwork):
    """An LSTM, whose cell state adds up what it has seen."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        state = (1, features), torch.float32
        self.inputs = {"image": image_spec(size), "speed": SPEED, "hidden_in": state, "cell_in": state}
        self.outputs = ("path", "hidden_out", "cell_out")
        self.eye, self.cell, self.head = Eye(3, size, features), nn.LSTMCell(features, features), PathHead(features)
        with torch.no_grad():
            self.cell.bias_ih[:features] = slow_gate_bias(features)
            self.cell.bias_ih[features : 2 * features] = -slow_gate_bias(features)

    def forward(
        self, image: torch.Tensor, speed: torch.Tensor, hidden_in: torch.Tensor, cell_in: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        hidden, cell = self.cell(self.eye(image), (hidden_in, cell_in))
        return self.head(hidden, speed), hidden, cell


def lstm(size: Size) -> Example:
    adapter = Adapter(
        "LSTM with two states",
        path_output(),
        images=(front_image(size),),
        ego=(SPEED_INPUT,),
        state=(StatePair("hidden_out", "hidden_in"), StatePair("cell_out", "cell_in")),
        rate_hz=RATE_HZ,
    )
    return Example(adapter, Lstm(size))


class FeatureHistory(ExampleNetwork):
    """A path from the features of now and of eight earlier steps, four steps apart."""

    STEPS, STRIDE = 8, 4

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = size.width
        self.inputs = {
            "image": image_spec(size),
            "speed": SPEED,
            "past_features": ((1, self.STEPS, features), torch.float32),
        }
        self.outputs = ("path", "features")
        self.eye, self.head = Eye(3, size, features), PathHead(2 * features)
        self.over_time = nn.Sequential(nn.Linear((self.STEPS + 1) * features, 2 * features), nn.ReLU())

    def forward(
        self, image: torch.Tensor, speed: torch.Tensor, past_features: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.eye(image)
        known = torch.cat([past_features, features.unsqueeze(1)], 1).flatten(1)
        return self.head(self.over_time(known), speed), features


def feature_history(size: Size) -> Example:
    adapter = Adapter(
        "shift register of features",
        path_output(),
        images=(front_image(size),),
        ego=(SPEED_INPUT,),
        shift_registers=(ShiftRegister("features", "past_features", stride=FeatureHistory.STRIDE),),
    )
    return Example(adapter, FeatureHistory(size))


class CachedTransformer(ExampleNetwork):
    """Causal attention over the last 16 steps; the first layer outputs its new key and value, the second its cache."""

    STEPS, HEADS = 16, 4

    def __init__(self, size: Size) -> None:
        super().__init__()
        features, steps = 2 * size.width, self.STEPS
        past = (1, steps, features), torch.float32
        cache = (1, 2, steps, features), torch.float32
        self.inputs = {"image": image_spec(size), "speed": SPEED, "keys": past, "values": past, "cache_in": cache}
        self.outputs = ("path", "new_key", "new_value", "cache_out")
        self.eye, self.head = Eye(3, size, features), PathHead(features)
        self.position = nn.Parameter(torch.randn(1, steps + 1, features) * 0.1)
        self.norms = nn.ModuleList(nn.LayerNorm(features) for _ in range(5))
        self.projections = nn.ModuleList(nn.Linear(features, 3 * features) for _ in range(2))
        self.results = nn.ModuleList(nn.Linear(features, features) for _ in range(2))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features))
            for _ in range(2)
        )

    def _layer(
        self, index: int, token: torch.Tensor, past_keys: torch.Tensor, past_values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The token after layer `index`, and all keys and values (B, steps + 1, D)."""
        query, key, value = self.projections[index](self.norms[2 * index](token)).chunk(3, 2)
        keys, values = torch.cat([past_keys, key], 1), torch.cat([past_values, value], 1)
        token = token + self.results[index](attention(query, keys + self.position, values, self.HEADS))
        return token + self.mlps[index](self.norms[2 * index + 1](token)), keys, values

    def forward(
        self, image: torch.Tensor, speed: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, cache_in: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        token = self.eye(image).unsqueeze(1)
        token, all_keys, all_values = self._layer(0, token, keys, values)
        token, cached_keys, cached_values = self._layer(1, token, cache_in[:, 0], cache_in[:, 1])
        cache = torch.stack([cached_keys[:, 1:], cached_values[:, 1:]], 1)
        path = self.head(self.norms[4](token).squeeze(1), speed)
        return path, all_keys[:, -1], all_values[:, -1], cache


def cached_transformer(size: Size) -> Example:
    adapter = Adapter(
        "transformer with a cache",
        path_output(),
        images=(front_image(size),),
        ego=(SPEED_INPUT,),
        state=(StatePair("cache_out", "cache_in"),),
        shift_registers=(ShiftRegister("new_key", "keys"), ShiftRegister("new_value", "values")),
        rate_hz=RATE_HZ,
    )
    return Example(adapter, CachedTransformer(size))


class Vision(ExampleNetwork):
    """The first of two files: an image to features."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.inputs, self.outputs = {"image": image_spec(size)}, ("features",)
        self.eye = Eye(3, size, 2 * size.width)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.eye(image),)


class Policy(ExampleNetwork):
    """The second of two files: features to a path, with a GRU."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        features = 2 * size.width
        vector = (1, features), torch.float32
        self.inputs = {"seen": vector, "speed": SPEED, "hidden_in": vector}
        self.outputs = ("path", "hidden_out")
        self.cell, self.head = nn.GRUCell(features, features), PathHead(features)
        with torch.no_grad():  # PyTorch's update gate is the share that stays
            self.cell.bias_ih[features : 2 * features] = -slow_gate_bias(features)

    def forward(
        self, seen: torch.Tensor, speed: torch.Tensor, hidden_in: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.cell(seen, hidden_in)
        return self.head(hidden, speed), hidden


def vision_and_policy(size: Size) -> Example:
    adapter = Adapter(
        "vision and policy",
        path_output(),
        images=(front_image(size),),
        ego=(SPEED_INPUT,),
        state=(StatePair("hidden_out", "hidden_in"),),
        links=(Link("features", "seen"),),
    )
    return Example(adapter, Vision(size), Policy(size))
