"""The example networks by name."""

from collections.abc import Callable

import torch

from example_networks.half_and_compressed import half_precision, on_compressed
from example_networks.parts import Example, Size
from example_networks.recurrent import cached_transformer, conv_gru, feature_history, lstm, vision_and_policy
from example_networks.single_step import (
    backbone,
    conditional,
    large_transformer,
    nhwc_bytes,
    path_mixture,
    pilotnet,
    surround,
)

EXAMPLES: dict[str, Callable[[Size], Example]] = {
    "conv_gru": conv_gru,
    "lstm": lstm,
    "shift_register": feature_history,
    "kv_cache": cached_transformer,
    "surround": surround,
    "nhwc_uint8": nhwc_bytes,
    "conditional": conditional,
    "mixture": path_mixture,
    "two_files": vision_and_policy,
    "large": large_transformer,
    "fp16": half_precision,
    "backbone": backbone,
    "pilotnet": pilotnet,
    "compressed": on_compressed,
}

SEED = 21


def make(name: str, size: Size) -> Example:
    """An example with random weights, the same at each call; in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        example = EXAMPLES[name](size)
    for part in example.parts:
        part.eval()
    return example
