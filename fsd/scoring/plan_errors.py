"""Score plans against the driven path, beside baselines that use no camera.

docs/metrics.md defines every score and names its source. Does not know how plans are made; needs the driven poses of
the whole clip. These are open-loop scores: they compare with one recorded drive, which is not the only good one.
"""

from collections.abc import Mapping

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S, WAYPOINTS
from fsd.scoring.baseline_plans import MIN_DISTANCE_M, Plans, constant_velocity, hold_last, rotated, wrapped
from fsd.scoring.latency_charge import carried_forward, plan_in_force

HORIZONS_S = (1.0, 2.0, 3.0)


def score_run(
    ego: EgoTrack, tick_times_ns: np.ndarray, network: Plans, latency_ms: np.ndarray | float
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Score one replay.

    Args:
        ego: the driven track; tick_times_ns: (T,) int64; network: its plans.
        latency_ms: from tick to plan, (T,) or one for all.

    Returns:
        Plain scores, and latency-charged scores: each planner -> score -> value.
    """
    driven, poses = driven_waypoints(ego, tick_times_ns), ego.poses_at(tick_times_ns)
    planners = _with_baselines(ego, tick_times_ns, network)
    plain = {
        name: _plain_errors(plans, driven, poses[:, 3]) | jitter(plans, tick_times_ns, poses)
        for name, plans in planners.items()
    }
    in_force = plan_in_force(tick_times_ns, latency_ms)
    charged: dict[str, dict[str, float]] = {}
    for name, plans in planners.items():
        carried = carried_forward(plans.trajectory, tick_times_ns, poses, in_force)
        charged[name] = (
            displacement_errors(carried, driven)
            | heading_errors(carried, driven)
            | latency_costs(plans.trajectory, carried, driven)
        )
    return plain, charged


def score_groups(
    ego: EgoTrack, tick_times_ns: np.ndarray, network: Plans, groups: Mapping[str, np.ndarray]
) -> dict[str, dict[str, dict[str, float]]]:
    """Plain scores of groups of ticks, without jitter, which compares a tick with the one before it.

    Args:
        ego, tick_times_ns, network: as of `score_run`; groups: name -> (T,) bool, the ticks of the group.

    Returns:
        Group -> planner -> score -> value.
    """
    driven, poses = driven_waypoints(ego, tick_times_ns), ego.poses_at(tick_times_ns)
    planners = _with_baselines(ego, tick_times_ns, network)
    return {
        group: {
            name: _plain_errors(
                Plans(plans.trajectory[mask], plans.curvature_per_m[mask], plans.acceleration_mps2[mask]),
                driven[mask],
                poses[mask, 3],
            )
            for name, plans in planners.items()
        }
        for group, mask in groups.items()
    }


def _with_baselines(ego: EgoTrack, tick_times_ns: np.ndarray, network: Plans) -> dict[str, Plans]:
    return {
        "network": network,
        "constant_velocity": constant_velocity(ego, tick_times_ns),
        "hold_last": hold_last(ego, tick_times_ns),
    }


def _plain_errors(plans: Plans, driven: np.ndarray, speed_mps: np.ndarray) -> dict[str, float]:
    """Errors of each plan at its own tick."""
    return (
        displacement_errors(plans.trajectory, driven)
        | heading_errors(plans.trajectory, driven)
        | control_errors(plans, driven, speed_mps)
    )


def driven_waypoints(ego: EgoTrack, tick_times_ns: np.ndarray) -> np.ndarray:
    """Where the car went, in the ego frame of each tick.

    Returns:
        (T, 16, 4) x m, y m, yaw rad, v m/s; NaN where the recording does not reach.
    """
    now = ego.poses_at(tick_times_ns)  # (T, 4)
    steps_ns = np.rint(WAYPOINT_TIMES_S * 1e9).astype(np.int64)
    later = ego.poses_at((tick_times_ns[:, None] + steps_ns).ravel()).reshape(len(tick_times_ns), WAYPOINTS, 4)
    position_m = rotated(later[..., :2] - now[:, None, :2], -now[:, None, 2])
    yaw_rad = wrapped(later[..., 2] - now[:, None, 2])
    return np.concatenate([position_m, yaw_rad[..., None], later[..., 3:]], axis=-1)


def driven_ahead(ego: EgoTrack | None, timestamp_ns: int) -> np.ndarray | None:
    """(16, 4) as `driven_waypoints`, of one tick; None without a track.

    Reads only the rows around the tick, since interpolation costs time in proportion to the track's length.
    """
    if ego is None:
        return None
    until_ns = timestamp_ns + round(WAYPOINT_TIMES_S[-1] * 1e9)
    last = len(ego.timestamp_ns) - 1
    first = min(last, max(0, int(np.searchsorted(ego.timestamp_ns, timestamp_ns)) - 1))
    rows = slice(first, max(first, int(np.searchsorted(ego.timestamp_ns, until_ns))) + 1)
    near = EgoTrack(*(getattr(ego, field)[rows] for field in ego.__dataclass_fields__))
    return driven_waypoints(near, np.array([timestamp_ns]))[0]


def displacement_errors(planned: np.ndarray, driven: np.ndarray) -> dict[str, float]:
    """ADE and FDE in metres at each horizon, over the ticks whose whole horizon was recorded.

    Args:
        planned: (T, 16, 2+) positions; driven: (T, 16, 2+), NaN where unknown.

    Returns:
        `ade_1s_m`, `fde_1s_m` … and `ticks_1s`: number of ticks behind each mean; no mean without a tick.
    """
    return _by_horizon(_distance_m(planned, driven), "ade_{}_m", "fde_{}_m", "ticks_{}")


def heading_errors(planned: np.ndarray, driven: np.ndarray) -> dict[str, float]:
    """Mean and final absolute heading error in radians at each horizon: `ahe_1s_rad`, `fhe_1s_rad` …

    Args:
        planned, driven: (T, 16, 3+) x m, y m, yaw rad; NaN where unknown.
    """
    return _by_horizon(np.abs(wrapped(planned[..., 2] - driven[..., 2])), "ahe_{}_rad", "fhe_{}_rad")


def latency_costs(planned: np.ndarray, carried: np.ndarray, driven: np.ndarray) -> dict[str, float]:
    """ADE that latency adds at each horizon, in metres, over the ticks where both errors are known.

    The charged scores alone do not show it: they lack the first ticks, when no plan is ready yet.

    Args:
        planned: (T, 16, 2+) each tick's own plan; carried: the one in force; driven: where the car went.
    """
    return _by_horizon(_distance_m(carried, driven) - _distance_m(planned, driven), "latency_cost_{}_m")


def driven_control(driven: np.ndarray, speed_mps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (1/m) and acceleration (m/s²) of the car over the 0.25 s after each tick.

    Args:
        driven: (T, 16, 4) as of `driven_waypoints`; speed_mps: (T,) at the tick.

    Returns:
        Two (T,) arrays; NaN where unknown, and no curvature below 1 m/s.
    """
    distance_m = np.hypot(driven[:, 0, 0], driven[:, 0, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        curvature = np.where(distance_m > MIN_DISTANCE_M, driven[:, 0, 2] / distance_m, np.nan)
    return curvature, (driven[:, 0, 3] - speed_mps) / WAYPOINT_STEP_S


def control_errors(plans: Plans, driven: np.ndarray, speed_mps: np.ndarray) -> dict[str, float]:
    """Mean absolute error of curvature and acceleration, each with the number of ticks behind it."""
    curvature, acceleration = driven_control(driven, speed_mps)
    return _mean("curvature_mae_per_m", "ticks_curvature", np.abs(plans.curvature_per_m - curvature)) | _mean(
        "acceleration_mae_mps2", "ticks_acceleration", np.abs(plans.acceleration_mps2 - acceleration)
    )


def jitter(plans: Plans, tick_times_ns: np.ndarray, poses: np.ndarray) -> dict[str, float]:
    """How far each plan differs from the plan of the tick before, at the same times.

    Returns:
        `jitter_1s_m` … : mean distance up to a horizon, both plans in one frame by the driven poses;
        `curvature_jitter_per_m`, `acceleration_jitter_mps2`: mean absolute step of the control pair.
    """
    before = carried_forward(plans.trajectory, tick_times_ns, poses, np.arange(len(poses)) - 1)
    scores = _by_horizon(_distance_m(plans.trajectory, before), "jitter_{}_m")
    if len(poses) > 1:
        scores["curvature_jitter_per_m"] = float(np.abs(np.diff(plans.curvature_per_m)).mean())
        scores["acceleration_jitter_mps2"] = float(np.abs(np.diff(plans.acceleration_mps2)).mean())
    return scores


def _distance_m(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(T, 16) distance between the positions of two (T, 16, 2+) trajectories."""
    return np.asarray(np.linalg.norm(one[..., :2] - other[..., :2], axis=-1))


def _by_horizon(errors: np.ndarray, mean: str, final: str = "", count: str = "") -> dict[str, float]:
    """Mean error until each horizon and error at it, over the ticks whose errors until then are all known.

    Args:
        errors: (T, 16), NaN where unknown.
        mean, final, count: names of the results, `{}` for the horizon; an empty name is left out.
    """
    scores: dict[str, float] = {}
    for horizon_s in HORIZONS_S:
        label, steps = f"{horizon_s:g}s", round(horizon_s / WAYPOINT_STEP_S)
        known = np.isfinite(errors[:, :steps]).all(axis=1)
        if count:
            scores[count.format(label)] = int(known.sum())
        if known.any():
            scores[mean.format(label)] = float(errors[known, :steps].mean())
            if final:
                scores[final.format(label)] = float(errors[known, steps - 1].mean())
    return scores


def _mean(name: str, count_name: str, errors: np.ndarray) -> dict[str, float]:
    known = np.isfinite(errors)
    scores: dict[str, float] = {count_name: int(known.sum())}
    if known.any():
        scores[name] = float(errors[known].mean())
    return scores
