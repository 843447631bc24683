"""Arrays that the report shows: errors, gaze and keyframes over the ticks of one run.

Reads a finished run and the driven path; does not know HTML.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.ego import EgoTrack
from fsd.data.frames import TICK_S
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.outputs.run_folder import Run, list_column
from fsd.replay.gaze_pictures import count_reads
from fsd.scoring.baseline_plans import constant_velocity, hold_last
from fsd.scoring.plan_errors import HORIZONS_S, driven_waypoints


@dataclass(frozen=True)
class ErrorCurves:
    """Mean distance to the driven path until `horizon_s`, m: (T,), NaN where unknown.

    `baseline` names the planner without cameras whose mean error is smaller, a field of `PlanScores`.
    """

    horizon_s: float
    network_m: np.ndarray
    baseline: str
    baseline_m: np.ndarray


@dataclass(frozen=True)
class CompressorMetrics:
    """What the compressor of one run did.

    Attributes:
        reads: (8, 15, 20) how often each block was read; patches (T, 8) patches per tick and camera.
        is_keyframe: (T, 8) bool; memory_slots: (T,) slots in use, of 112.
    """

    reads: np.ndarray
    patches: np.ndarray
    is_keyframe: np.ndarray
    memory_slots: np.ndarray


@dataclass(frozen=True)
class RunMetrics:
    """Arrays of one run.

    Attributes:
        tick: (T,) numbers of the ticks; time_s: (T,) since the first tick; plan_ms (T,) latency.
        run: (T,) number of the part of the recording that has no gap.
        trajectory: (T, 16, 4) plans; uncertainty_m (T,) mean Laplace scale of the planned positions until 3 s.
        poses: (T, 4) driven x m, y m, yaw rad, v m/s, NaN where unknown; None without a driven path.
        errors: None without a driven path long enough.
        compressor: None for a planner without one.
        is_valid: (T, 8) bool; age_ms (T, 8), NaN where there was no image.
    """

    tick: np.ndarray
    time_s: np.ndarray
    run: np.ndarray
    plan_ms: np.ndarray
    trajectory: np.ndarray
    uncertainty_m: np.ndarray
    poses: np.ndarray | None
    errors: ErrorCurves | None
    compressor: CompressorMetrics | None
    is_valid: np.ndarray
    age_ms: np.ndarray

    def with_gaps(self, values: np.ndarray) -> np.ndarray:
        """(T, …) values with rows of zeros where the recording has a gap, so that equal lengths are equal times."""
        ends = np.flatnonzero(np.diff(self.run)) + 1
        missing = np.rint(np.diff(self.time_s)[ends - 1] / TICK_S).astype(np.int64) - 1
        return np.insert(values, np.repeat(ends, np.maximum(missing, 0)), 0, axis=0)


def measure_run(run: Run, ego: EgoTrack | None) -> RunMetrics:
    """Compute the metrics of a run; `ego` is the driven path of its clip."""
    times_ns, trajectory = run.timestamp_ns, run.trajectory
    age_ns = list_column(run.ticks, "age_ns").astype(np.float64)
    steps = round(HORIZONS_S[-1] / WAYPOINT_STEP_S)
    scale = np.stack([list_column(run.plan, name)[:, :steps] for name in ("x_m_scale", "y_m_scale")])
    poses = None if ego is None else ego.poses_at(times_ns)
    if poses is not None and not np.isfinite(poses[:, :3]).all(axis=1).any():
        poses = None
    return RunMetrics(
        tick=run.tick,
        run=run.ticks["run"].to_numpy() if "run" in run.ticks.column_names else np.zeros(len(times_ns), np.int64),
        time_s=(times_ns - times_ns[0]) * 1e-9,
        plan_ms=run.plan_ms,
        trajectory=trajectory,
        uncertainty_m=scale.mean(axis=(0, 2)),
        poses=poses,
        errors=None if ego is None else _errors(ego, times_ns, trajectory),
        compressor=_compressor(run) if "patch_camera" in run.ticks.column_names else None,
        is_valid=list_column(run.ticks, "is_valid") > 0,
        age_ms=np.where(age_ns < 0, np.nan, age_ns / 1e6),
    )


def _errors(ego: EgoTrack, times_ns: np.ndarray, trajectory: np.ndarray) -> ErrorCurves | None:
    driven = driven_waypoints(ego, times_ns)[..., :2]
    planners = {
        "network": trajectory,
        "constant_velocity": constant_velocity(ego, times_ns).trajectory,
        "hold_last": hold_last(ego, times_ns).trajectory,
    }
    for horizon_s in reversed(HORIZONS_S):
        steps = round(horizon_s / WAYPOINT_STEP_S)
        found = {
            name: np.linalg.norm(plans[:, :steps, :2] - driven[:, :steps], axis=-1).mean(axis=1)
            for name, plans in planners.items()
        }
        network_m = found.pop("network")
        if np.isfinite(network_m).any():
            best = min(found, key=lambda name: float(np.nan_to_num(found[name]).sum()))
            return ErrorCurves(horizon_s, network_m, best, found[best])
    return None


def _compressor(run: Run) -> CompressorMetrics:
    reads, patches = count_reads(list_column(run.ticks, "patch_camera"), list_column(run.ticks, "patch_block"))
    is_keyframe = list_column(run.ticks, "is_keyframe") > 0
    return CompressorMetrics(reads, patches, is_keyframe, run.ticks["memory_slots"].to_numpy())
