"""The network under training as a driver for DAgger: PyTorch, one tick at a time, memory as at run time."""

from pathlib import Path

import numpy as np
import torch

from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.weights import load_weights


class TorchStudent:
    """Drives with weights from a safetensors file: the driver of the later rounds of collection."""

    def __init__(self, weights: Path) -> None:
        torch.set_num_threads(1)
        network, _ = load_weights(weights)
        self._network = network.eval()
        self._feeds = InputBuffers(network.config.budget)
        self._inputs = {name: torch.from_numpy(array)[None] for name, array in self._feeds.arrays.items()}

    def reset(self) -> None:
        self._feeds.reset()

    def drive(self, step: TickInput) -> tuple[float, float, np.ndarray]:
        """Curvature 1/m, acceleration m/s² and saliency (8, 15, 20) for one tick; writes the committed memory slots."""
        self._feeds.load(step)
        with torch.inference_mode():
            outputs = {name: value[0].float().numpy() for name, value in self._network(**self._inputs).items()}
        self._feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        return float(outputs["curvature"][0]), float(outputs["acceleration"][0]), outputs["saliency"]
