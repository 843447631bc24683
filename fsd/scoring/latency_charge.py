"""Charge plans for their latency: find the plan in force at each tick, and carry it to that tick.

After "Towards Streaming Perception" (Li, Wang, Ramanan, ECCV 2020): at every time the newest *finished* output counts,
not the one of the newest image. Assumes perfect odometry between the tick of a plan and the tick that it is scored at.
Works on arrays; does not know where latencies come from.
"""

import numpy as np

from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S, WAYPOINTS
from fsd.scoring.baseline_plans import rotated


def plan_in_force(tick_times_ns: np.ndarray, latency_ms: np.ndarray | float) -> np.ndarray:
    """Which plan the car has at each tick when one computer plans one tick after the other.

    Ticks that arrive while the computer is busy wait; only the newest of them is planned (latest frame wins).

    Args:
        tick_times_ns: (T,) int64, rising; latency_ms: from tick to plan, (T,) or one for all, not negative.

    Returns:
        (T,) int64 index of the newest plan that is ready at each tick; -1 before the first.
    """
    ticks = len(tick_times_ns)
    latency_ns = np.broadcast_to(np.rint(np.asarray(latency_ms, np.float64) * 1e6).astype(np.int64), (ticks,))
    if ticks == 0:
        return np.empty(0, np.int64)
    if not np.isfinite(latency_ms).all() or (latency_ns < 0).any():
        raise ValueError("`latency_ms` must be finite and not negative.")
    planned: list[int] = []
    ready_ns: list[int] = []
    free_ns, tick = int(tick_times_ns[0]), 0
    while tick < ticks:
        start_ns = max(free_ns, int(tick_times_ns[tick]))
        tick = int(np.searchsorted(tick_times_ns, start_ns, side="right")) - 1
        free_ns = start_ns + int(latency_ns[tick])
        planned.append(tick)
        ready_ns.append(free_ns)
        tick += 1
    newest = np.searchsorted(np.array(ready_ns), tick_times_ns, side="right") - 1
    return np.where(newest >= 0, np.array(planned)[newest], -1)


def carried_forward(
    trajectory: np.ndarray, tick_times_ns: np.ndarray, poses: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Transform older plans to each tick: their positions 0.25 … 4.00 s after that tick, in its ego frame.

    Args:
        trajectory: (T, 16, 3+) x m, y m, yaw rad of every tick's own plan.
        tick_times_ns: (T,) int64; poses: (T, 3+) x m, y m, yaw rad of the car in the world at these times.
        chosen: (T,) index of the plan to use at each tick; -1 for none.

    Returns:
        (T, 16, 3) x m, y m, yaw rad; NaN where there is no plan, no pose, or the plan does not reach that far.
    """
    at_s = (tick_times_ns - tick_times_ns[chosen])[:, None] * 1e-9 + WAYPOINT_TIMES_S  # (T, 16) after the plan's tick
    there = _interpolated(trajectory[chosen, :, :3], at_s)
    then = poses[chosen]
    turn = (then[:, 2] - poses[:, 2])[:, None]
    offset = rotated(then[:, :2] - poses[:, :2], -poses[:, 2])[:, None]
    carried = np.concatenate([rotated(there[..., :2], turn) + offset, (there[..., 2] + turn)[..., None]], axis=-1)
    carried[chosen < 0] = np.nan
    return carried


def _interpolated(trajectory: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """(T, Q, 3) each plan at its own times (T, Q), by the cubic through the four nearest waypoints.

    Cubic, since a straight line between waypoints 0.25 s apart cuts a 3 m/s² bend short by 2 cm.
    """
    knots = np.concatenate([np.zeros_like(trajectory[:, :1]), trajectory], axis=1)  # (T, 17, 3), first one at 0 s
    knots[..., 2] = np.unwrap(knots[..., 2], axis=1)
    place = at_s / WAYPOINT_STEP_S
    first = np.clip(np.floor(place).astype(np.int64) - 1, 0, WAYPOINTS - 3)
    s = (place - first)[..., None]
    weights = (
        -(s - 1) * (s - 2) * (s - 3) / 6,
        s * (s - 2) * (s - 3) / 2,
        -s * (s - 1) * (s - 3) / 2,
        s * (s - 1) * (s - 2) / 6,
    )
    rows = np.arange(len(knots))[:, None]
    values = np.asarray(sum(weight * knots[rows, first + offset] for offset, weight in enumerate(weights)))
    values[place > WAYPOINTS + 1e-9] = np.nan
    return values
