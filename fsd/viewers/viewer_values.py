"""What viewer files say of a drive besides pictures and shapes: values to plot at every tick, and the driven path.

One list for `drive.mcap`, its layout and `drive.rrd`, so that all of them show the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample, EgoTrack
from fsd.data.frames import CAMERAS
from fsd.runtime.planner import StepResult

MAX_PATH_POINTS = 2000

CONTROL = (
    "curvature_per_m",
    "curvature_scale_per_m",
    "acceleration_mps2",
    "acceleration_scale_mps2",
    "lead_distance_m",
    "lead_probability",
)
VALUES: dict[str, dict[str, str]] = {
    "timings": {f"{stage}_ms": "number" for stage in ("wait", "compress", "infer", "post", "plan")},
    "control": dict.fromkeys(CONTROL, "number"),
    "ego": {"speed_mps": "number", "yaw_rate_rps": "number", "command": "string"},
    "health": {
        "health": "string",
        "is_ok": "boolean",
        "valid_cameras": "integer",
        "keyframes": "integer",
        "memory_slots": "integer",
        "commits": "integer",
        **{f"{name}_age_ms": "number" for name in CAMERAS},
        **{f"{name}_patches": "integer" for name in CAMERAS},
    },
}
"""Group -> field -> JSON type; a field that is not known at a tick is left out."""


def values_of(
    result: StepResult, ego: EgoSample | None, command: str, wait_ms: float, cameras: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """The values of one tick, by group of `VALUES`.

    Args:
        wait_ms: waiting for the decoder; cameras: places of those that the clip has.
    """
    plan, frame_set = result.plan, result.frame_set
    stages = {"compress_ms": result.compress_ms, "infer_ms": result.infer_ms, "post_ms": result.post_ms}
    motion = {} if ego is None else {"speed_mps": ego.speed_mps, "yaw_rate_rps": ego.yaw_rate_rps}
    return {
        "timings": {"wait_ms": wait_ms, **stages, "plan_ms": result.plan_ms},
        "control": {name: getattr(plan, name) for name in CONTROL},
        "ego": {**motion, "command": command},
        "health": {
            "health": plan.health,
            "is_ok": plan.health == "ok",
            "valid_cameras": int(frame_set.is_valid.sum()),
            **{
                f"{CAMERAS[index]}_age_ms": int(frame_set.age_ns[index]) / 1e6
                for index in cameras
                if frame_set.age_ns[index] >= 0
            },
            **({} if result.compressed is None else _compressor_values(result.compressed, cameras)),
        },
    }


def _compressor_values(compressed: CompressedTick, cameras: Sequence[int]) -> dict[str, int]:
    return {
        "keyframes": int(compressed.is_keyframe.sum()),
        "memory_slots": int(compressed.memory_valid.sum()),
        "commits": int((compressed.commit_slots >= 0).sum()),
        **{f"{CAMERAS[index]}_patches": int((compressed.patch_camera == index).sum()) for index in cameras},
    }


def keyframe_cameras(result: StepResult) -> list[str]:
    """Names of the cameras that were committed to memory at this tick."""
    if result.compressed is None:
        return []
    return [name for name, is_key in zip(CAMERAS, result.compressed.is_keyframe, strict=True) if is_key]


def driven_path(ego: EgoTrack | None) -> np.ndarray:
    """(n, 2) x m, y m of the whole driven path in the world, at most about `MAX_PATH_POINTS`; (0, 2) without poses."""
    if ego is None:
        return np.empty((0, 2))
    path = np.stack([ego.x_m, ego.y_m], axis=1)
    path = path[np.isfinite(path).all(axis=1)]
    return path[:: max(1, len(path) // MAX_PATH_POINTS)]


def driven_pose(ego: EgoTrack | None, timestamp_ns: int) -> tuple[float, float, float] | None:
    """x m, y m, yaw rad of the car in the world at a time; None where that was not recorded."""
    if ego is None:
        return None
    x_m, y_m, yaw_rad, _ = ego.poses_at(np.array([timestamp_ns]))[0].tolist()
    return (x_m, y_m, yaw_rad) if np.isfinite([x_m, y_m, yaw_rad]).all() else None
