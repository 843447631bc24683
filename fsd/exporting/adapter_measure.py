"""How far two plans of a third-party model are apart: metres where it has a path, radians where it steers.

Implements `export.plan_measure.PlanMeasure` by what the adapter says of the outputs.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from fsd.export.plan_measure import HORIZONS_S, Quantity, Rows
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS
from fsd.third_party.adapter import Adapter
from fsd.third_party.controls import accelerations
from fsd.third_party.output_checks import plan_reads
from fsd.third_party.output_fields import Waypoints
from fsd.third_party.output_reader import Number
from fsd.third_party.paths import point_times_s
from fsd.third_party.plan_conversion import PlanQuantities, plan_quantities

ANYWHERE = "anywhere"


class AdapterMeasure:
    """Reads paths and controls out of the outputs; see `PlanMeasure`.

    A model with a branch for each route command is measured on all of them: the branch that differs most counts.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self._rows = {} if adapter.outputs.waypoints is None else _rows(adapter.outputs.waypoints)
        self._commands = ("none", *_commands(adapter))

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        outputs = self.adapter.outputs
        found = {f"position_{seconds:g}s": Quantity("m", f"position at {seconds:g} s") for seconds in self._rows}
        if self._rows:
            found[ANYWHERE] = Quantity("m", "position at any time")
        if outputs.steering is not None:
            found["steering"] = Quantity("rad", "steering wheel angle")
        elif outputs.curvature_per_m or outputs.lateral_offset or outputs.yaw_rate_rps:
            found["curvature"] = Quantity("1/m", "curvature")
        if accelerations(outputs) or outputs.speed_mps is not None:
            found["acceleration"] = Quantity("m/s²", "acceleration")
        return found

    @property
    def headline(self) -> str:
        """The last position of at most 3 s, or else what steers."""
        positions = [f"position_{seconds:g}s" for seconds in self._rows]
        return positions[-1] if positions else next(iter(self.quantities))

    @property
    def strictest(self) -> str:
        return ANYWHERE if self._rows else self.headline

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The outputs from which plans are read."""
        return tuple(dict.fromkeys(read.output for read in plan_reads(self.adapter.outputs)))

    def read(self, outputs: Mapping[str, np.ndarray], /) -> Mapping[str, Rows]:
        """The quantities of one step, with rows for each route command that has its own place."""
        plans = [
            plan_quantities(self.adapter, outputs, self.adapter.assumed_speed_mps, command)
            for command in self._commands
        ]
        return {name: np.concatenate([self._values(name, plan) for plan in plans]) for name in self.quantities}

    def _values(self, name: str, plan: PlanQuantities) -> np.ndarray:
        """(rows, 2) positions, or (1, 1) of a control."""
        if name == "steering":
            return np.array([[plan.steering_rad]], np.float64)
        if name == "curvature":
            return np.array([[plan.curvature_per_m]], np.float64)
        if name == "acceleration":
            return np.array([[plan.acceleration_mps2]], np.float64)
        assert plan.trajectory is not None
        path = plan.trajectory[:, :2].astype(np.float64)
        if name == ANYWHERE:
            assert self.adapter.outputs.waypoints is not None
            return path[: _last_row(self.adapter.outputs.waypoints)]
        row = self._rows[float(name.removeprefix("position_").removesuffix("s"))]
        return path[row : row + 1]


def _rows(waypoints: Waypoints) -> dict[float, int]:
    """Seconds ahead -> row of the resampled path: 1, 2, 3 s, as far as the model's own path reaches."""
    last_row = _last_row(waypoints)
    wanted = [round(seconds / WAYPOINT_STEP_S) for seconds in HORIZONS_S]
    if last_row < wanted[-1]:
        wanted = [*(number for number in wanted if number < last_row), last_row]
    return {number * WAYPOINT_STEP_S: number - 1 for number in wanted}


def _last_row(waypoints: Waypoints) -> int:
    """Rows of the resampled path that the model's own path reaches."""
    return min(max(int(point_times_s(waypoints)[-1] / WAYPOINT_STEP_S + 1e-6), 1), WAYPOINTS)


def _plan_fields(adapter: Adapter) -> list[Waypoints | Number]:
    """The fields of `Outputs` that say where to drive and how fast."""
    outputs = adapter.outputs
    steer = (outputs.waypoints, outputs.curvature_per_m, outputs.steering, outputs.lateral_offset, outputs.yaw_rate_rps)
    return [each for each in (*steer, outputs.speed_mps, *accelerations(outputs)) if each is not None]


def _commands(adapter: Adapter) -> list[str]:
    """Route commands for which an output is read elsewhere."""
    return list(dict.fromkeys(command for each in _plan_fields(adapter) for command in each.by_command))
