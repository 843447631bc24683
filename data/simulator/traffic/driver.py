"""The driving law: pure pursuit to steer, IDM for speed, gap acceptance before crossing or changing lanes.

`drive` gives the controls for a situation; `roll_out` applies them repeatedly to predict the drive. Both work on plain
arrays in road coordinates (s along, d left), so that a whole label costs a fraction of a millisecond.

Sources: R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01; M. Treiber,
A. Hennecke, D. Helbing, Congested traffic states in empirical observations and microscopic simulations, Phys. Rev. E
62 (2000), eq. 2-3; A. Kesting, M. Treiber, D. Helbing, General lane-changing model MOBIL, TRR 1999 (2007).
"""

import math
from typing import NamedTuple

import numpy as np

from fsd.data.kernel import kernel
from fsd.data.simulator.roads.path import STEP_M, pose_on_path, project_on_path
from fsd.data.simulator.traffic.dynamics import FRONT_M, HALF_WIDTH_M, MAX_CURVATURE, REAR_M

ACCELERATION_MPS2, COMFORTABLE_BRAKE_MPS2 = 1.9, 2.4
HARDEST_BRAKE_MPS2 = 7.5
HEADWAY_S, STANDSTILL_GAP_M = 1.25, 2.6

BEFORE_S, AFTER_S = 0.8, 0.2
"""Time between the ego car and another at a conflict of uncertain times: when the ego car goes first, or second."""

LEAST_LEFT = 0.3
"""At least this share of a distance is left by a driver who brakes early."""

VEHICLE_COLUMNS = 6
"""Row of a vehicle near the road: s of its middle, d, speed along, speed to the left, half length, half width."""

CONFLICT_COLUMNS = 6
"""Row of a conflict: s where it begins and ends, s to wait at, times between which it is occupied, and how uncertain
these times are: 0 decides between going and waiting, more seconds change gradually from the one to the other."""

SLOW_COLUMNS = 2
"""Row of a place to pass slowly: s, and the speed there."""

SLOWING_MPS2 = 1.3
"""Braking before a place to pass slowly."""


class Situation(NamedTuple):
    """What a driver knows at one moment; other road users continue from there at constant speed.

    Attributes:
        route: (n, 4) points of the road's centre line; profile: (n,) target speed at each of them.
        source_d, target_d: offsets of the current lane and of the target lane.
        vehicles: (m, `VEHICLE_COLUMNS`) vehicles on the road near the ego car.
        conflicts: (c, `CONFLICT_COLUMNS`) places that other road users will cross.
        stops: (k,) distances along the route of lines to stop at.
        ego: x, y, heading, speed, s, d of the rear axle.
        slow: (p, `SLOW_COLUMNS`) places to pass slowly.
        early_s: the driver brakes as if lines and vehicles ahead were so much driving time nearer.
    """

    route: np.ndarray
    profile: np.ndarray
    source_d: float
    target_d: float
    vehicles: np.ndarray
    conflicts: np.ndarray
    stops: np.ndarray
    ego: np.ndarray
    slow: np.ndarray
    early_s: float = 0.0


@kernel
def free_acceleration(speed: float, wanted: float) -> float:
    """IDM on a free road; above the wanted speed gentle braking instead of the fourth power."""
    if speed <= wanted:
        return ACCELERATION_MPS2 * (1.0 - (speed / max(wanted, 0.1)) ** 4)
    return -min(3.2, 1.6 * (speed - wanted) + 0.1)


@kernel
def follow_acceleration(
    speed: float, wanted: float, gap: float, closing: float, headway: float, standstill: float
) -> float:
    """IDM behind something `gap` metres ahead that approaches at `closing` m/s.

    Combined with the constant-acceleration heuristic, so that a short gap alone (such as after a cut-in) does not cause
    an emergency stop. Source: A. Kesting, M. Treiber, D. Helbing, Enhanced intelligent driver model, Phil. Trans. R.
    Soc. A 368 (2010), eq. 2.6.
    """
    free = free_acceleration(speed, wanted)
    gap = max(gap, 0.2)
    brake = COMFORTABLE_BRAKE_MPS2
    desired = standstill + max(
        0.0, speed * headway + speed * closing / (2 * math.sqrt(ACCELERATION_MPS2 * COMFORTABLE_BRAKE_MPS2))
    )
    held = min(free, max(free, 0.0) - ACCELERATION_MPS2 * (desired / gap) ** 2)
    heuristic = -(max(closing, 0.0) ** 2) / (2 * max(gap - 0.5 * standstill, 0.2))
    if held < heuristic:
        held = 0.03 * held + 0.97 * (heuristic + brake * math.tanh((held - heuristic) / brake))
    return max(held, -HARDEST_BRAKE_MPS2)


