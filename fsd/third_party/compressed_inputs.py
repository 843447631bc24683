"""Our compressor's output as a third-party model's inputs."""

from collections.abc import Mapping

import numpy as np

from fsd.compression.budget import ALL_BUDGETS
from fsd.compression.tick import CompressedTick
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.errors import ModelError
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.third_party.input_fields import CompressedInput


class CompressedInputs:
    """Writes the tensors of a `CompressedInput`, with the values that our own network receives."""

    def __init__(self, compressed: CompressedInput, tensors: Mapping[str, np.ndarray]) -> None:
        self._buffers = InputBuffers(ALL_BUDGETS[compressed.budget])
        self._targets = {tensor: tensors[name] for tensor, name in compressed.tensors.items()}

    def load(self, tick: CompressedTick | None, ego: EgoSample | None, command: str) -> None:
        """Copy one tick in.

        Raises:
            ModelError: there is no compressed tick, or it has another budget.
        """
        if tick is None:
            raise ModelError("The adapter has `compressed` inputs, and no compressor ran.", field="compressed")
        self._buffers.load(TickInput(tick, ego, command if command in COMMANDS else "none"))
        for name, target in self._targets.items():
            target[...] = self._buffers.arrays[name].reshape(target.shape)
