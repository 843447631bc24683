"""Collect the content of a replay's `summary.json` tick by tick: `RunRecord`.

docs/outputs.md describes the fields. A field that could not be measured states why.
"""

import time
from array import array
from collections import Counter

import msgspec
import numpy as np

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, RATE_HZ, TICK_MS
from fsd.data.steering import LINCOLN_MKZ
from fsd.data.sync_report import SyncReport
from fsd.meters.energy_count import EnergyCount
from fsd.meters.machine import describe_machine
from fsd.meters.machine_load import PLANNING, LoadWatch
from fsd.meters.quantity import unavailable
from fsd.networks.contract import WAYPOINTS
from fsd.outputs.budget_metrics import budget_metrics
from fsd.outputs.cross_check_summary import CrossCheckRecord
from fsd.outputs.replay_summary import (
    ChargedLatency,
    DrivingModes,
    Fingerprint,
    LatencyChargedScores,
    OverlayFile,
    PlanAge,
    PlanScores,
    ReplayCompression,
    ReplayDeadline,
    ReplaySummary,
    ViewerFile,
    WheelAngleScores,
)
from fsd.outputs.run_info import (
    Status,
    TimePercentiles,
    clip_info,
    describe_training,
    model_info,
    sync_summary,
    time_percentiles,
)
from fsd.outputs.tables import STAGES
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.baseline_plans import Plans
from fsd.scoring.driving_modes import mode_changes, mode_masks, modes_at
from fsd.scoring.plan_errors import score_groups, score_run
from fsd.scoring.wheel_angle import wheel_angle_errors