@kernel
def nearer(distance: float, closing: float, early_s: float) -> float:
    """A distance, less the way of `early_s` at the speed of approach, but not less than 30% of it."""
    return max(distance - early_s * closing, min(LEAST_LEFT * distance, distance))


@kernel
def stop_acceleration(speed: float, wanted: float, distance: float, early_s: float) -> float:
    """Stop at a line `distance` metres ahead of the bumper, braking little harder than necessary.

    With `early_s`, braking begins as if the line were so much driving time nearer; the car stops at the same place.
    """
    distance = nearer(distance, speed, early_s)
    needed = speed * speed / (2 * max(distance, 0.15))
    return max(follow_acceleration(speed, wanted, distance, speed, 0.5, 0.8), -1.35 * needed - 0.7)


@kernel
def travel_time(distance: float, speed: float, top_speed: float, rate: float) -> float:
    """Seconds to cover a distance, accelerating at `rate` from `speed` to `top_speed`; 0 if there is none."""
    if distance <= 0.0:
        return 0.0
    if speed >= top_speed:
        return distance / max(0.35 * speed + 0.65 * top_speed, 0.1)
    ramp_time = (top_speed - speed) / rate
    ramp = speed * ramp_time + 0.5 * rate * ramp_time * ramp_time
    if ramp >= distance:
        return (-speed + math.sqrt(speed * speed + 2 * rate * distance)) / rate
    return ramp_time + (distance - ramp) / top_speed


@kernel
def gap_is_safe(vehicles: np.ndarray, lane_d: float, s: float, speed: float, time: float, strictness: float) -> bool:
    """Whether the lane at `lane_d` has room for the ego car now; `strictness` scales the wanted distances."""
    for row in range(len(vehicles)):
        if abs(vehicles[row, 1] + vehicles[row, 3] * 1.0 - lane_d) > 1.9 and abs(vehicles[row, 1] - lane_d) > 1.9:
            continue
        along = vehicles[row, 2]
        apart = vehicles[row, 0] + along * time - (s + 0.5 * (FRONT_M - REAR_M))
        gap = abs(apart) - vehicles[row, 4] - 0.5 * (FRONT_M + REAR_M)
        if apart < 0.0:
            wanted = 2.5 + 0.40 * speed + 2.2 * max(along - speed, 0.0)
        else:
            wanted = 1.5 + 0.30 * speed + 1.8 * max(speed - along, 0.0)
        if gap < wanted * strictness:
            return False
    return True


@kernel
def chosen_offset(
    vehicles: np.ndarray, source_d: float, target_d: float, s: float, d: float, speed: float, time: float
) -> float:
    """Offset of the lane to steer for: the commanded one once that is safe, the current one until then."""
    if source_d == target_d or abs(d - target_d) < 1.2:
        return target_d
    under_way = abs(d - source_d) > 1.0
    return target_d if gap_is_safe(vehicles, target_d, s, speed, time, 0.55 if under_way else 1.0) else source_d


@kernel
def gap_speed(vehicles: np.ndarray, lane_d: float, s: float, speed: float, time: float) -> float:
    """Speed at which a vehicle beside or just ahead in the lane at `lane_d` pulls away; 99 if there is none."""
    slowest = 99.0
    for row in range(len(vehicles)):
        if abs(vehicles[row, 1] - lane_d) < 1.9:
            apart = vehicles[row, 0] + vehicles[row, 2] * time - (s + 0.5 * (FRONT_M - REAR_M))
            if -18.0 < apart < 14.0:
                slowest = min(slowest, max(vehicles[row, 2] - 3.5, 0.5 * speed, 4.0))
    return slowest


