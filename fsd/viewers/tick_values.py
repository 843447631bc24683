"""Values that viewers plot at every tick: one list for `drive.mcap`, its layout and `drive.rrd`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS
from fsd.runtime.hypotheses import GROUPS_MPS2, group_probabilities
from fsd.runtime.planner import StepResult

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
    "hypotheses": dict.fromkeys(GROUPS_MPS2, "number"),
    "ego": {"speed_mps": "number", "yaw_rate_rps": "number", "command": "string", "mode": "string"},
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
"""Group -> field -> JSON type; a field that is not known at a tick is left out, and so is a group without any."""


def values_of(
    result: StepResult,
    ego: EgoSample | None,
    command: str,
    mode: str | None,
    wait_ms: float,
    cameras: Sequence[int],
    hypotheses_mps2: Sequence[float] = (),
) -> dict[str, dict[str, Any]]:
    """The values of one tick, by group of `VALUES`.

    Args:
        mode: who drives, one of `DRIVING_MODES`; None where it is not known.
        wait_ms: spent waiting for the decoder; cameras: indices of the cameras that the clip has.
        hypotheses_mps2: as in `ModelMetadata`.
    """
    plan, frame_set = result.plan, result.frame_set
    stages = {"compress_ms": result.compress_ms, "infer_ms": result.infer_ms, "post_ms": result.post_ms}
    motion = {} if ego is None else {"speed_mps": ego.speed_mps, "yaw_rate_rps": ego.yaw_rate_rps}
    return {
        "timings": {"wait_ms": wait_ms, **stages, "plan_ms": result.plan_ms},
        "control": {name: getattr(plan, name) for name in CONTROL},
        **({} if plan.hypothesis is None else {"hypotheses": _group_values(plan.hypothesis, hypotheses_mps2)}),
        "ego": {**motion, "command": command, **({} if mode is None else {"mode": mode})},
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


def _group_values(probability: np.ndarray, hypotheses_mps2: Sequence[float]) -> dict[str, float]:
    return {name: float(value) for name, value in group_probabilities(probability, hypotheses_mps2).items()}


def _compressor_values(compressed: CompressedTick, cameras: Sequence[int]) -> dict[str, int]:
    return {
        "keyframes": int(compressed.is_keyframe.sum()),
        "memory_slots": int(compressed.memory_valid.sum()),
        "commits": int((compressed.commit_slots >= 0).sum()),
        **{f"{CAMERAS[index]}_patches": int((compressed.patch_camera == index).sum()) for index in cameras},
    }
