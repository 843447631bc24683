"""Two planners on the same ticks, of which the second checks the first: `CrossCheckedPlanner`.

The first one's plan is the result. Both get the same compressed tick, chosen by the first one's gaze, and each keeps
its own recurrent state, so what differs was computed differently.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.data.frames import FrameSet
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.runtime.array_pair import ArrayPair
from fsd.runtime.divergence import UNITS, CrossCheckSettings, Difference, Part, TickDivergence
from fsd.runtime.plan import Plan
from fsd.runtime.planner import Planner, StepResult

_ROW_3S = round(3 / WAYPOINT_STEP_S) - 1
_PARTS: tuple[Part, ...] = ("state", "saliency", "plan", "detections")
_PART_OF: dict[str, Part] = {
    "saliency": "saliency",
    "lead": "detections",
    "light": "detections",
    "occupancy": "detections",
}
"""Output -> part, other than the plan and the state."""

_PLAN_OUTPUT = {
    "waypoints_m": "trajectory",
    "waypoint_3s_m": "trajectory",
    "curvature_per_m": "curvature",
    "acceleration_mps2": "acceleration",
}


class CrossCheckedPlanner:
    """The first planner, checked by the second; see `Planner`.

    Args:
        first: its plans are the results, and its compressor serves both.
        second: gets the same compressed ticks, or the same frame sets if the first has no compressor.
        settings: how far the two may differ.

    Raises:
        ModelError: the two networks take ticks of different budgets.
    """

    def __init__(self, first: Planner, second: Planner, settings: CrossCheckSettings) -> None:
        one, other = first.metadata.budget, second.metadata.budget
        if one is not None and other is not None and one != other:
            raise ModelError(
                f"{second.model} takes ticks of budget {other.name}, and {first.model} of {one.name}. Give "
                "`--cross-check` a model of the same budget."
            )
        self.first, self.second, self.settings = first, second, settings
        self.model, self.models = first.model, first.models
        self.metadata = replace(first.metadata, cross_check=settings)

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """Those of the first planner."""
        return self.first.inputs

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """Those of the first planner."""
        return self.first.outputs

    def reset(self) -> None:
        """Clear the state of both."""
        self.first.reset()
        self.second.reset()

    def warm_up(self, frame_set: FrameSet) -> None:
        """Warm up both."""
        self.first.warm_up(frame_set)
        self.second.warm_up(frame_set)

    def step(
        self,
        frame_set: FrameSet,
        ego: EgoSample | None = None,
        command: str = "none",
        compressed: CompressedTick | None = None,
    ) -> StepResult:
        """Plan for one tick with both, and compare; the stages of the result are those of the first."""
        result = self.first.step(frame_set, ego, command, compressed)
        start_ns = time.perf_counter_ns()
        other = self.second.step(frame_set, ego, command, result.compressed)
        planned_ns = time.perf_counter_ns()
        answers = Answer.of(self.first, result.plan), Answer.of(self.second, other.plan)
        values, alarms = compare_answers(*answers, self.settings)
        compared_ns = time.perf_counter_ns()
        divergence = TickDivergence(values, alarms, (planned_ns - start_ns) / 1e6, (compared_ns - planned_ns) / 1e6)
        return replace(result, divergence=divergence)

    def rerun_last(self) -> float:
        """Run the first network alone once more."""
        return self.first.rerun_last()


class Answer(NamedTuple):
    """What a network made of one tick: its outputs, the inputs with the state after it, and the plan.

    `state` are pairs (output, input), as in `PlannerMetadata`.
    """

    state: Sequence[tuple[str, str]]
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    plan: Plan

    @classmethod
    def of(cls, planner: Planner, plan: Plan) -> "Answer":
        """A planner's, right after the step that returned `plan`; valid until the next one."""
        return cls(planner.metadata.state, planner.inputs, planner.outputs, plan)


def compare_answers(
    first: Answer, second: Answer, settings: CrossCheckSettings
) -> tuple[dict[str, float | None], tuple[Difference, ...]]:
    """Differences by name of `UNITS`, and what is over its limit, in the order of the data."""
    arrays = _shared_arrays(first, second)
    values: dict[str, float | None] = dict.fromkeys(UNITS)
    values |= _plan_differences(first.plan, second.plan)
    values |= {name: 0.0 for array in arrays for name in array.measures}
    found = [Difference("plan", _PLAN_OUTPUT[name]) for name in _PLAN_OUTPUT if settings.is_over(name, values[name])]
    for array in arrays:
        if array.is_same():
            continue
        measured = array.differences()
        values |= {name: max(value, values[name] or 0.0) for name, value in measured.items()}
        if settings.is_exact or any(settings.is_over(name, value) for name, value in measured.items()):
            found.append(Difference(array.part, array.name))
    if first.plan.health != second.plan.health:  # one of the two had no finite output
        found.append(Difference("plan", "health"))
    return values, tuple(sorted(dict.fromkeys(found), key=lambda each: _PARTS.index(each.part)))


def _shared_arrays(first: Answer, second: Answer) -> list[ArrayPair]:
    """The recurrent state and the outputs that both have in the same shape."""
    shared = [pair for pair in first.state if pair in second.state]
    carried = {output for output, _ in shared}
    found = [ArrayPair("state", name, first.inputs[name], second.inputs[name]) for _, name in shared]
    for name, array in first.outputs.items():
        if name in second.outputs:
            part = "state" if name in carried else _PART_OF.get(name, "plan")
            found.append(ArrayPair(part, name, array, second.outputs[name]))
    return [pair for pair in found if pair.first.shape == pair.second.shape]


def _plan_differences(plan: Plan, other: Plan) -> dict[str, float]:
    """The difference of two plans by name of `UNITS`."""
    offset_m = plan.trajectory[:, :2].astype(np.float64) - other.trajectory[:, :2]
    distance_m = np.hypot(offset_m[:, 0], offset_m[:, 1])
    return {
        "waypoints_m": float(distance_m.max()),
        "waypoint_3s_m": float(distance_m[_ROW_3S]),
        "curvature_per_m": abs(plan.curvature_per_m - other.curvature_per_m),
        "acceleration_mps2": abs(plan.acceleration_mps2 - other.acceleration_mps2),
    }
