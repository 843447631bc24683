"""Training labels from a recorded drive: the driven path and the steering.

Labels contain the future of their tick and must never be network inputs. Reads tracks, never images.
"""

import numpy as np

from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack
from fsd.data.errors import ClipError
from fsd.data.steering import SteeringGeometry
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS

STEP_NS = round(WAYPOINT_STEP_S * 1e9)
MIN_DISTANCE_M = 0.25
"""Distance per waypoint step (1 m/s) below which the curvature counts as unknown."""

MAX_GAP_NS = 1_500_000_000
"""Nothing is interpolated over a longer hole in the ego motion; GPS has a row per second."""

FROM_EGO, FROM_MOTION, FROM_STEERING = "ego motion", "speed and yaw rate", "steering wheel angle"


class RecordedLabels:
    """Labels of a clip, by the names of `dataset.LABEL_SHAPES`; unknown ones are left out or NaN.

    Curvature comes from the driven path if the clip has poses, or speed and yaw rate, else from the steering wheel.

    Attributes:
        curvature_from: `FROM_EGO`, `FROM_MOTION` or `FROM_STEERING`.
    """

    def __init__(self, clip: Clip, geometry: SteeringGeometry, until_ns: int | None = None) -> None:
        """Prepare the tracks; labels use nothing later than `until_ns`.

        Raises:
            ClipError: the clip has neither poses nor steering angles.
        """
        self._ego, self._steering, self._geometry, self._until_ns = clip.ego, clip.steering, geometry, until_ns
        found = None if clip.ego is None else label_track(clip.ego)
        if found is not None:
            self._ego, self.curvature_from = found
        elif clip.steering is not None and np.isfinite(clip.steering.angle_rad).any():
            self.curvature_from = FROM_STEERING
        else:
            raise ClipError(
                f"{clip.path} has no steering labels: no ego.parquet with poses or with speed and yaw rate, "
                "and no CSV file beside the video with columns `timestamp_ns` and `steering_angle_rad`. "
                "Add one of them."
            )

    def table(self, timestamp_ns: np.ndarray) -> dict[str, np.ndarray]:
        """Labels of many ticks: `trajectory` (T, 16, 4), `curvature` (T,), `acceleration` (T,); NaN where unknown."""
        if self._ego is None:
            count = len(timestamp_ns)
            nothing = {"curvature": np.full(count, np.nan), "acceleration": np.full(count, np.nan)}
            labels = {"trajectory": np.full((count, WAYPOINTS, 4), np.nan), **nothing}
        else:
            labels = path_table(self._ego, timestamp_ns, self._until_ns)
        if self.curvature_from == FROM_STEERING and self._steering is not None:
            angle_rad = np.array([self._steering.angle_at(int(t_ns)) for t_ns in timestamp_ns])
            labels["curvature"] = self._geometry.curvature_per_m(angle_rad)
        return labels

    def at(self, timestamp_ns: int) -> dict[str, np.ndarray]:
        """Labels of a tick: `curvature` (1,) in 1/m; with an ego track `acceleration` (1,), `trajectory` (16, 4)."""
        labels: dict[str, np.ndarray] = {}
        if self._ego is not None:
            labels = path_labels(self._ego, timestamp_ns, self._until_ns)
        if self.curvature_from == FROM_STEERING and self._steering is not None:
            angle_rad = self._steering.angle_at(timestamp_ns)
            labels["curvature"] = self._geometry.curvature_per_m(np.array([angle_rad]))
        return labels


def path_labels(ego: EgoTrack, timestamp_ns: int, until_ns: int | None = None) -> dict[str, np.ndarray]:
    """`path_table` of one time; reads only the rows around it.

    Returns:
        `trajectory` (16, 4), `curvature` (1,), `acceleration` (1,).
    """
    last_ns = timestamp_ns + STEP_NS * WAYPOINTS
    table = path_table(_near(ego, timestamp_ns, last_ns), np.array([timestamp_ns]), until_ns)
    trajectory, curvature, acceleration = (table[name][0] for name in ("trajectory", "curvature", "acceleration"))
    return {"trajectory": trajectory, "curvature": curvature[None], "acceleration": acceleration[None]}