@kernel
def lead_acceleration(
    vehicles: np.ndarray,
    s: float,
    d: float,
    wanted_d: float,
    speed: float,
    wanted_speed: float,
    time: float,
    early_s: float,
) -> float:
    """Acceleration limited by vehicles that are, or soon will be, in the strip that the ego car needs."""
    hardest = free_acceleration(speed, wanted_speed)
    low, high = min(d, wanted_d) - HALF_WIDTH_M - 0.25, max(d, wanted_d) + HALF_WIDTH_M + 0.25
    for row in range(len(vehicles)):
        along, across = vehicles[row, 2], vehicles[row, 3]
        middle = vehicles[row, 0] + along * time
        if middle < s + 0.5 * (FRONT_M - REAR_M):
            continue
        now_d = vehicles[row, 1] + across * time
        soon_d = now_d + 1.2 * across
        half = vehicles[row, 5]
        if max(now_d, soon_d) + half < low or min(now_d, soon_d) - half > high:
            continue
        gap = middle - vehicles[row, 4] - (s + FRONT_M)
        beside = abs(now_d - d) > half + HALF_WIDTH_M
        if beside and abs(across) < 0.3:
            # Ahead in the lane to be entered: open a gap without hard braking.
            calm = follow_acceleration(speed, wanted_speed, gap, speed - along, 0.5, 1.5)
            hardest = min(hardest, max(calm, -1.8))
            continue
        if beside and gap < 0.5:
            hardest = min(hardest, -3.0)
            continue
        # Treat oncoming vehicles as standing: they are in our lane only briefly.
        closing = speed - max(along, 0.0)
        gap = nearer(gap, max(closing, 0.0), early_s)
        hardest = min(hardest, follow_acceleration(speed, wanted_speed, gap, closing, HEADWAY_S, STANDSTILL_GAP_M))
    return hardest


@kernel
def conflict_acceleration(
    conflicts: np.ndarray, profile: np.ndarray, s: float, speed: float, wanted_speed: float, time: float, early_s: float
) -> float:
    """Acceleration limited by conflicts: wait where another road user will be when the ego car would arrive."""
    hardest = free_acceleration(speed, wanted_speed)
    front, rear = s + FRONT_M, s - REAR_M
    for row in range(len(conflicts)):
        begin, end, hold = conflicts[row, 0], conflicts[row, 1], conflicts[row, 2]
        uncertain_s = conflicts[row, 5]
        over = conflicts[row, 4] + (AFTER_S + uncertain_s if uncertain_s > 0.0 else 0.0)
        if rear > end or over <= time:
            continue
        cap = max(profile[min(int(begin / STEP_M), len(profile) - 1)], 3.0)
        arrival = travel_time(begin - front, speed, cap, ACCELERATION_MPS2)
        departure = travel_time(end - rear, speed, cap, 0.8 * ACCELERATION_MPS2)
        if uncertain_s > 0.0:
            free = free_acceleration(speed, wanted_speed)
            share, distance = _gradual_wait(conflicts[row], front, speed, time + arrival, time + departure)
            if share > 0.0:
                hardest = min(
                    hardest, free + share * (stop_acceleration(speed, wanted_speed, distance, early_s) - free)
                )
            continue
        can_wait = front <= hold + 0.3 and speed * speed < 6.0 * max(hold + 0.3 - front, 0.1)
        before, after = 1.3 if can_wait else 0.4, 0.8 if speed < 0.5 else 0.2
        if time + departure + before < conflicts[row, 3] or time + arrival > conflicts[row, 4] + after:
            continue
        if can_wait:
            hardest = min(hardest, stop_acceleration(speed, wanted_speed, max(hold - front, 0.05), early_s))
        elif speed * speed < 2 * HARDEST_BRAKE_MPS2 * (begin + 0.5 - front):
            # Too late to stop at the line, but not before the conflict itself.
            hardest = min(hardest, stop_acceleration(speed, wanted_speed, max(begin - 0.8 - front, 0.05), 0.0))
    return hardest


@kernel
def _share(part: float) -> float:
    """Limited to 0 … 1."""
    return min(max(part, 0.0), 1.0)


@kernel
def _gradual_wait(
    conflict: np.ndarray, front: float, speed: float, arrival: float, departure: float
) -> tuple[float, float]:
    """How much to wait for an uncertain conflict, 0 to 1, and the distance in metres in which to stop.

    Both are continuous: the share falls from 1 to 0 while the ego car would leave between `BEFORE_S` and that plus the
    uncertainty before the other arrives, or arrive that long after it has left.
    """
    begin, hold, uncertain_s = conflict[0], conflict[2], conflict[5]
    early = 1.0 - _share((conflict[3] - departure - BEFORE_S) / uncertain_s)
    late = 1.0 - _share((arrival - conflict[4] - AFTER_S) / uncertain_s)
    needed = speed * speed / (2.0 * max(begin + 0.5 - front, 0.1))
    possible = 1.0 - _share((needed - HARDEST_BRAKE_MPS2) / 2.5)
    # At the line where that takes at most 3 m/s²; beyond it, but before the conflict, where it would take more.
    distance = min(max(hold - front, speed * speed / 6.0), begin - 0.8 - front)
    return min(early, late) * possible, max(distance, 0.05)


