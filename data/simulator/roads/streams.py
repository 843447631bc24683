"""Paths of other traffic: one per stream of vehicles, and where it crosses the ego's lane.

Streams go straight on at every junction; the route may turn. Geometry only.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from fsd.data.simulator.roads.path import STEP_M, RoutePath
from fsd.data.simulator.roads.road import LANE_WIDTH_M, Junction, Road

MERGED_M = 3.0
"""A car counts as in a lane that it joins once its rear is this far into it."""

_OPPOSITE = {"ahead": "back", "back": "ahead", "left": "right", "right": "left"}


@dataclass(frozen=True)
class StreamStop:
    """Where a stream obeys the rules of junction number `junction`; `along` if it has the route's signal phase."""

    junction: int
    along: bool
    stop_m: float
    clear_m: float


@dataclass(frozen=True)
class Conflict:
    """Stretch of the ego's lane (route distances) and of a stream that overlap, and where the ego waits."""

    begin_m: float
    end_m: float
    hold_m: float
    stream_begin_m: float
    stream_end_m: float
    junction: int


@dataclass
class Stream:
    """A lane centre line, in driving direction, that vehicles follow.

    `kind` is oncoming or crossing. From `joins_m` on, the stream is lane `joins_lane` of the ego's direction, from
    route distance `joins_route_m`; `joins_m` is infinite if it never is.
    """

    kind: str
    path: RoutePath
    stops: tuple[StreamStop, ...] = ()
    joins_m: float = math.inf
    joins_route_m: float = 0.0
    joins_lane: int = 0
    conflicts: list[Conflict] = field(default_factory=list)


def _offset_right(centre_line: np.ndarray, offset_m: float) -> RoutePath:
    """The lane centre line `offset_m` to the right of a road's centre line given in driving direction."""
    path = RoutePath.through(centre_line)
    return RoutePath.through(path.poses(np.arange(0.0, path.length_m, STEP_M), -offset_m)[:, :2])


def oncoming_streams(road: Road, lane: int) -> list[Stream]:
    """Streams towards the ego car, one per stretch between junctions at which the route turns."""
    turning = [index for index, junction in enumerate(road.junctions) if junction.turn != "straight"]
    streams = []
    for first, last in zip([None, *turning], [*turning, None], strict=True):
        begin_m = 0.0 if first is None else road.junctions[first].exit_m
        end_m = road.length_m if last is None else road.junctions[last].enter_m
        own = road.path.poses(np.arange(end_m, begin_m, -1.0))[:, :2]
        line = [own]
        if last is not None:
            line.insert(0, road.junctions[last].arms["ahead"][::-1])
        if first is not None:
            line.append(road.junctions[first].arms[_OPPOSITE[road.junctions[first].exit_arm]])
        path = _offset_right(np.concatenate(line), -road.lane_offset(lane))
        passed = range(first if first is not None else 0, (last if last is not None else len(road.junctions) - 1) + 1)
        stops = [_stop(path, road, index, along=index != first) for index in passed]
        streams.append(Stream("oncoming", path, tuple(sorted(stops, key=lambda stop: stop.stop_m))))
    return streams


def crossing_streams(road: Road, index: int, lane: int) -> list[Stream]:
    """Streams that cross the ego's road at one junction; traffic from the route's next road is `oncoming`."""
    junction = road.junctions[index]
    streams = []
    for origin in ("left", "right"):
        if origin == junction.exit_arm:
            continue  # on the route's next road: an oncoming stream
        goal = _OPPOSITE[origin]
        path = _offset_right(
            np.concatenate([junction.arms[origin][::-1], junction.arms[goal]]), -road.lane_offset(lane)
        )
        stream = Stream("crossing", path, (_stop(path, road, index, along=False),))
        if goal == junction.exit_arm:
            x, y, _, _ = road.path.pose(junction.exit_m + 3.0, road.lane_offset(lane))
            near = path.length_m / 2
            stream.joins_m = path.project(x, y, near, near, near)[0]
            stream.joins_route_m = junction.exit_m + 3.0
            stream.joins_lane = lane
        streams.append(stream)
    return streams


def _stop(path: RoutePath, road: Road, index: int, along: bool) -> StreamStop:
    """Where this path passes a junction's stop line and leaves its box."""
    junction = road.junctions[index]
    x, y = junction.centre_m
    middle = path.project(x, y, path.length_m / 2, path.length_m, path.length_m)[0]
    before = junction.half_m + junction.stop_before_m
    return StreamStop(index, along, middle - before, middle + junction.half_m)


def add_conflicts(stream: Stream, road: Road, index: int, ego_offset_m: float) -> None:
    """Find where a stream crosses the ego's lane inside (or just before) junction `index`."""
    junction = road.junctions[index]
    reach_m = 0.5 * LANE_WIDTH_M + 1.1
    s = np.arange(junction.enter_m - 2.0, min(junction.exit_m + 6.0, road.length_m), 0.5)
    lane = road.path.poses(s, ego_offset_m)[:, :2]
    points = stream.path.points[:, :2]
    near = np.hypot(*(points - junction.centre_m).T) < junction.half_m + 12.0
    if not near.any():
        return
    chosen = np.flatnonzero(near)
    apart = np.hypot(lane[:, None, 0] - points[None, chosen, 0], lane[:, None, 1] - points[None, chosen, 1])
    touching = apart < reach_m
    if not touching.any():
        return
    on_route, on_stream = np.flatnonzero(touching.any(axis=1)), np.flatnonzero(touching.any(axis=0))
    begin_m, end_m = float(s[on_route[0]]), float(s[on_route[-1]])
    if on_route[-1] == len(s) - 1:
        # The paths merge: traffic from behind follows the ego car once it is well inside the lane.
        end_m = min(end_m, begin_m + MERGED_M)
    stream.conflicts.append(
        Conflict(
            begin_m=begin_m,
            end_m=end_m,
            hold_m=_hold(junction, stream, begin_m),
            stream_begin_m=float(chosen[on_stream[0]] * STEP_M),
            stream_end_m=float(chosen[on_stream[-1]] * STEP_M),
            junction=index,
        )
    )


def _hold(junction: Junction, stream: Stream, begin_m: float) -> float:
    """Route distance of the ego's front bumper when it waits.

    At the stop line, or inside the junction when waiting for a gap in oncoming traffic.
    """
    line_m = junction.stop_m - 0.3
    return max(line_m, begin_m - 1.5) if stream.kind == "oncoming" and junction.control != "yield" else line_m