def path_table(ego: EgoTrack, timestamp_ns: np.ndarray, until_ns: int | None = None) -> dict[str, np.ndarray]:
    """Motion of the car in the four seconds after each time; NaN where not recorded or later than `until_ns`.

    Nothing is told across a hole of the track that is longer than `MAX_GAP_NS`.

    Args:
        timestamp_ns: (T,) int64.

    Returns:
        `trajectory` (T, 16, 4) x m, y m, yaw rad, v m/s in the ego frame of the time; `curvature` (T,), the turn over
        the distance of the first 0.25 s, unknown below 1 m/s; `acceleration` (T,), the change of speed in it.
    """
    times_ns = timestamp_ns[:, None] + STEP_NS * np.arange(WAYPOINTS + 1, dtype=np.int64)
    poses = ego.poses_at(times_ns.ravel()).reshape(len(timestamp_ns), WAYPOINTS + 1, 4)
    stretch = _stretches(ego, times_ns)
    poses[(stretch < 0) | (stretch != stretch[:, :1])] = np.nan
    if until_ns is not None:
        poses[times_ns > until_ns] = np.nan
    x_m, y_m, yaw_rad, speed_mps = np.moveaxis(poses, -1, 0)  # (T, 17)
    forward, left = x_m[:, 1:] - x_m[:, :1], y_m[:, 1:] - y_m[:, :1]
    cos, sin = np.cos(yaw_rad[:, :1]), np.sin(yaw_rad[:, :1])
    turned_rad = np.mod(yaw_rad[:, 1:] - yaw_rad[:, :1] + np.pi, 2 * np.pi) - np.pi
    trajectory = np.stack([cos * forward + sin * left, cos * left - sin * forward, turned_rad, speed_mps[:, 1:]], -1)
    distance_m = np.hypot(trajectory[:, 0, 0], trajectory[:, 0, 1])
    curvature = np.full(len(timestamp_ns), np.nan)
    np.divide(turned_rad[:, 0], distance_m, out=curvature, where=distance_m > MIN_DISTANCE_M)
    acceleration = (speed_mps[:, 1] - speed_mps[:, 0]) / WAYPOINT_STEP_S
    return {"trajectory": trajectory, "curvature": curvature, "acceleration": acceleration}


def _stretches(ego: EgoTrack, times_ns: np.ndarray) -> np.ndarray:
    """Number of the stretch without a hole that each time lies in; -1 inside a hole."""
    is_hole = np.append(np.diff(ego.timestamp_ns) > MAX_GAP_NS, False)
    row = np.clip(np.searchsorted(ego.timestamp_ns, times_ns, side="right") - 1, 0, None)
    number = np.concatenate([[0], np.cumsum(is_hole[:-1])])
    return np.where(is_hole[row] & (ego.timestamp_ns[row] != times_ns), -1, number[row])


def label_track(ego: EgoTrack) -> tuple[EgoTrack, str] | None:
    """The track with poses, and where they come from: recorded, or speed and yaw rate integrated; None without either.

    An integrated pose starts from the first row; only differences of poses mean anything.
    """
    if (np.isfinite(ego.x_m) & np.isfinite(ego.y_m) & np.isfinite(ego.yaw_rad)).any():
        return ego, FROM_EGO
    known = np.isfinite(ego.speed_mps) & np.isfinite(ego.yaw_rate_rps)
    if known.sum() < 2:
        return None
    time_ns, speed_mps, rate_rps = ego.timestamp_ns[known], ego.speed_mps[known], ego.yaw_rate_rps[known]
    step_s = np.diff(time_ns) * 1e-9
    turn_rad = step_s * (rate_rps[1:] + rate_rps[:-1]) / 2
    yaw_rad = np.concatenate([[0.0], np.cumsum(turn_rad)])
    heading = yaw_rad[:-1] + turn_rad / 2  # the chord of an arc points along its mean heading
    step_m = step_s * (speed_mps[1:] + speed_mps[:-1]) / 2
    x_m, y_m = (np.concatenate([[0.0], np.cumsum(step_m * along(heading))]) for along in (np.cos, np.sin))
    return EgoTrack(time_ns, speed_mps, rate_rps, x_m, y_m, yaw_rad), FROM_MOTION


def _near(ego: EgoTrack, from_ns: int, to_ns: int) -> EgoTrack:
    """The rows around a time span; interpolating the whole track would take time proportional to its length."""
    last = len(ego.timestamp_ns) - 1
    first = min(last, max(0, int(np.searchsorted(ego.timestamp_ns, from_ns, side="right")) - 1))
    rows = slice(first, max(first + 1, int(np.searchsorted(ego.timestamp_ns, to_ns)) + 1))
    return EgoTrack(*(getattr(ego, field)[rows] for field in ego.__dataclass_fields__))
