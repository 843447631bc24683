"""What a run adds up to: `RunRecord` collects it tick by tick, `write_summary` puts it into `summary.json`.

docs/outputs.md describes the fields. Every figure that could not be measured says so in place of a number.
"""

import json
import os
import platform
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.clip import Clip
from fsd.data.files import write_text
from fsd.data.frame_source import SyncReport
from fsd.data.frames import CAMERAS, RATE_HZ, TICK_MS
from fsd.meters.energy_count import EnergyCount
from fsd.meters.quantity import Figure, unavailable
from fsd.networks.contract import WAYPOINTS
from fsd.outputs.budget_metrics import budget_figures
from fsd.outputs.tables import STAGES
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.baseline_plans import Plans
from fsd.scoring.plan_errors import score_run
from fsd.version import __version__

PERCENTILES = (50, 90, 99)


class RunRecord:
    """Collects what the summary needs: 28 bytes a tick (7 MB for two hours), and 264 more where plans can be scored.

    `latency_ms` is what a plan is taken to cost in the latency-charged scores; None takes what was measured.
    `viewer_file` and `rerun_file` are what the summary says about `drive.mcap` and `drive.rrd`; `warm_up_s` went into
    compiling before the first tick; `energy` counts from there on.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata, latency_ms: float | None = None) -> None:
        self._clip = clip
        self._metadata = metadata
        self._latency_ms = latency_ms
        self._started_s = time.time()
        self._wall_start_s = time.perf_counter()
        self._cpu_start_s = time.process_time()
        # Packed: as lists of objects these would be the one thing of a replay that grows with the drive.
        self._stages = array("f")
        self._tick_times_ns = array("q")
        self._trajectories = array("f")
        self._controls = array("f")
        self._health: Counter[str] = Counter()
        self._odometry: Counter[str] = Counter()
        self._keyframes = np.zeros(len(CAMERAS), np.int64)
        self._is_finite = True
        self._last: StepResult | None = None
        self._sync: SyncReport | None = None
        self.viewer_file: dict[str, Any] | None = None
        self.rerun_file: dict[str, Any] | None = None
        self.energy: EnergyCount | None = None
        self.warm_up_s = 0.0

    def add(self, result: StepResult, wait_ms: float, write_ms: float) -> None:
        """Count one tick."""
        if self.energy is not None:
            self.energy.tick()
        self._stages.extend((wait_ms, result.compress_ms, result.infer_ms, result.post_ms, write_ms))
        self._tick_times_ns.append(result.plan.timestamp_ns)
        if self._clip.ego is not None:
            self._trajectories.frombytes(result.plan.trajectory.tobytes())
            self._controls.extend((result.plan.curvature_per_m, result.plan.acceleration_mps2))
        self._health.update(result.plan.health.split(";"))
        self._odometry[result.odometry] += 1
        if result.compressed is not None:
            self._keyframes += result.compressed.is_keyframe
        self._is_finite &= bool(np.isfinite(result.plan.trajectory).all())
        self._last = result

    def finish(self, sync: SyncReport) -> None:
        """Take the decoder's and clock's counters at the end of the run, however it ended."""
        self._sync = sync

    def _joules(self, ticks: int) -> Figure:
        return unavailable("J", "the run has no tick") if self.energy is None else self.energy.a_tick(ticks)

    def summary(self, status: str, error: BaseException | None = None) -> dict[str, Any]:
        """The content of `summary.json`; `status` is running, complete, interrupted or failed."""
        wall_s = time.perf_counter() - self._wall_start_s
        ticks = len(self._tick_times_ns)
        drive_s = float(ticks / RATE_HZ)
        last = self._last
        scores, latency_charged_scores = self._scores()
        return {
            "fsd_version": __version__,
            "status": status,
            "error": None if error is None else f"{type(error).__name__}: {error}",
            "network": "trained" if self._metadata.trained else "untrained: random weights, the plan means nothing",
            "started_unix_s": round(self._started_s, 3),
            "clip": self._clip_summary(),
            "model": {
                "name": self._metadata.name,
                "precision": self._metadata.precision,
                "weights_sha256": self._metadata.weights_sha256,
            },
            "ticks": ticks,
            "drive_s": drive_s,
            "wall_s": wall_s,
            "warm_up_s": self.warm_up_s,
            "times_real_time": drive_s / (wall_s - self.warm_up_s) if ticks else None,
            "cores_used": (time.process_time() - self._cpu_start_s) / wall_s,
            "plan_is_finite": self._is_finite,
            "stages_ms": self._stage_summary(),
            "deadline": self._deadline(),
            "compression": self._compression(),
            "joules_a_tick": self._joules(ticks).to_dict(),
            "health": dict(self._health),
            "odometry_ticks": dict(self._odometry),
            "cameras": self._sync.to_dict() if self._sync else None,
            "scores": scores,
            "latency_charged_scores": latency_charged_scores,
            "viewer_file": self.viewer_file,
            "rerun_file": self.rerun_file,
            "input_hash": last.input_hash.hex() if last else None,
            "plan_hash": last.plan_hash.hex() if last else None,
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cores": os.cpu_count(),
                "python": platform.python_version(),
            },
        }

    def _clip_summary(self) -> dict[str, Any]:
        clip = self._clip
        return {
            "name": clip.name,
            "format": clip.format,
            "cameras": [name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None],
            "missing_cameras": [name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is None],
            "rig": "assumed" if clip.rig_is_assumed else clip.rig.name,
            "has_ego": clip.ego is not None,
            "notes": list(clip.notes),
        }

    def _stage_table(self) -> np.ndarray:
        """(T, 5) milliseconds, float32, columns as in `STAGES`."""
        return np.array(self._stages).reshape(-1, len(STAGES))

    def _stage_summary(self) -> dict[str, dict[str, float]]:
        table = self._stage_table()
        if not len(table):
            return {}
        columns = {stage: table[:, column] for column, stage in enumerate(STAGES)}
        columns["plan"] = table[:, 1:4].sum(axis=1)
        return {
            stage: {f"p{p}": round(float(np.percentile(values, p)), 4) for p in PERCENTILES}
            | {"max": round(float(values.max()), 4), "samples": len(values)}
            for stage, values in columns.items()
        }

    def _deadline(self) -> dict[str, Any]:
        plan_ms = self._stage_table()[:, 1:4].sum(axis=1)
        return {
            "tick_ms": round(TICK_MS, 3),
            "ticks_over": int((plan_ms > TICK_MS).sum()),
            "of": len(plan_ms),
            "counts": "compress + infer + post of a flat-out replay; decode runs ahead and is not in it",
        }

    def _compression(self) -> dict[str, Any] | None:
        if self._metadata.budget is None:
            return None
        return {
            **budget_figures(self._metadata.budget),
            "keyframes": {name: int(n) for name, n in zip(CAMERAS, self._keyframes, strict=True)},
        }

    def _scores(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Plain and latency-charged scores; None without a driven path."""
        ego = self._clip.ego
        if ego is None or not self._trajectories:
            return None, None
        curvature, acceleration = np.array(self._controls).reshape(-1, 2).T
        plans = Plans(np.array(self._trajectories).reshape(-1, WAYPOINTS, 4), curvature, acceleration)
        measured_ms = self._stage_table()[:, 1:4].sum(axis=1)
        latency_ms = measured_ms if self._latency_ms is None else np.full_like(measured_ms, self._latency_ms)
        plain, charged = score_run(ego, np.array(self._tick_times_ns), plans, latency_ms)
        latency = {
            "source": "measured" if self._latency_ms is None else "given",
            "counts": "compress + infer + post; decode runs ahead and is not in it",
            "p50_ms": round(float(np.median(latency_ms)), 4),
            "max_ms": round(float(latency_ms.max()), 4),
        }
        return plain, {"latency": latency, **charged}


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write `summary.json` in one step: a reader sees the old one or the new one, never half."""
    write_text(folder / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
