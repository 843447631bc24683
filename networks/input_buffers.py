"""The network's inputs as arrays that are allocated once, with the recurrent memory among them.

The engine, calibration and the parity check all write the memory with this code, so that what was calibrated and
checked is what runs. Arrays only: it does not know which runtime reads them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.picture_reader import GREY
from fsd.compression.tick import CompressedTick
from fsd.data.ego import COMMANDS, EgoSample
from fsd.data.errors import ModelError
from fsd.networks.contract import input_shapes

TICK_INPUTS = (
    "retina",
    "retina_outer",
    "retina_meta",
    "patches",
    "patch_meta",
    "camera_valid",
    "camera_age_s",
    "memory_pose",
    "memory_valid",
)
"""Inputs that a `CompressedTick` holds under the same name; without a fovea there is no `retina_outer`."""

_OF_PATCHES = ("patches", "patch_meta")


class TickInput(NamedTuple):
    """What one tick of inference takes: the compressed images, the car's motion and the route command."""

    tick: CompressedTick
    ego: EgoSample | None = None
    command: str = "none"


class InputBuffers:
    """Every network input by name, contiguous and never reallocated; `arrays` may be bound to a runtime once.

    `memory_k` and `memory_v` are the recurrent state: `commit` writes them, `reset` empties them. Where the budget has
    a `patch_count_max`, ticks may have fewer patches: the slots after them are unused ones.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in input_shapes(budget).items()}
        self._takes_fewer = budget.patch_slots > budget.patch_count
        self._tick_inputs = [name for name in TICK_INPUTS if name in self.arrays]
        self._command_index = {command: index for index, command in enumerate(COMMANDS)}

    def load(self, given: TickInput) -> None:
        """Copy one tick in; an ego sample that is not finite counts as none.

        Raises:
            ModelError: the tick was compressed to another budget, or the command is not one of `COMMANDS`.
        """
        self._empty_slots(len(given.tick.patches))
        for name in self._tick_inputs:
            target, source = self.arrays[name], getattr(given.tick, name)
            if name in _OF_PATCHES and self._takes_fewer:
                target = target[: len(source)]
            if source is None or source.shape != target.shape:
                sent = None if source is None else source.shape
                raise ModelError(
                    f"The network takes `{name}` of shape {target.shape} (budget {self.budget.name}), but the "
                    f"compressor sent {sent}. Use a model and a compressor of the same budget."
                )
            np.copyto(target, source)
        ego = given.ego
        known = ego is not None and bool(np.isfinite(ego.speed_mps) and np.isfinite(ego.yaw_rate_rps))
        self.arrays["ego"][:] = (ego.speed_mps, ego.yaw_rate_rps) if ego is not None and known else 0.0
        self.arrays["ego_valid"][0] = known
        self._load_proprio(None if ego is None else ego.proprio)
        if given.command not in self._command_index:
            raise ModelError(f"There is no route command {given.command!r}; use one of {', '.join(COMMANDS)}.")
        self.arrays["command"][:] = 0.0
        self.arrays["command"][self._command_index[given.command]] = 1.0

    def _load_proprio(self, values: tuple[float, ...] | None) -> None:
        """Further sensors of a robot; what is not given is zero, and values that are not finite count as none."""
        target = self.arrays["proprio"]
        if values is not None and len(values) > len(target):
            raise ModelError(
                f"The network takes {len(target)} numbers of `proprio`, got {len(values)}. Leave some out."
            )
        is_known = values is not None and len(values) > 0 and bool(np.isfinite(values).all())
        self.arrays["proprio_valid"][0] = is_known
        target[:] = 0.0
        if values is not None and is_known:
            target[: len(values)] = values

    def _empty_slots(self, first: int) -> None:
        """Make the patch slots from `first` on unused ones; nothing to do where every tick fills all."""
        if self._takes_fewer:
            self.arrays["patches"][first:] = GREY
            self.arrays["patch_meta"][first:] = 0
            self.arrays["patch_meta"][first:, 0] = -1

    def commit(self, commit_slots: np.ndarray, new_k: np.ndarray, new_v: np.ndarray) -> None:
        """Write the tick's keys and values into every slot of `commit_slots`; -1 is none."""
        for slot in commit_slots:
            if slot >= 0:
                self.arrays["memory_k"][slot] = new_k
                self.arrays["memory_v"][slot] = new_v

    def carry(self, given: TickInput, outputs: Mapping[str, np.ndarray]) -> None:
        """Write the outputs of a tick into the slots that its compressor named."""
        self.commit(given.tick.commit_slots, outputs["new_k"], outputs["new_v"])

    def reset(self) -> None:
        """Forget everything, as at the start of a clip."""
        for array in self.arrays.values():
            array.fill(0)
