"""Drive or replay one case: a fault of a camera from a moment on, with the network and the camera monitor.

What is named is read where a user reads it, from the health of the plans.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from _fault_moments import LEAD_TICKS, SECOND, Moment, at_takeover

from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, TICK_S, FrameSet
from fsd.data.open_clip import open_clip
from fsd.data.simulator.camera_faults import KINDS, FaultInjector
from fsd.data.simulator.record import RecordConfig, record
from fsd.data.simulator.rendering.renderer import Renderer
from fsd.data.simulator.scoring.metrics import DriveRecorder
from fsd.data.standard_rigs import canonical_rig
from fsd.drive.drivers import NetworkDriver
from fsd.runtime.engine import Engine
from fsd.runtime.network_planner import NetworkPlanner
from fsd.scoring.plan_errors import HORIZONS_S, displacement_errors, driven_waypoints

CLEAN, PLACEBO = "none", "placebo"
"""No fault; and every pixel of the camera one grey level brighter, which shows how far drives differ by chance."""

RIGHT_NAMES: dict[str, frozenset[str]] = {
    **{kind: frozenset({kind}) for kind in KINDS},
    "late_start": frozenset({"late_start", "missing"}),
    "lost": frozenset({"lost", "missing"}),
    "truncated": frozenset({"truncated", "lost", "stale"}),
    "size_change": frozenset({"resized"}),
    "dirt": frozenset({"obstructed"}),
    "exposure_hunting": frozenset({"exposure"}),
}
"""Fault -> names in `health` that tell what is wrong. A live camera that ended cannot be told from a lost one."""

FIRST_SECOND_TICKS = SECOND
LATE_TICKS = SECOND
"""A late start: the camera's first picture is this long after the moment."""

SPARE_TICKS = 15 * SECOND
"""A drive that takes this much longer than the expert's is ended, and scored as far as it came."""

WIDTH_PX, HEIGHT_PX = 320, 240


@dataclass(frozen=True)
class Case:
    """One camera with one fault at one moment; `how` is drive or replay."""

    how: str
    fault: str
    camera: str
    moment: Moment

    @property
    def key(self) -> str:
        moment = self.moment
        return "/".join((self.how, moment.name, str(moment.seed), self.fault, self.camera))

    @property
    def begin_tick(self) -> int:
        """The first tick at which the camera is faulty."""
        return self.moment.takeover_tick if self.fault == "late_start" else self.moment.tick

    def injector(self, first_tick: int = 0) -> Callable[[FrameSet], FrameSet]:
        """Makes the fault; `first_tick` of the route is tick 0 of the frame sets."""
        at = self.moment.tick - first_tick
        if self.fault == CLEAN:
            return lambda frame_set: frame_set
        if self.fault == PLACEBO:
            return _Placebo(self.camera, at)
        late = LATE_TICKS if self.fault == "late_start" else 0
        return FaultInjector(self.fault, self.camera, at + late, seed=self.moment.seed)

    @property
    def cameras(self) -> frozenset[str]:
        """The cameras that may be named."""
        if self.fault in (CLEAN, PLACEBO):
            return frozenset()
        return frozenset(FaultInjector(self.fault, self.camera, 0).cameras)


@dataclass
class Outcome:
    """What came of a case. Ticks count from the first faulty one; None: never.

    Attributes:
        score: driving score of a drive; ade_m: mean plan error of a replay over the horizon of 3 s.
        finish: how the drive ended; hit_after: when the car hit something.
        names: name that a faulty camera was given -> when first.
        masks: camera that counted as missing because of a name -> when first.
        false_alarms: `name=camera` of a healthy camera, or of the faulty one before the fault -> when first.
        ticks: driven or replayed; seconds: that this took.
    """

    score: float | None = None
    ade_m: float | None = None
    finish: str = ""
    hit_after: int | None = None
    names: dict[str, int] = field(default_factory=dict)
    masks: dict[str, int] = field(default_factory=dict)
    false_alarms: dict[str, int] = field(default_factory=dict)
    ticks: int = 0
    seconds: float = 0.0

    def named_after(self, fault: str) -> int | None:
        """When the fault was first given a right name."""
        return min((self.names[name] for name in RIGHT_NAMES.get(fault, ()) if name in self.names), default=None)

    def watch(self, case: Case, after: int, health: str) -> None:
        """Take in the health of the plan at a tick."""
        for name, camera in named_cameras(health):
            if name == "masked":
                self.masks.setdefault(camera, after)
            elif camera in case.cameras and after >= 0:
                self.names.setdefault(name, after)
            else:
                self.false_alarms.setdefault(f"{name}={camera}", after)


def named_cameras(health: str) -> Iterator[tuple[str, str]]:
    """Every (flag, camera) of `Plan.health`."""
    for flag in health.split(";"):
        name, _, cameras = flag.partition("=")
        if name != "plan":
            yield from ((name, camera) for camera in cameras.split(",") if camera in CAMERAS)


class _Placebo:
    """One grey level brighter."""

    def __init__(self, camera: str, from_tick: int) -> None:
        self._camera, self._from_tick = CAMERAS.index(camera), from_tick

    def __call__(self, frame_set: FrameSet) -> FrameSet:
        frames = list(frame_set.frames)
        frame = frames[self._camera]
        if frame_set.tick < self._from_tick or frame is None:
            return frame_set
        frames[self._camera] = replace(frame, y_plane=np.minimum(frame.y_plane, 254) + np.uint8(1), sample=None)
        return replace(frame_set, frames=tuple(frames))


