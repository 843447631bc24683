"""Ego motion, route commands and driving modes of an MCAP recording.

Odometry or a twist of ROS 2, or the topics `/ego` and `/tf` that a replay writes to `drive.mcap`.

Source: nav_msgs/Odometry (pose in `header.frame_id`, twist in `child_frame_id`), foxglove.Odometry (velocities in
`body_frame_id`), geometry_msgs/TwistStamped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsd.data.clock import MAX_TIME_NS
from fsd.data.driving_mode import DRIVING_MODES, DrivingModeTrack
from fsd.data.ego import COMMANDS, CommandTrack, EgoTrack, count_wrong_rows, possible_ego, unwrapped, yaw_rad_of
from fsd.data.formats.mcap_file.mcap_index import McapIndex
from fsd.data.formats.mcap_file.mcap_messages import FSD_EGO, ODOMETRY, TRANSFORMS, TWIST, Message, decoded_in, find

Indexes = tuple[McapIndex, ...]


def recorded_motion(indexes: Indexes, kinds: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """`ego`, `commands` and `modes` of a clip, as far as the recording has them."""
    own = [topic for topic, kind in kinds.items() if kind == FSD_EGO]
    if own:
        return _of_replay(indexes, own[0], kinds, notes)
    for kind, read in ((ODOMETRY, _odometry), (TWIST, _twist)):
        topics = [topic for topic, each in kinds.items() if each == kind and "cmd" not in topic]
        topics.sort(key=lambda topic: ("odom" not in topic, topic))
        for topic in topics:
            ego = read(indexes, topic, notes)
            if ego is not None:
                notes.append(f"The ego motion is that of {topic}.")
                if len(topics) > 1:
                    notes.append(f"Not used: {', '.join(other for other in topics if other != topic)}.")
                return {"ego": ego}
    return {}


def _of_replay(indexes: Indexes, topic: str, kinds: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """From `drive.mcap`: one row per tick."""
    poses: dict[int, tuple[float, float, float]] = {}
    if kinds.get("/tf") == TRANSFORMS:
        for message in decoded_in(indexes, "/tf"):
            for each in find(message.content, "transforms") or ():
                if find(each, "parent_frame_id") == "world" and find(each, "child_frame_id") == "ego":
                    x_m, y_m = (float(find(each, f"translation.{axis}") or 0) for axis in "xy")
                    poses[message.log_time_ns] = (x_m, y_m, _yaw_rad(find(each, "rotation")))
    rows: list[tuple[float, ...]] = []
    commands: list[tuple[int, str]] = []
    modes: list[tuple[int, str]] = []
    for message in decoded_in(indexes, topic):
        speed_mps, yaw_rate_rps = (_number(message.content.get(name)) for name in ("speed_mps", "yaw_rate_rps"))
        pose = poses.get(message.log_time_ns, (np.nan,) * 3)
        rows.append((message.log_time_ns, speed_mps, yaw_rate_rps, *pose))
        command, mode = message.content.get("command"), message.content.get("mode")
        if command in COMMANDS and (not commands or commands[-1][1] != command):
            commands.append((message.log_time_ns, command))
        if mode in DRIVING_MODES:
            modes.append((message.log_time_ns, mode))
    found: dict[str, Any] = {}
    if any(np.isfinite(row[1]) for row in rows) or len(poses) > 1:
        found["ego"] = _track(rows, topic, notes)
    if any(command != "none" for _, command in commands):
        found["commands"] = CommandTrack(_times(commands), tuple(command for _, command in commands))
    if modes:
        found["modes"] = DrivingModeTrack(_times(modes), tuple(mode for _, mode in modes))
    return found


def _odometry(indexes: Indexes, topic: str, notes: list[str]) -> EgoTrack | None:
    rows = []
    for message in decoded_in(indexes, topic):
        pose = find(message.content, "pose.pose", "pose")
        x_m, y_m = (_number(find(pose, f"position.{axis}")) for axis in "xy")
        speed_mps = _number(find(message.content, "twist.twist.linear.x", "linear_velocity.x"))
        yaw_rate_rps = _number(find(message.content, "twist.twist.angular.z", "angular_velocity.z"))
        rows.append((_time_ns(message), speed_mps, yaw_rate_rps, x_m, y_m, _yaw_rad(find(pose, "orientation"))))
    ego = _track(rows, topic, notes)
    if ego is None or len(ego.timestamp_ns) < 2 or np.nansum(np.abs([ego.speed_mps, ego.yaw_rate_rps])) > 0:
        return ego
    xs_m, ys_m, yaw_rad = ego.x_m, ego.y_m, unwrapped(ego.yaw_rad)
    if not np.hypot(xs_m - xs_m[0], ys_m - ys_m[0]).max() > 1:
        return ego
    notes.append(f"{topic}: all its speeds are 0 although it moves; speed and yaw rate are taken from the poses.")
    at_s = (ego.timestamp_ns - ego.timestamp_ns[0]) * 1e-9
    along_mps = np.gradient(xs_m, at_s) * np.cos(yaw_rad) + np.gradient(ys_m, at_s) * np.sin(yaw_rad)
    return EgoTrack(ego.timestamp_ns, along_mps, np.gradient(yaw_rad, at_s), xs_m, ys_m, ego.yaw_rad)


def _twist(indexes: Indexes, topic: str, notes: list[str]) -> EgoTrack | None:
    rows = []
    for message in decoded_in(indexes, topic):
        speed_mps = _number(find(message.content, "twist.linear.x"))
        rows.append((_time_ns(message), speed_mps, _number(find(message.content, "twist.angular.z")), 0.0, 0.0, 0.0))
    motion = np.array([row[1:3] for row in rows], np.float64).reshape(-1, 2)
    is_wrong = np.asarray(~np.isfinite(motion).all(axis=1))
    count_wrong_rows(is_wrong, topic, notes)
    ego = _track([row for row, wrong in zip(rows, is_wrong, strict=True) if not wrong], topic, notes)
    if ego is None:
        return None
    notes.append(f"{topic}: the driven path is integrated from speed and yaw rate.")
    steps_s = np.diff(ego.timestamp_ns) * 1e-9
    yaw_rad = _integral(ego.yaw_rate_rps, steps_s)
    x_m, y_m = (_integral(ego.speed_mps * turn(yaw_rad), steps_s) for turn in (np.cos, np.sin))
    return EgoTrack(ego.timestamp_ns, ego.speed_mps, ego.yaw_rate_rps, x_m, y_m, yaw_rad)


def _integral(values: np.ndarray, steps_s: np.ndarray) -> np.ndarray:
    """(n,) running integral by the trapezoidal rule, from 0."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * steps_s)])


def _track(rows: Sequence[tuple[float, ...]], topic: str, notes: list[str]) -> EgoTrack | None:
    """Rows of time, speed, yaw rate, x, y, yaw; those whose time does not rise are left out, and impossible ones."""
    kept: list[tuple[float, ...]] = []
    for row in rows:
        if abs(row[0]) <= MAX_TIME_NS and (not kept or row[0] > kept[-1][0]):
            kept.append(row)
    if not kept:
        return None
    columns = [np.array([row[column] for row in kept], np.float64) for column in range(1, 6)]
    return possible_ego(EgoTrack(_times(kept), *columns), topic, notes)


def _times(rows: list[Any]) -> np.ndarray:
    return np.array([row[0] for row in rows], np.int64)


def _time_ns(message: Message) -> int:
    return message.stamp_ns or message.log_time_ns


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _yaw_rad(rotation: Any) -> float:
    x, y, z, w = (float(find(rotation, axis) or 0) for axis in "xyzw")
    return float(yaw_rad_of(*np.array([w, x, y, z])[:, None])[0])
