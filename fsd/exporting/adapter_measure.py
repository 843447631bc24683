"""How far two plans of a third-party model are apart: metres where it has a path, radians where it steers.

Implements `export.plan_measure.PlanMeasure` by what the adapter says of the outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fsd.export.plan_measure import HORIZONS_S, Quantity, Rows
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.third_party.adapter import Adapter
from fsd.third_party.output_fields import LateralOffset, Scalar, Steering, Waypoints
from fsd.third_party.output_reader import OutputReader
from fsd.third_party.paths import point_times_s, read_path, resample

_SCALARS: dict[str, Quantity] = {
    "steering": Quantity("rad", "steering wheel angle"),
    "lateral_offset": Quantity("m", "lateral offset"),
    "curvature_per_m": Quantity("1/m", "curvature"),
    "yaw_rate_rps": Quantity("rad/s", "yaw rate"),
    "acceleration_mps2": Quantity("m/s²", "acceleration"),
    "speed_mps": Quantity("m/s", "speed"),
}
"""Fields of `Outputs` with one number -> what it is; those that steer first."""


@dataclass(frozen=True)
class AdapterMeasure:
    """Reads paths and controls out of the outputs; see `PlanMeasure`.

    A model with a branch for each route command is measured on all of them: the branch that differs most counts.
    """

    adapter: Adapter

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        waypoints = self.adapter.outputs.waypoints
        found: dict[str, Quantity] = {}
        if waypoints is not None:
            found = {f"position_{seconds:g}s": Quantity("m", f"position at {seconds:g} s") for seconds in self._rows}
            found["anywhere"] = Quantity("m", "position at any time")
        return found | {name: _SCALARS[name] for name in self._scalars}

    @property
    def headline(self) -> str:
        """The last position of at most 3 s, or else the first number that steers."""
        positions = [f"position_{seconds:g}s" for seconds in self._rows]
        return positions[-1] if positions else next(iter(self.quantities))

    @property
    def strictest(self) -> str:
        return "anywhere" if self._rows else self.headline

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        waypoints = self.adapter.outputs.waypoints
        fields = [*([waypoints] if waypoints else []), *(each for several in self._scalars.values() for each in several)]
        names = [name for each in fields for name in (each.name, *(p.name for p in each.by_command.values() if p.name))]
        return tuple(dict.fromkeys(names))

    def read(self, outputs: Mapping[str, np.ndarray], /) -> Mapping[str, Rows]:
        """The quantities of one step; a row for each route command that has its own place."""
        found: dict[str, Rows] = {}
        waypoints = self.adapter.outputs.waypoints
        if waypoints is not None:
            paths = [self._path(waypoints, outputs, command) for command in ("none", *waypoints.by_command)]
            found = {f"position_{s:g}s": np.stack([path[row] for path in paths]) for s, row in self._rows.items()}
            found["anywhere"] = np.concatenate([path[: max(self._rows.values()) + 1] for path in paths])
        for name, fields in self._scalars.items():
            commands = ("none", *{command: None for each in fields for command in each.by_command})
            readers = [OutputReader(outputs, command) for command in commands]
            found[name] = np.array([[sum(reader.number(each) for each in fields)] for reader in readers])
        return found

    @cached_property
    def _rows(self) -> dict[float, int]:
        """Seconds ahead -> row of the resampled path, as far as the model's own path reaches; empty without a path."""
        waypoints = self.adapter.outputs.waypoints
        if waypoints is None:
            return {}
        last_s = max(float(point_times_s(waypoints)[-1]), WAYPOINT_STEP_S)
        wanted = [float(seconds) for seconds in HORIZONS_S if seconds <= last_s]
        if not wanted or last_s < HORIZONS_S[-1]:
            wanted.append(int(last_s / WAYPOINT_STEP_S + 1e-6) * WAYPOINT_STEP_S)
        return {seconds: round(seconds / WAYPOINT_STEP_S) - 1 for seconds in dict.fromkeys(wanted)}

    @cached_property
    def _scalars(self) -> dict[str, tuple[Scalar | Steering | LateralOffset, ...]]:
        found = {name: getattr(self.adapter.outputs, name) for name in _SCALARS}
        return {
            name: each if isinstance(each, tuple) else (each,) for name, each in found.items() if each is not None
        }

    def _path(self, waypoints: Waypoints, outputs: Mapping[str, np.ndarray], command: str) -> np.ndarray:
        """(16, 2) x and y, metres."""
        return resample(read_path(waypoints, OutputReader(outputs, command)), 0.0)[:, :2].astype(np.float64)
