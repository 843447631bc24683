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

FROM_EGO, FROM_STEERING = "ego motion", "steering wheel angle"


class RecordedLabels:
    """Labels of a clip, by the names of `dataset.LABEL_SHAPES`; unknown ones are left out or NaN.

    Curvature comes from the driven path if the clip has poses, else from the steering wheel.

    Attributes:
        curvature_from: `FROM_EGO` or `FROM_STEERING`.
    """

    def __init__(self, clip: Clip, geometry: SteeringGeometry, until_ns: int | None = None) -> None:
        """Prepare the tracks; labels use nothing later than `until_ns`.

        Raises:
            ClipError: the clip has neither poses nor steering angles.
        """
        self._ego, self._steering, self._geometry, self._until_ns = clip.ego, clip.steering, geometry, until_ns
        ego = clip.ego
        if ego is not None and (np.isfinite(ego.x_m) & np.isfinite(ego.y_m) & np.isfinite(ego.yaw_rad)).any():
            self.curvature_from = FROM_EGO
        elif clip.steering is not None and np.isfinite(clip.steering.angle_rad).any():
            self.curvature_from = FROM_STEERING
        else:
            raise ClipError(
                f"{clip.path} has no steering labels: no ego.parquet with poses, and no CSV file beside "
                "the video with columns `timestamp_ns` and `steering_angle_rad`. Add one of them."
            )

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
    """Motion of the car in the four seconds after a time; NaN where not recorded or later than `until_ns`.

    Returns:
        `trajectory` (16, 4) x m, y m, yaw rad, v m/s in the ego frame of the time; `curvature` (1,), the turn over the
        distance of the first 0.25 s, unknown below 1 m/s; `acceleration` (1,), the change of speed in it.
    """
    times_ns = timestamp_ns + STEP_NS * np.arange(WAYPOINTS + 1, dtype=np.int64)
    poses = _near(ego, int(times_ns[0]), int(times_ns[-1])).poses_at(times_ns)
    if until_ns is not None:
        poses[times_ns > until_ns] = np.nan
    x_m, y_m, yaw_rad, speed_mps = poses.T
    forward, left = x_m[1:] - x_m[0], y_m[1:] - y_m[0]
    cos, sin = np.cos(yaw_rad[0]), np.sin(yaw_rad[0])
    turned_rad = np.mod(yaw_rad[1:] - yaw_rad[0] + np.pi, 2 * np.pi) - np.pi
    trajectory = np.stack([cos * forward + sin * left, cos * left - sin * forward, turned_rad, speed_mps[1:]], axis=1)
    distance_m = float(np.hypot(trajectory[0, 0], trajectory[0, 1]))
    curvature = turned_rad[0] / distance_m if distance_m > MIN_DISTANCE_M else np.nan
    return {
        "trajectory": trajectory,
        "curvature": np.array([curvature]),
        "acceleration": np.array([(speed_mps[1] - speed_mps[0]) / WAYPOINT_STEP_S]),
    }


def _near(ego: EgoTrack, from_ns: int, to_ns: int) -> EgoTrack:
    """The rows around a time span; interpolating the whole track would take time proportional to its length."""
    last = len(ego.timestamp_ns) - 1
    first = min(last, max(0, int(np.searchsorted(ego.timestamp_ns, from_ns, side="right")) - 1))
    rows = slice(first, max(first + 1, int(np.searchsorted(ego.timestamp_ns, to_ns)) + 1))
    return EgoTrack(*(getattr(ego, field)[rows] for field in ego.__dataclass_fields__))
