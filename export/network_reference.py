"""The network in PyTorch as a function of its inputs: what the exported files are compared with."""

from collections.abc import Mapping

import numpy as np
import torch

from fsd.export.onnx_export import contract_outputs
from fsd.export.onnx_runner import MakeFeeds, Reference
from fsd.networks.input_buffers import InputBuffers
from fsd.networks.model import DrivingNetwork


def network_reference(network: DrivingNetwork, device: str = "cpu") -> Reference:
    """A function that runs the network on a device."""
    network.eval().to(device)

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            return {name: value.cpu().numpy() for name, value in contract_outputs(network(**inputs)).items()}

    return run


def network_feeds(network: DrivingNetwork) -> MakeFeeds:
    """Makes the inputs and memory of this network."""
    return lambda: InputBuffers(network.config.budget)
