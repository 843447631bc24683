"""A third-party model's recurrent inputs: pairs, memory slots and shift registers, carried from step to step.

Arrays only: it knows neither runtimes nor plans. `output_checks.py` has checked that the fields fit the model.
"""

from collections.abc import Mapping

import numpy as np

from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import Adapter
from fsd.third_party.state_fields import ShiftRegister, state_pairs, state_size


class ModelState:
    """The inputs that a model's own outputs fill.

    Args:
        adapter: names the pairs and shift registers, and the shapes of inputs with free axes.
        signature: of the model's inputs; only the recurrent ones are used.

    Attributes:
        arrays: input -> array for the next run, allocated once and never replaced.
    """

    def __init__(self, adapter: Adapter, signature: Signature) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        for _, name in state_pairs(adapter.state, adapter.shift_registers):
            shape, dtype = signature[name]
            self.arrays[name] = np.zeros(adapter.shapes.get(name, shape), dtype)
        self._pairs = adapter.state
        self._registers = [_Register(each, self.arrays[each.input]) for each in adapter.shift_registers]
        self.reset()

    def reset(self) -> None:
        """Set every input to its `reset` value, as at the start of a clip."""
        for pair in self._pairs:
            self.arrays[pair.input].fill(pair.reset)
        for register in self._registers:
            register.reset()

    def carry(self, outputs: Mapping[str, np.ndarray], commit_slots: np.ndarray | None = None) -> None:
        """Write a step's outputs into the inputs of the next one.

        Args:
            outputs: by name, at least those of `carried_parts`.
            commit_slots: for pairs with `slots`, the rows of the input that the output is written into; -1 is none.
        """
        for pair in self._pairs:
            target = self.arrays[pair.input]
            if not pair.slots:
                target[...] = _part(outputs[pair.output], pair.start, target.size).reshape(target.shape)
                continue
            for slot in () if commit_slots is None else commit_slots:
                if slot >= 0:
                    row = target[slot]
                    row[...] = _part(outputs[pair.output], pair.start, row.size).reshape(row.shape)
        for register in self._registers:
            if register.field.delay:
                register.append(outputs)

    def carry_within(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Write the outputs of one of several models into registers without a delay, for the next of them.

        A value that is not finite is left out: `carry` is not called for a step that cannot be used.
        """
        for register in self._registers:
            is_filled = not register.field.delay and register.field.output in outputs
            if is_filled and np.isfinite(register.newest(outputs)).all():
                register.append(outputs)

    def carried_parts(self, outputs: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
        """(output, the part of it that `carry` reads), flat; parts share memory with `outputs`."""
        parts = [
            (pair.output, _part(outputs[pair.output], pair.start, state_size(pair, self.arrays[pair.input].shape)))
            for pair in self._pairs
        ]
        return parts + [(register.field.output, register.newest(outputs)) for register in self._registers]


class _Register:
    """One shift register: a ring of all steps that lie between its oldest and its newest value."""

    def __init__(self, field: ShiftRegister, array: np.ndarray) -> None:
        self.field = field
        self._values = np.moveaxis(array, field.axis, 0)  # a view: oldest first
        length = len(self._values)
        steps = (length - 1) * field.stride + max(field.delay, 1)
        self._ring = np.zeros((steps, *self._values.shape[1:]), array.dtype)
        self._ages = np.arange(length) * field.stride  # steps after the oldest value
        self._next = 0

    def reset(self) -> None:
        self._ring.fill(self.field.reset)
        self._values.fill(self.field.reset)
        self._next = 0

    def newest(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return _part(outputs[self.field.output], self.field.start, self._ring[0].size)

    def append(self, outputs: Mapping[str, np.ndarray]) -> None:
        self._ring[self._next] = self.newest(outputs).reshape(self._ring.shape[1:])
        self._next = (self._next + 1) % len(self._ring)  # where the oldest value now is
        self._values[...] = self._ring[(self._next + self._ages) % len(self._ring)]


def _part(output: np.ndarray, start: int | None, size: int) -> np.ndarray:
    """The whole output, or `size` numbers of it from `start` on; flat."""
    flat = output.reshape(-1)
    return flat if start is None else flat[start : start + size]
