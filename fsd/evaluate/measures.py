"""Errors of plans tick by tick, and the uncertainty that a network states against its errors."""

from collections.abc import Sequence

import numpy as np

from fsd.evaluate.labels import Driven
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.runtime.plan import Plan
from fsd.scoring.baseline_plans import Plans

HORIZONS_S = (1, 2, 3, 4)
CURVATURE, ACCELERATION, STEERING = "curvature_per_m", "acceleration_mps2", "steering_wheel_rad"

COLUMNS = (
    *(f"ade_{horizon}s_m" for horizon in HORIZONS_S),
    *(f"fde_{horizon}s_m" for horizon in HORIZONS_S),
    CURVATURE,
    ACCELERATION,
    STEERING,
)
"""Errors of one tick, all positive."""

STATED = (*(f"{axis}_{horizon}s_m" for horizon in (1, 3) for axis in ("along", "across")), CURVATURE, ACCELERATION)
"""Outputs whose stated uncertainty is compared with their error."""

Errors = dict[str, np.ndarray]


def plans_of(plans: Sequence[Plan]) -> Plans:
    """The plans of a network, stacked."""
    return Plans(
        np.stack([each.trajectory for each in plans]).astype(np.float64),
        np.array([each.curvature_per_m for each in plans]),
        np.array([each.acceleration_mps2 for each in plans]),
    )


def errors_of(plans: Plans, labels: Driven) -> Errors:
    """Column of `COLUMNS` -> (T,) error of each tick; NaN where the drive, or the plan, does not tell."""
    offset = plans.trajectory[..., :2] - labels.trajectory[..., :2]
    distance_m = np.hypot(offset[..., 0], offset[..., 1])
    found: Errors = {}
    for horizon in HORIZONS_S:
        steps = round(horizon / WAYPOINT_STEP_S)
        found[f"ade_{horizon}s_m"] = distance_m[:, :steps].mean(axis=1)  # NaN where any is
        found[f"fde_{horizon}s_m"] = np.where(np.isnan(found[f"ade_{horizon}s_m"]), np.nan, distance_m[:, steps - 1])
    found[CURVATURE] = np.abs(plans.curvature_per_m - labels.curvature_per_m)
    found[ACCELERATION] = np.abs(plans.acceleration_mps2 - labels.acceleration_mps2)
    found[STEERING] = np.full(len(labels), np.nan)
    if labels.steering is not None:
        planned, wheel = (
            labels.steering.wheel_angle_rad(each) for each in (plans.curvature_per_m, labels.curvature_per_m)
        )
        found[STEERING] = np.abs(planned - wheel)
    return {name: found[name] for name in COLUMNS}


def stated_ratios(plans: Sequence[Plan], labels: Driven) -> Errors:
    """Output of `STATED` -> (T,) absolute error over the Laplace scale that the network states; NaN where unknown."""
    found: Errors = {}
    for horizon in (1, 3):
        step = round(horizon / WAYPOINT_STEP_S) - 1
        for column, axis in enumerate(("along", "across")):
            planned = np.array([each.trajectory[step, column] for each in plans], np.float64)
            scale = np.array([each.trajectory_scale[step, column] for each in plans], np.float64)
            found[f"{axis}_{horizon}s_m"] = _ratio(planned - labels.trajectory[:, step, column], scale)
    curvature = np.array([(each.curvature_per_m, each.curvature_scale_per_m) for each in plans])
    acceleration = np.array([(each.acceleration_mps2, each.acceleration_scale_mps2) for each in plans])
    found[CURVATURE] = _ratio(curvature[:, 0] - labels.curvature_per_m, curvature[:, 1])
    found[ACCELERATION] = _ratio(acceleration[:, 0] - labels.acceleration_mps2, acceleration[:, 1])
    return {name: found[name] for name in STATED}


def _ratio(error: np.ndarray, scale: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(error) / np.where(scale > 0, scale, np.nan)
