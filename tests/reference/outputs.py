"""What the reference keeps of a replay: digests of the compressor's integer outputs, and plans as numbers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.open_clip import open_clip
from fsd.runtime.engine import Engine
from fsd.runtime.network_planner import NetworkPlanner

INTEGER_FIELDS = (
    "retina",
    "patches",
    "patch_camera",
    "patch_block",
    "camera_valid",
    "memory_valid",
    "commit_slots",
    "is_keyframe",
)
PLAN_FIELDS = ("x_m", "y_m", "yaw_rad", "v_mps", "curvature_per_m", "acceleration_mps2")
DIGEST_EVERY_TICKS = 18
"""A digest covers all ticks until then, so that a difference is also placed in time."""


@dataclass(frozen=True)
class ReplayOutputs:
    """One clip through the pipeline.

    Attributes:
        digests: field of `INTEGER_FIELDS` -> one digest every `DIGEST_EVERY_TICKS` ticks, and one of all.
        health: one string per tick, joined and digested.
        plans: field of `PLAN_FIELDS` -> (T,) or (T, 16) float64.
    """

    digests: dict[str, list[str]]
    health: str
    plans: dict[str, np.ndarray]


class FixedGazeEngine(Engine):
    """The engine with a saliency that depends on the tick alone.

    The choice of patches then does not depend on the last bit of a float, which differs between processors; everything
    else of the loop, the memory included, is as in production.
    """

    def step(self, tick: CompressedTick, ego: EgoSample | None = None, command: str = "none") -> dict[str, np.ndarray]:
        """As `Engine.step`, with another `saliency`."""
        outputs = super().step(tick, ego, command)
        return {**outputs, "saliency": _saliency(tick.tick)}


def replay_outputs(clip_path: Path, model: Path | None = None) -> ReplayOutputs:
    """Run a clip through the pipeline as `fsd replay` does; None is the packaged model."""
    clip, engine = open_clip(clip_path), FixedGazeEngine(model)
    planner = NetworkPlanner(clip.rig, engine)
    hashes = {name: hashlib.sha256() for name in INTEGER_FIELDS}
    digests: dict[str, list[str]] = {name: [] for name in INTEGER_FIELDS}
    health, rows = hashlib.sha256(), []
    with FrameSource(clip) as source:
        for count, frame_set in enumerate(source, start=1):
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
            result = planner.step(frame_set, ego, command)
            for name in INTEGER_FIELDS:
                hashes[name].update(np.ascontiguousarray(getattr(result.compressed, name)).tobytes())
                if count % DIGEST_EVERY_TICKS == 0:
                    digests[name].append(hashes[name].hexdigest()[:16])
            health.update(f"{result.plan.health}\n".encode())
            rows.append(_plan_row(result.plan))
    for name in INTEGER_FIELDS:
        digests[name].append(hashes[name].hexdigest()[:16])
    plans = {name: np.array([row[name] for row in rows]) for name in PLAN_FIELDS}
    return ReplayOutputs(digests, health.hexdigest()[:16], plans)


def _plan_row(plan: Any) -> Mapping[str, np.ndarray | float]:
    waypoints = dict(zip(PLAN_FIELDS[:4], plan.trajectory.T.astype(np.float64), strict=True))
    return waypoints | {name: float(getattr(plan, name)) for name in PLAN_FIELDS[4:]}


def _saliency(tick: int) -> np.ndarray:
    """(8, 15, 20) float32 in whole sixteenths: one request per camera, which wanders over the grid."""
    saliency = np.zeros((len(CAMERAS), GRID_ROWS, GRID_COLUMNS), np.float32)
    for camera in range(len(CAMERAS)):
        row, column = (tick // 3 + 2 * camera) % GRID_ROWS, (tick + 5 * camera) % GRID_COLUMNS
        saliency[camera, row, column] = np.float32((8 + (tick + camera) % 8) / 16)
    return saliency
