"""Convert a third-party model's outputs to a plan: the contract's outputs, whatever the model has.

Arithmetic only: it knows neither files nor runtimes. `paths.py` reads paths, `controls.py` what steers and drives.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fsd.networks.contract import output_shapes
from fsd.runtime.plan_limits import impossible_output
from fsd.third_party.adapter import Adapter
from fsd.third_party.controls import (
    CONTROL_HORIZON_S,
    accelerations,
    controls_of_path,
    read_acceleration,
    read_curvature,
    read_steering_rad,
    roll_out,
    steering_field,
)
from fsd.third_party.output_fields import CONTRACT_FIELDS
from fsd.third_party.output_reader import OutputReader, output_of
from fsd.third_party.paths import ModelPath, bounded_scale, read_path, resample, resample_scales, speed_at_start

UNKNOWN_LOGIT = -20.0


class PlanQuantities(NamedTuple):
    """What a model's outputs say, each None where the model has no such output.

    Attributes:
        trajectory: (16, 4) float32, x m, y m, yaw rad, v m/s at 0.25 … 4.00 s.
        curvature_per_m: of whatever steers, left positive; steering_rad: of the steering wheel.
        acceleration_mps2: the model's own, or the one that reaches the speed that it gives.
    """

    trajectory: np.ndarray | None
    curvature_per_m: float | None
    steering_rad: float | None
    acceleration_mps2: float | None


def plan_quantities(
    adapter: Adapter, outputs: Mapping[str, np.ndarray], speed_mps: float | None = None, command: str = "none"
) -> PlanQuantities:
    """Read a model's outputs.

    Args:
        outputs: by name; a number that is not finite makes its quantity not finite.
        speed_mps: of the car; None where unknown: the model's own then, or the assumed one.
        command: selects outputs where the adapter says so.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _read(adapter, OutputReader(outputs, command), speed_mps)[0]


class ConvertedPlan(NamedTuple):
    """A model's outputs under the names of our contract.

    Attributes:
        outputs: as `networks.contract.output_shapes`; what the model does not have is zero, and its scale is 1.
        unusable: the model's output that is not finite, or that no vehicle could follow; empty where the plan is
            usable.
    """

    outputs: dict[str, np.ndarray]
    unusable: str


def needs_speed(adapter: Adapter) -> bool:
    """Whether the path follows from a speed that is not the model's: the recorded one, or else the assumed one."""
    return adapter.outputs.waypoints is None and adapter.outputs.speed_mps is None


def convert_plan(
    adapter: Adapter, raw: Mapping[str, np.ndarray], speed_mps: float | None, command: str = "none"
) -> ConvertedPlan:
    """The contract's outputs of one step; arguments as in `plan_quantities`."""
    fields, reader = adapter.outputs, OutputReader(raw, command)
    outputs = empty_outputs()
    with np.errstate(over="ignore", invalid="ignore"):  # absurd numbers, which are found below
        quantities, path, speed = _read(adapter, reader, speed_mps)
        curvature, acceleration = quantities.curvature_per_m, quantities.acceleration_mps2
        trajectory = quantities.trajectory
        if trajectory is not None:
            path_curvature, path_acceleration = controls_of_path(trajectory, speed)
            curvature = path_curvature if curvature is None else curvature
            acceleration = path_acceleration if acceleration is None else acceleration
        else:
            curvature, acceleration = curvature or 0.0, acceleration or 0.0
            accelerates_s = np.inf if accelerations(fields) else CONTROL_HORIZON_S
            trajectory = roll_out(speed, curvature, acceleration, accelerates_s)
        outputs["trajectory"][:] = trajectory
        outputs["curvature"][:], outputs["acceleration"][:] = curvature, acceleration
        if path is not None:
            outputs["trajectory_scale"][:] = resample_scales(path)
        for name in ("curvature_scale", "acceleration_scale"):
            if (scalar := getattr(fields, name)) is not None:
                outputs[name][:] = bounded_scale(reader.number(scalar))
        for name in CONTRACT_FIELDS:
            if (output := getattr(fields, name)) is not None:
                outputs[name][...] = reader.part(output).reshape(outputs[name].shape)
    return ConvertedPlan(outputs, reader.not_finite or _impossible(adapter, outputs, command))


def empty_outputs() -> dict[str, np.ndarray]:
    """The contract's outputs of a model that has none: zero, no lead, and scales of 1, as in a plan to stop."""
    outputs = {name: np.zeros(shape, dtype) for name, (shape, dtype) in output_shapes().items()}
    outputs["lead"][1] = UNKNOWN_LOGIT
    for name in ("trajectory_scale", "curvature_scale", "acceleration_scale"):
        outputs[name][:] = 1.0
    return outputs


def _read(
    adapter: Adapter, reader: OutputReader, speed_mps: float | None
) -> tuple[PlanQuantities, ModelPath | None, float]:
    """What the outputs say, the path before resampling, and the speed that both start from."""
    fields = adapter.outputs
    path = None if fields.waypoints is None else read_path(fields.waypoints, reader)
    speed = speed_mps
    if speed is None and path is not None:
        speed = speed_at_start(path)
    elif speed is None:
        speed = adapter.assumed_speed_mps if fields.speed_mps is None else reader.number(fields.speed_mps)
    quantities = PlanQuantities(
        None if path is None else resample(path, speed),
        read_curvature(fields, reader, speed),
        read_steering_rad(fields, reader),
        read_acceleration(fields, reader, speed),
    )
    return quantities, path, speed


def _impossible(adapter: Adapter, outputs: Mapping[str, np.ndarray], command: str) -> str:
    """The model's output that no vehicle could follow, or ""."""
    quantity = impossible_output(outputs)
    if quantity == "trajectory" and adapter.outputs.waypoints is None:
        # The path follows from both controls; a possible curvature becomes impossible by the speed.
        controls_alone = {**outputs, "trajectory": np.zeros_like(outputs["trajectory"])}
        quantity = impossible_output(controls_alone) or "acceleration"
    return quantity and source_of(adapter, quantity, command)


def source_of(adapter: Adapter, quantity: str, command: str = "none") -> str:
    """The model's output that `trajectory`, `curvature` or `acceleration` is made of."""
    fields = adapter.outputs
    path, steers = fields.waypoints, steering_field(fields)
    drives = next(iter(accelerations(fields)), fields.speed_mps)
    first = {"trajectory": (path,), "curvature": (steers, path), "acceleration": (drives, path, steers)}[quantity]
    return next(output_of(field, command) for field in first if field is not None)