@dataclass(frozen=True)
class DriveSettings:
    """What all cases share.

    Attributes:
        model: ONNX file; None is the packaged one.
        draw_every_ticks: of the simulated cameras.
        longest_ticks: of a drive after the moment; None: to the end of the route.
        replay_ticks: plans of this long after the moment are scored; the clip holds the horizon of the last as well.
        clips: folder of the clips that are replayed.
    """

    model: Path | None
    draw_every_ticks: int
    longest_ticks: int | None
    replay_ticks: int
    clips: Path


class CaseRunner:
    """Runs cases one after another, with one renderer and one network with and one without masking.

    Args:
        settings: of all cases; on_tick: called at every tick.
    """

    def __init__(self, settings: DriveSettings, on_tick: Callable[[], None]) -> None:
        self._settings, self._on_tick = settings, on_tick
        self._rig = canonical_rig(WIDTH_PX, HEIGHT_PX)
        self._renderer: Renderer | None = None
        self._drivers: dict[bool, NetworkDriver] = {}
        self._planner: NetworkPlanner | None = None
        self._distort: Callable[[FrameSet], FrameSet] = lambda frame_set: frame_set

    def run(self, case: Case) -> dict[str, dict[str, Any]]:
        """The outcome with masking, and the one without it.

        Where masking never acted, the second is the first: the network got the same frame sets in both.
        """
        run = self.drive if case.how == "drive" else self.replay
        masked = run(case, True)
        unmasked = run(case, False) if masked.masks else masked
        return {"masked": asdict(masked), "unmasked": asdict(unmasked)}

    def drive(self, case: Case, is_masking: bool) -> Outcome:
        """Closed loop from the takeover on."""
        start, moment = time.perf_counter(), case.moment
        driver = self._driver(is_masking)
        driver.reset()
        self._distort = case.injector()
        env = at_takeover(moment, self.renderer)
        recorder, outcome = DriveRecorder(env), Outcome()
        until = moment.end_tick + SPARE_TICKS
        if self._settings.longest_ticks is not None:
            until = min(until, moment.tick + self._settings.longest_ticks)
        while not env.done and env.world.tick < until:
            after = env.world.tick - case.begin_tick
            controls = driver.controls(env)
            assert driver.last is not None
            outcome.watch(case, after, driver.last.plan.health)
            env.step(*controls)
            recorder.record_tick()
            self._on_tick()
            outcome.ticks += 1
        score = recorder.score()
        outcome.score, outcome.finish = score.driving_score, score.finish
        outcome.hit_after = env.world.tick - moment.tick if score.collided else None
        outcome.seconds = time.perf_counter() - start
        return outcome

    def replay(self, case: Case, is_masking: bool) -> Outcome:
        """The expert's drive, recorded as a clip, with plans scored against the driven path."""
        start, moment, outcome = time.perf_counter(), case.moment, Outcome()
        clip = open_clip(self.clip(moment))
        assert clip.ego is not None
        monitor, planner, inject = (
            CameraMonitor(clip.rig, is_masking),
            self._replay_planner(clip),
            case.injector(moment.takeover_tick),
        )
        times_ns, plans = [], []
        with FrameSource(
            clip, workers=1, max_ticks=LEAD_TICKS + self._settings.replay_ticks, mask_cameras=False
        ) as source:
            for frame_set in source:
                ego = clip.ego.sample_at(frame_set.timestamp_ns)
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                result = planner.step(monitor.step(inject(frame_set), ego), ego, command)
                tick = moment.takeover_tick + frame_set.tick
                outcome.watch(case, tick - case.begin_tick, result.plan.health)
                outcome.ticks += 1
                self._on_tick()
                if tick >= moment.tick:
                    times_ns.append(frame_set.timestamp_ns)
                    plans.append(result.plan.trajectory)
        driven = driven_waypoints(clip.ego, np.array(times_ns))
        outcome.ade_m = displacement_errors(np.array(plans), driven)[f"ade_{HORIZONS_S[-1]:g}s_m"]
        outcome.seconds = time.perf_counter() - start
        return outcome

    def clip(self, moment: Moment) -> Path:
        """The recorded drive of the expert around a moment; made at its first use."""
        folder = self._settings.clips / f"{moment.name}-{moment.seed}-{self._settings.replay_ticks}"
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
            config = RecordConfig(
                out=unfinished,
                seconds=(LEAD_TICKS + self._settings.replay_ticks) * TICK_S + HORIZONS_S[-1] + 1.0,
                seed=moment.seed,
                width_px=WIDTH_PX,
                height_px=HEIGHT_PX,
                scenario=moment.scenario,
                skip_s=(moment.takeover_tick + 0.5) * TICK_S,
                quality="fast",
            )
            record(config, lambda done, total: self._on_tick())
            unfinished.rename(folder)
        return folder

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self._rig)
        return self._renderer

    def _driver(self, is_masking: bool) -> NetworkDriver:
        if is_masking not in self._drivers:
            self._drivers[is_masking] = NetworkDriver(
                self._rig,
                self._settings.model,
                distort=lambda frame_set: self._distort(frame_set),
                draw_every_ticks=self._settings.draw_every_ticks,
                mask_cameras=is_masking,
            )
        return self._drivers[is_masking]

    def _replay_planner(self, clip: Clip) -> NetworkPlanner:
        """One planner for all clips: they have the same rig."""
        if self._planner is None:
            self._planner = NetworkPlanner(clip.rig, Engine(self._settings.model))
        self._planner.reset()
        return self._planner
