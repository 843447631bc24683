"""The route command as a model's inputs: now, or over its last steps."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from fsd.third_party.input_fields import CommandInput


class CommandInputs:
    """Writes the command inputs of a model; one call of `load` is one step."""

    def __init__(self, inputs: tuple[CommandInput, ...], tensors: Mapping[str, np.ndarray]) -> None:
        self._inputs = [_Input(entry, tensors[entry.name]) for entry in inputs]

    def reset(self) -> None:
        """Forget all earlier commands."""
        for entry in self._inputs:
            entry.reset()

    def load(self, command: str) -> None:
        """Take one step's command in; those that the adapter leaves out count as `none`."""
        for entry in self._inputs:
            entry.load(command)


class _Input:
    """One input: the vectors of its last steps, oldest first; `none` before the first."""

    def __init__(self, entry: CommandInput, target: np.ndarray) -> None:
        self._entry, self._target = entry, target
        self._vectors = {command: np.array(vector) for command, vector in entry.values.items()}
        self._past: deque[np.ndarray] = deque(maxlen=entry.steps * entry.stride)
        self.reset()

    def reset(self) -> None:
        self._before = "none"
        self._past.extend([self._vectors["none"]] * (self._entry.steps * self._entry.stride))

    def load(self, command: str) -> None:
        is_new = command != self._before
        self._before = command
        vector = self._vectors.get(command, self._vectors["none"])
        self._past.append(vector if is_new or not self._entry.pulse else self._vectors["none"])
        values = np.stack(self._past).reshape(self._entry.steps, self._entry.stride, -1).max(axis=1)
        self._target[...] = values.reshape(self._target.shape)