@kernel
def passing_speed(slow: np.ndarray, s: float, speed: float) -> float:
    """Highest speed now from which every place to pass slowly is reached at its speed; 99 without one ahead."""
    highest = 99.0
    for row in range(len(slow)):
        ahead = slow[row, 0] - s
        if ahead > 0.0:
            distance = max(ahead - FRONT_M - 2.0 - 0.25 * speed, 0.0)
            highest = min(highest, math.sqrt(slow[row, 1] ** 2 + 2 * SLOWING_MPS2 * distance))
    return highest


@kernel
def pursue(
    route: np.ndarray, x: float, y: float, heading: float, speed: float, s: float, d: float, wanted_d: float
) -> float:
    """Curvature towards a point ahead on the wanted lane; lateral speed is at most about 1.2 m/s."""
    ahead = 3.2 + 0.38 * speed
    sideways = 1.2 * ahead / max(speed, 2.0)
    look_d = d + min(max(wanted_d - d, -sideways), sideways)
    target_x, target_y, _, _ = pose_on_path(route, s + ahead, look_d)
    dx, dy = target_x - x, target_y - y
    left = -dx * math.sin(heading) + dy * math.cos(heading)
    return min(max(2.0 * left / max(dx * dx + dy * dy, 0.5), -MAX_CURVATURE), MAX_CURVATURE)


@kernel
def drive(now: Situation, ego: np.ndarray, time: float) -> tuple[float, float]:
    """Curvature and acceleration `time` seconds after a situation, with the ego car at `ego` (as `Situation.ego`)."""
    profile, vehicles = now.profile, now.vehicles
    x, y, heading, speed, s, d = ego[0], ego[1], ego[2], ego[3], ego[4], ego[5]
    wanted_d = chosen_offset(vehicles, now.source_d, now.target_d, s, d, speed, time)
    wanted_speed = profile[min(max(int((s + 0.25 * speed + 1.0) / STEP_M), 0), len(profile) - 1)]
    if now.source_d != now.target_d and wanted_d == now.source_d:
        wanted_speed = min(wanted_speed, gap_speed(vehicles, now.target_d, s, speed, time))
    wanted_speed = min(wanted_speed, passing_speed(now.slow, s, speed))
    acceleration = lead_acceleration(vehicles, s, d, wanted_d, speed, wanted_speed, time, now.early_s)
    acceleration = min(
        acceleration, conflict_acceleration(now.conflicts, profile, s, speed, wanted_speed, time, now.early_s)
    )
    for row in range(len(now.stops)):
        distance = now.stops[row] - (s + FRONT_M)
        if distance > -0.5:
            acceleration = min(acceleration, stop_acceleration(speed, wanted_speed, max(distance, 0.05), now.early_s))
    return pursue(now.route, x, y, heading, speed, s, d, wanted_d), acceleration


@kernel
def roll_out(now: Situation, waypoints: int, step_s: float) -> np.ndarray:
    """(waypoints, 4) x, y, yaw, speed when following `drive`, in the ego frame, one row every `step_s`."""
    ego = now.ego
    state = ego.copy()
    out = np.empty((waypoints, 4))
    cos, sin = math.cos(ego[2]), math.sin(ego[2])
    dt = 0.5 * step_s
    for step in range(2 * waypoints):
        curvature, acceleration = drive(now, state, step * dt)
        after = max(state[3] + acceleration * dt, 0.0)
        distance = 0.5 * (state[3] + after) * dt
        middle = state[2] + 0.5 * curvature * distance
        state[0] += distance * math.cos(middle)
        state[1] += distance * math.sin(middle)
        state[2] += curvature * distance
        state[3] = after
        state[4], state[5] = project_on_path(now.route, state[0], state[1], state[4] + distance, 3.0, 4.0)
        if step % 2 == 1:
            dx, dy = state[0] - ego[0], state[1] - ego[1]
            out[step // 2, 0] = dx * cos + dy * sin
            out[step // 2, 1] = -dx * sin + dy * cos
            out[step // 2, 2] = state[2] - ego[2]
            out[step // 2, 3] = state[3]
    return out
