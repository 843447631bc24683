"""What the reference keeps of a replay: digests of the compressor's integer outputs, and plans as numbers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.open_clip import open_clip
from fsd.runtime.engine import Engine
from fsd.runtime.gaze_loop import GazeLoop
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
FOVEA_FIELDS = ("retina_outer", "patch_quarter")
"""In budgets with a fovea only."""
PLAN_FIELDS = ("x_m", "y_m", "yaw_rad", "v_mps", "curvature_per_m", "acceleration_mps2")
DIGEST_EVERY_TICKS = 18
"""A digest covers all ticks until then, so that a difference is also placed in time."""


@dataclass(frozen=True)
class ReplayOutputs:
    """One clip through the pipeline.

    Attributes:
        digests: field of `integer_fields` -> one digest every `DIGEST_EVERY_TICKS` ticks, and one of all.
        health: one string per tick, joined and digested.
        plans: field of `PLAN_FIELDS` -> (T,) or (T, 16) float64.
    """

    digests: dict[str, list[str]]
    health: str
    plans: dict[str, np.ndarray]


def integer_fields(budget: Budget) -> tuple[str, ...]:
    """The integer outputs of the compressor at a budget."""
    return INTEGER_FIELDS if budget.fovea is None else (*INTEGER_FIELDS, *FOVEA_FIELDS)


class IntegerDigests:
    """Digests of the compressor's integer outputs, tick by tick."""

    def __init__(self, budget: Budget) -> None:
        self._hashes = {name: hashlib.sha256() for name in integer_fields(budget)}
        self._found: dict[str, list[str]] = {name: [] for name in self._hashes}
        self._ticks = 0

    def add(self, compressed: CompressedTick) -> None:
        self._ticks += 1
        for name, running in self._hashes.items():
            running.update(np.ascontiguousarray(getattr(compressed, name)).tobytes())
            if self._ticks % DIGEST_EVERY_TICKS == 0:
                self._found[name].append(running.hexdigest()[:16])

    @property
    def found(self) -> dict[str, list[str]]:
        """Field -> its digests, the last of all ticks."""
        return {name: [*self._found[name], running.hexdigest()[:16]] for name, running in self._hashes.items()}


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
    digests, health, rows = IntegerDigests(engine.budget), hashlib.sha256(), []
    with FrameSource(clip) as source:
        for frame_set in source:
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
            result = planner.step(frame_set, ego, command)
            digests.add(result.compressed)
            health.update(f"{result.plan.health}\n".encode())
            rows.append(_plan_row(result.plan))
    plans = {name: np.array([row[name] for row in rows]) for name in PLAN_FIELDS}
    return ReplayOutputs(digests.found, health.hexdigest()[:16], plans)


def compressor_digests(clip_path: Path, budget: Budget) -> dict[str, list[str]]:
    """The compressor alone on a clip, with the saliency of `FixedGazeEngine`: `ReplayOutputs.digests`."""
    clip, digests = open_clip(clip_path), IntegerDigests(budget)
    gaze_loop = GazeLoop(clip.rig, budget)
    with FrameSource(clip) as source:
        for frame_set in source:
            compressed = gaze_loop.step(frame_set, clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None)
            digests.add(compressed)
            gaze_loop.saliency = _saliency(compressed.tick)
    return digests.found


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
