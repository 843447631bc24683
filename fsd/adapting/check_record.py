"""What a check keeps of a run: ranges of all tensors, and the plans beside the recorded motion. Judges nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fsd.data.ego import EgoSample
from fsd.outputs.adapter_summary import TensorRange
from fsd.runtime.planner import StepResult
from fsd.third_party.adapter import Adapter

Kind = Literal["image", "state", "other", "output"]


@dataclass
class TensorRecord:
    """One tensor over the steps of the model: `largest` is the largest magnitude at each."""

    name: str
    kind: Kind
    first: np.ndarray
    lowest: float = np.inf
    highest: float = -np.inf
    mean_sum: float = 0.0
    steps: int = 0
    changes: bool = False
    not_finite: int = 0
    most_spread: float = 0.0
    """Largest standard deviation of the tensor's numbers at one step."""
    largest: list[float] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        """Take in the values of one step."""
        self.steps += 1
        self.changes = self.changes or not np.array_equal(values, self.first, equal_nan=values.dtype.kind == "f")
        numbers = values.astype(np.float64).ravel()
        known = numbers[np.isfinite(numbers)]
        self.not_finite += known.size < numbers.size
        if known.size:
            self.lowest, self.highest = min(self.lowest, float(known.min())), max(self.highest, float(known.max()))
            self.mean_sum += float(known.mean())
            self.most_spread = max(self.most_spread, float(known.std()))
        self.largest.append(float(np.abs(known).max()) if known.size else np.nan)

    def summary(self) -> TensorRange:
        """For `summary.json`."""
        is_known = np.isfinite(self.lowest)
        return TensorRange(
            name=self.name,
            kind=self.kind,
            shape=tuple(self.first.shape),
            dtype=str(self.first.dtype),
            lowest=self.lowest if is_known else None,
            highest=self.highest if is_known else None,
            mean=self.mean_sum / self.steps if is_known else None,
            changes=self.changes,
            not_finite=self.not_finite,
        )


class CheckRecord:
    """All ticks of a check.

    Attributes:
        steps: of the model, which may be slower than the ticks.
        tensors: name -> record; of an output that has an input's name, under `name (output)`.
        timestamp_ns, trajectories, curvature_per_m: (T,), (T, 16, 4), (T,) of the plans.
        speed_mps, yaw_rate_rps: (T,) recorded, NaN where unknown.
        replaced: output -> ticks at which it could not be used.
        is_stop: (T,) whether the plan was to stop in place of the network's.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._images = {image.name for image in adapter.images}
        self._state = {pair.input for pair in adapter.state} | {each.input for each in adapter.shift_registers}
        self.tensors: dict[str, TensorRecord] = {}
        self.replaced: dict[str, int] = {}
        self.steps = 0
        self._plans: list[np.ndarray] = []
        self._rows: list[tuple[float, float, float, bool]] = []
        self._times_ns: list[int] = []

    def add(
        self,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, np.ndarray],
        result: StepResult,
        ego: EgoSample | None,
    ) -> None:
        """Take in one tick; arrays are copied where they are kept, and left out between two steps of the model."""
        if result.plan_age_ticks == 0 or result.replaced:
            self.steps += 1
            for name, values in inputs.items():
                kind: Kind = "image" if name in self._images else "state" if name in self._state else "other"
                self._tensor(name, kind, values)
            for name, values in outputs.items():
                self._tensor(f"{name} (output)" if name in inputs else name, "output", values)
        if result.replaced:
            self.replaced[result.replaced] = self.replaced.get(result.replaced, 0) + 1
        plan = result.plan
        self._times_ns.append(plan.timestamp_ns)
        self._plans.append(plan.trajectory.astype(np.float64))
        speed, yaw_rate = (np.nan, np.nan) if ego is None else (ego.speed_mps, ego.yaw_rate_rps)
        self._rows.append((plan.curvature_per_m, speed, yaw_rate, "plan=stop" in plan.health))

    def _tensor(self, name: str, kind: Kind, values: np.ndarray) -> None:
        if name not in self.tensors:
            self.tensors[name] = TensorRecord(name, kind, values.copy())
        self.tensors[name].add(values)

    def of_kind(self, *kinds: Kind) -> list[TensorRecord]:
        """The tensors of these kinds."""
        return [tensor for tensor in self.tensors.values() if tensor.kind in kinds]

    @property
    def ticks(self) -> int:
        return len(self._plans)

    @property
    def timestamp_ns(self) -> np.ndarray:
        return np.array(self._times_ns, np.int64)

    @property
    def trajectories(self) -> np.ndarray:
        return np.stack(self._plans)

    @property
    def curvature_per_m(self) -> np.ndarray:
        return self._column(0)

    @property
    def speed_mps(self) -> np.ndarray:
        return self._column(1)

    @property
    def yaw_rate_rps(self) -> np.ndarray:
        return self._column(2)

    @property
    def is_stop(self) -> np.ndarray:
        return self._column(3).astype(bool)

    def _column(self, index: int) -> np.ndarray:
        return np.array([row[index] for row in self._rows], np.float64)