class RunRecord:
    """Memory use is constant except for 28 bytes per tick (7 MB in two hours), and 264 more with a driven path, 48 with
    a second network.

    Args:
        latency_ms: latency of every plan in the latency-charged scores; None takes the measured ones.

    Attributes:
        overlay_file, viewer_file, rerun_file: describe `overlay.mp4`, `drive.mcap` and `drive.rrd`.
        warm_up_s: time spent compiling before the first tick; energy, watch: count from then on.
        is_on_processor: the network runs on the processor, so that planning needs it all the time.
    """

    def __init__(self, clip: Clip, metadata: PlannerMetadata, latency_ms: float | None = None) -> None:
        self._clip = clip
        self._metadata = metadata
        self._latency_ms = latency_ms
        self._started_s = time.time()
        self._wall_start_s = time.perf_counter()
        self._cpu_start_s = time.process_time()
        # Packed arrays: nothing else grows with the length of the drive.
        self._stages = array("f")
        self._tick_times_ns = array("q")
        self._trajectories = array("f")
        self._controls = array("f")
        self._curvatures = array("f")
        self._health: Counter[str] = Counter()
        self._replaced: Counter[str] = Counter()
        self._odometry: Counter[str] = Counter()
        self._plan_ages: Counter[int] = Counter()
        self._speed: Counter[str] = Counter()
        self._keyframes = np.zeros(len(CAMERAS), np.int64)
        self._is_finite = True
        self._last: StepResult | None = None
        self._sync: SyncReport | None = None
        self._cross_check = None if metadata.cross_check is None else CrossCheckRecord(metadata.cross_check)
        self.made_from: Fingerprint | None = None
        self.overlay_file: OverlayFile | None = None
        self.viewer_file: ViewerFile | None = None
        self.rerun_file: ViewerFile | None = None
        self.energy: EnergyCount | None = None
        self.watch: LoadWatch | None = None
        self.is_on_processor = True
        self.warm_up_s = 0.0
        self._cpu_ms = np.zeros(len(PLANNING))

    def add(self, result: StepResult, wait_ms: float, write_ms: float) -> None:
        """Count one tick."""
        if self.energy is not None:
            self.energy.tick()
        self._stages.extend((wait_ms, result.compress_ms, result.infer_ms, result.post_ms, write_ms))
        self._cpu_ms += result.cpu_ms
        self._tick_times_ns.append(result.plan.timestamp_ns)
        if self._clip.ego is not None:
            self._trajectories.frombytes(result.plan.trajectory.tobytes())
            self._controls.extend((result.plan.curvature_per_m, result.plan.acceleration_mps2))
        if self._clip.steering is not None:
            self._curvatures.append(result.plan.curvature_per_m)
        self._health.update(result.plan.health.split(";"))
        self._odometry[result.odometry] += 1
        self._plan_ages[result.plan_age_ticks] += 1
        if result.speed_source:
            self._speed[result.speed_source] += 1
        if result.replaced:
            self._replaced[result.replaced] += 1
        if result.compressed is not None:
            self._keyframes += result.compressed.is_keyframe
        self._is_finite &= bool(np.isfinite(result.plan.trajectory).all())
        if self._cross_check is not None and result.divergence is not None:
            self._cross_check.add(result.plan.tick, result.divergence, result.plan_ms)
        self._last = result

    def finish(self, sync: SyncReport) -> None:
        """Take the counters of decoders and clocks at the end of the run, complete or not."""
        self._sync = sync

    def summary(self, status: Status, error: BaseException | None = None) -> ReplaySummary:
        """The content of `summary.json` for the ticks until now."""
        metadata, last = self._metadata, self._last
        wall_s = time.perf_counter() - self._wall_start_s
        ticks = len(self._tick_times_ns)
        drive_s = float(ticks / RATE_HZ)
        scores, latency_charged_scores = self._scores()
        return ReplaySummary(
            status=status,
            error=None if error is None else f"{type(error).__name__}: {error}",
            made_from=self.made_from,
            network=describe_training(metadata, self._clip),
            started_unix_s=round(self._started_s, 3),
            clip=clip_info(self._clip),
            model=model_info(metadata),
            ticks=ticks,
            drive_s=drive_s,
            wall_s=wall_s,
            warm_up_s=self.warm_up_s,
            times_real_time=drive_s / (wall_s - self.warm_up_s) if ticks else None,
            load=None if self.watch is None else self.watch.load(self._planning_s()),
            cores_used=(time.process_time() - self._cpu_start_s) / wall_s,
            plan_is_finite=self._is_finite,
            stages_ms=self._stage_times(),
            deadline=self._deadline(),
            compression=self._compression(),
            joules_per_tick=self.energy.per_tick(ticks) if self.energy else unavailable("J", "the run has no tick"),
            health=dict(self._health),
            replaced_outputs=dict(self._replaced),
            plan_age=self._plan_age(),
            speed_ticks=dict(self._speed),
            odometry_ticks=dict(self._odometry),
            cameras=sync_summary(self._sync),
            scores=scores,
            latency_charged_scores=latency_charged_scores,
            wheel_angle=self._wheel_angle(),
            driving_modes=self._driving_modes(),
            cross_check=None if self._cross_check is None else self._cross_check.summary(),
            overlay_file=self.overlay_file,
            viewer_file=self.viewer_file,
            rerun_file=self.rerun_file,
            input_hash=last.input_hash.hex() if last else None,
            plan_hash=last.plan_hash.hex() if last else None,
            machine=describe_machine(),
        )

    def _stage_table(self) -> np.ndarray:
        """(T, 5) milliseconds, columns as in `STAGES`."""
        return np.array(self._stages).reshape(-1, len(STAGES))

    def _plan_ms(self) -> np.ndarray:
        """(T,) compress + infer + post of each tick."""
        return np.asarray(self._stage_table()[:, 1:4].sum(axis=1))

    def _planning_s(self) -> dict[str, tuple[float, float]]:
        """Stage of planning -> its processor time and its wall time, over all ticks."""
        if not self.is_on_processor:
            return {}
        wall_ms = self._stage_table()[:, 1:4].sum(axis=0)
        times = zip(PLANNING, self._cpu_ms.tolist(), wall_ms.tolist(), strict=True)
        return {stage: (cpu_ms / 1e3, spent_ms / 1e3) for stage, cpu_ms, spent_ms in times}

    def _stage_times(self) -> dict[str, TimePercentiles]:
        columns = dict(zip(STAGES, self._stage_table().T, strict=True)) | {"plan": self._plan_ms()}
        return {stage: time_percentiles(values) for stage, values in columns.items() if len(values)}

    def _deadline(self) -> ReplayDeadline:
        plan_ms = self._plan_ms()
        return ReplayDeadline(
            tick_ms=round(TICK_MS, 3),
            ticks_over=int((plan_ms > TICK_MS).sum()),
            ticks=len(plan_ms),
            definition="compress + infer + post of a flat-out replay; decoding runs ahead and is not included",
        )

    def _plan_age(self) -> PlanAge | None:
        ages = self._plan_ages
        if self._metadata.step_rate_hz is None or not ages:
            return None
        return PlanAge(
            held_ticks=ages.total() - ages[0],
            mean_ticks=round(sum(age * ticks for age, ticks in ages.items()) / ages.total(), 4),
            max_ticks=max(ages),
        )

    def _compression(self) -> ReplayCompression | None:
        if self._metadata.budget is None:
            return None
        keyframes = {name: int(count) for name, count in zip(CAMERAS, self._keyframes, strict=True)}
        return ReplayCompression(
            **msgspec.structs.asdict(budget_metrics(self._metadata.budget, self._clip.sizes_px)), keyframes=keyframes
        )

    def _scores(self) -> tuple[PlanScores | None, LatencyChargedScores | None]:
        """Plain and latency-charged scores; None without a driven path."""
        ego = self._clip.ego
        if ego is None or not self._trajectories:
            return None, None
        plans = self._plans()
        measured_ms = self._plan_ms()
        latency_ms = measured_ms if self._latency_ms is None else np.full_like(measured_ms, self._latency_ms)
        plain, charged = score_run(ego, np.array(self._tick_times_ns), plans, latency_ms)
        latency = ChargedLatency(
            source="measured" if self._latency_ms is None else "given",
            definition="compress + infer + post; decoding runs ahead and is not included",
            p50_ms=round(float(np.median(latency_ms)), 4),
            max_ms=round(float(latency_ms.max()), 4),
        )
        return PlanScores(**plain), LatencyChargedScores(latency=latency, **charged)

    def _plans(self) -> Plans:
        """The network's plans at all ticks."""
        curvature, acceleration = np.array(self._controls).reshape(-1, 2).T
        return Plans(np.array(self._trajectories).reshape(-1, WAYPOINTS, 4), curvature, acceleration)

    def _wheel_angle(self) -> WheelAngleScores | None:
        """Errors of the steering wheel's angle; None where the recording has none."""
        if self._clip.steering is None:
            return None
        times_ns = np.array(self._tick_times_ns, np.int64)
        found = wheel_angle_errors(self._clip.steering, times_ns, np.array(self._curvatures), LINCOLN_MKZ)
        geometry = {"steering_ratio": LINCOLN_MKZ.ratio, "wheelbase_m": LINCOLN_MKZ.wheelbase_m}
        return msgspec.convert({**found, **geometry}, WheelAngleScores)

    def _driving_modes(self) -> DrivingModes | None:
        """Who drove, and the plan errors apart; None where the recording does not tell."""
        track, ego = self._clip.modes, self._clip.ego
        if track is None:
            return None
        times_ns = np.array(self._tick_times_ns, np.int64)
        modes = modes_at(track, times_ns)
        changes = mode_changes(times_ns, modes)
        disengagements = sum(change.is_disengagement for change in changes)
        apart = score_groups(ego, times_ns, self._plans(), mode_masks(modes)) if ego and self._trajectories else {}
        return DrivingModes(
            ticks=dict(Counter(mode or "unknown" for mode in modes)),
            disengagements=disengagements,
            engagements=len(changes) - disengagements,
            scores={group: PlanScores(**scores) for group, scores in apart.items()},
        )
