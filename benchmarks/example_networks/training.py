"""Train an example on recorded drives: its own inputs, unrolled over time, towards the path that the car drove.

Enough to make errors in metres mean something; nobody should drive with the result.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from example_networks.parts import Example, Target, Tensors
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.third_party.adapter import Adapter
from fsd.third_party.state_fields import ShiftRegister

FILLING_STEPS, UNROLLED_STEPS, BATCH = 20, 12, 4
"""Steps that only fill the state, and steps that are learned from; sequences in a batch."""

TICKS = 32
"""In a batch of a model without state."""

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Drive:
    """The steps of a model on one recording.

    Attributes:
        inputs: by name, (T, 1, ...) in the model's type.
        future: (T, 16, 4) as the contract's `trajectory`; NaN where not recorded.
        curvature_per_m: (T,); command: (T,) index in `COMMANDS`.
    """

    inputs: dict[str, np.ndarray]
    future: np.ndarray
    curvature_per_m: np.ndarray
    command: np.ndarray

    def __len__(self) -> int:
        return len(self.future)

    def target(self, rows: np.ndarray, times_s: Sequence[float]) -> Target:
        columns = [round(time_s / WAYPOINT_STEP_S) - 1 for time_s in times_s]
        return Target(
            torch.from_numpy(self.future[rows][:, columns, :2]).float(),
            torch.from_numpy(self.curvature_per_m[rows]).float(),
            torch.from_numpy(self.command[rows]),
        )


class TrainingState:
    """A model's recurrent inputs as tensors that carry gradients; zero at the start."""

    def __init__(self, adapter: Adapter, example: Example, batch: int) -> None:
        self._adapter = adapter
        specs = {name: spec for part in example.parts for name, spec in part.inputs.items()}
        names = [each.input for each in (*adapter.state, *adapter.shift_registers)]
        self.values = {name: torch.zeros(batch, *specs[name][0][1:]) for name in names}
        self._past = {
            each.input: deque[torch.Tensor](maxlen=each.stride * (self.values[each.input].shape[1] - 1) + 1)
            for each in adapter.shift_registers
        }

    def carry(self, outputs: Tensors) -> None:
        """Take the state for the next step."""
        for pair in self._adapter.state:
            self.values[pair.input] = outputs[pair.output]
        for register in self._adapter.shift_registers:
            self._shift(register, outputs[register.output])

    def _shift(self, register: ShiftRegister, value: torch.Tensor) -> None:
        past, shape = self._past[register.input], self.values[register.input].shape
        past.append(value)
        known = [past[-1 - back] for back in range(0, len(past), register.stride)]
        empty = [torch.zeros_like(value)] * (shape[1] - len(known))
        self.values[register.input] = torch.stack([*empty, *reversed(known)], 1)


def train(example: Example, drives: Sequence[Drive], iterations: int, seed: int = 0) -> float:
    """Train in place by Adam; the mean loss of the last tenth of the iterations. Models without state see single ticks.

    FP16 examples are trained in FP32.
    """
    rng = np.random.default_rng(seed)
    parameters = [weight for part in example.parts for weight in part.train().parameters()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=iterations)
    is_recurrent = bool(example.adapter.state or example.adapter.shift_registers)
    losses = []
    for _ in range(iterations):
        loss = _unrolled_loss(example, drives, rng) if is_recurrent else _single_loss(example, drives, rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    for part in example.parts:
        part.eval()
    return float(np.mean(losses[-max(iterations // 10, 1) :]))


def _known_rows(drive: Drive, times_s: Sequence[float]) -> np.ndarray:
    last = round(times_s[-1] / WAYPOINT_STEP_S)
    return np.flatnonzero(np.isfinite(drive.future[:, :last]).all((1, 2)) & np.isfinite(drive.curvature_per_m))


def _single_loss(example: Example, drives: Sequence[Drive], rng: np.random.Generator) -> torch.Tensor:
    drive = drives[rng.integers(len(drives))]
    rows = rng.choice(_known_rows(drive, example.times_s), TICKS)
    return example.loss(example.run(_batch(drive, rows)), drive.target(rows, example.times_s))


def _unrolled_loss(example: Example, drives: Sequence[Drive], rng: np.random.Generator) -> torch.Tensor:
    drive = drives[rng.integers(len(drives))]
    last = _known_rows(drive, example.times_s)[-1]
    starts = rng.integers(0, max(1, last - FILLING_STEPS - UNROLLED_STEPS), BATCH)
    state = TrainingState(example.adapter, example, BATCH)
    losses = []
    for step in range(FILLING_STEPS + UNROLLED_STEPS):
        with torch.set_grad_enabled(step >= FILLING_STEPS):
            outputs = example.run(_batch(drive, starts + step) | state.values)
        state.carry(outputs)
        if step >= FILLING_STEPS:
            losses.append(example.loss(outputs, drive.target(starts + step, example.times_s)))
    return torch.stack(losses).mean()


def _batch(drive: Drive, rows: np.ndarray) -> dict[str, torch.Tensor]:
    """Some ticks as one batch; FP16 becomes FP32."""
    stacked = {name: torch.from_numpy(values[rows][:, 0]) for name, values in drive.inputs.items()}
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in stacked.items()}
