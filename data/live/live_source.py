"""Live cameras as frame sets at 36 Hz of the clock: the newest picture wins, with the ages and health of a replay."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from fsd.data.array_frames import canonical_names
from fsd.data.camera_cursor import Shown
from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS, tick_count, tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError
from fsd.data.frame_merger import FrameMerger
from fsd.data.frame_sets import FrameSets
from fsd.data.frames import CAMERAS, MAX_FRAME_AGE_NS, FrameSet
from fsd.data.live.captures import CameraInput, ClockNs, PlayClock, capture_of
from fsd.data.live.live_camera import LiveCamera
from fsd.data.live.stall_watch import StallWatch
from fsd.data.planes import frame_of
from fsd.data.rig import Rig
from fsd.data.standard_rigs import assumed_rig, canonical_rig
from fsd.data.stretches import MAX_HOLE_NS
from fsd.data.sync_report import RunStart, SyncReport

START_TIMEOUT_S = 10.0

WARM_UP_TICKS = 12
"""More than the nine pictures over which frozen cameras are looked for."""

_COMPILED_PX = (128, 100)
"""Widths of pictures without and with a gap between their rows, for which kernels are compiled apart."""

_DRIVING = EgoSample(10.0, 0.1)

EgoFunction = Callable[[int], EgoSample | None]


@dataclass(frozen=True, kw_only=True)
class LiveStream(CameraStream):
    """A live camera as part of a `Clip`: it has no files, and only `LiveSource` reads it."""

    @property
    def files(self) -> tuple[Path, ...]:
        return ()


class LiveSource(FrameSets):
    """Iterates over live cameras at 36 Hz; use it as a context manager.

    Tick i is at t0 + ceil(i / 36 s) of the clock, where t0 is the moment of the first iteration. Every camera shows its
    newest picture not later than the tick. A consumer that is late gets the latest tick: those between are skipped, and
    counted in `skipped_ticks`. A camera that goes away shows its last picture, which becomes stale, and is opened anew
    until it returns; where no camera had a picture for longer than `MAX_HOLE_NS`, a new run begins. Files end; without
    any other camera, so does the iteration. Pictures that are late since this process did not run are stale, and no
    fault of a camera.

    Args:
        cameras: camera, or an alias of it -> a function that returns its newest picture (see `FunctionCapture`), a
            device such as `/dev/video0`, an address such as `rtsp://…`, or a video file.
        rig: of the cameras; None assumes one for the size of their pictures, for which all must be there at the start.
        ego: tick time in ns -> newest ego sample; the checks of camera health use it. `None` is no ego motion.
        max_age_ns: a camera whose picture is older than this is not valid.
        max_ticks: number of ticks after which to stop; None is no limit.
        mask_cameras: whether cameras with faulty pictures count as not valid; see `CameraMonitor`.
        start_timeout_s: how long to wait for the first picture of every camera.
        input_options: of FFmpeg, for devices and addresses, such as `video_size`.
        clock_ns: the clock of ticks and pictures.
        sleep: waits for seconds.

    Attributes:
        rig: given or assumed; clip: the cameras as a recording, for planners and painters.
        report: counters, as of a replay; stalls: when this process did not run.

    Raises:
        ClipError: a camera does not exist, has no picture in time, or gives something that is no picture.
        RigError: pictures do not match the rig.
    """

    def __init__(
        self,
        cameras: Mapping[str, CameraInput],
        rig: Rig | None = None,
        *,
        ego: EgoFunction | None = None,
        max_age_ns: int = MAX_FRAME_AGE_NS,
        max_ticks: int | None = None,
        mask_cameras: bool = True,
        start_timeout_s: float = START_TIMEOUT_S,
        input_options: Mapping[str, str] | None = None,
        clock_ns: ClockNs = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        names = canonical_names(list(cameras))
        _compile_kernels()
        self._clock_ns, self._sleep, self._ego, self._max_ticks = clock_ns, sleep, ego, max_ticks
        self._stop, self._play_clock = threading.Event(), PlayClock()
        self.stalls = StallWatch(clock_ns, self._stop)
        captures = {
            name: capture_of(name, cameras[given], input_options or {}, clock_ns, self._play_clock)
            for given, name in names.items()
        }
        self._cameras = {
            CAMERAS.index(name): LiveCamera(name, capture, rig, self._stop, self.stalls)
            for name, capture in captures.items()
        }
        self.report = SyncReport(cameras={each.name: each.counters for each in self._in_order()})
        self._overdue_ns = {index: camera.overdue_ns for index, camera in self._cameras.items()}
        self._late_ns = min(max_age_ns, MAX_FRAME_AGE_NS)
        self._merger = FrameMerger(self.report, max_age_ns, self._overdue_ns)
        self.skipped_ticks = 0
        self._next_tick, self._returned = 0, 0
        self._start_ns: int | None = None
        self._newest_ns: int | None = None
        try:
            for camera in self._cameras.values():
                camera.start()
            self._wait_for_cameras(start_timeout_s, rig is not None)
        except BaseException:
            self.close()
            raise
        sizes = {each.name: each.size_px for each in self._in_order() if each.size_px is not None}
        self.rig = rig or assumed_rig(sizes)
        self.clip = self._described(rig is None)
        self._monitor = CameraMonitor(self.rig, mask_cameras)

    @property
    def states(self) -> dict[str, str]:
        """Camera -> `waiting`, `live`, `away: ` with the reason, or `ended`."""
        return {each.name: f"{each.state}: {each.reason}" if each.reason else each.state for each in self._in_order()}

    @property
    def returns(self) -> dict[str, int]:
        """Camera -> how often it came back after it was away."""
        return {each.name: each.returns for each in self._in_order()}

    def now_ns(self) -> int:
        """The clock of ticks and pictures."""
        return self._clock_ns()

    def preview(self) -> FrameSet:
        """The newest pictures as a frame set of tick 0, for `Planner.warm_up`; the iteration is not changed."""
        frames = tuple(self._cameras[i].newest if i in self._cameras else None for i in range(len(CAMERAS)))
        is_there = np.array([frame is not None for frame in frames])
        age_ns = np.where(is_there, 0, -1).astype(np.int64)
        return FrameSet(0, self._clock_ns(), frames, age_ns, is_there, is_there.copy())

    def __next__(self) -> FrameSet:
        if self._returned == self._max_ticks:
            self.close()
        if self._start_ns is None and not self._stop.is_set():
            self._start_ns = self.report.start_ns = self._clock_ns()
            self._play_clock.start(self._start_ns)
            self.stalls.start()
        tick_ns = None if self._stop.is_set() else self._wait_for_tick()
        if tick_ns is None:
            self.close()
            raise StopIteration
        tick, self._next_tick = self._next_tick, self._next_tick + 1
        self._returned += 1
        self._begin_run_after_hole(tick, tick_ns)
        shown, is_excused = self._shown(tick_ns)
        merged = self._merger.merge(tick, tick_ns, shown, len(self.report.runs) - 1)
        frame_set = self._monitor.step(merged, self._ego(tick_ns) if self._ego else None, is_excused)
        self.report.count_faults(frame_set)
        return frame_set

    def close(self) -> None:
        """Stop all cameras."""
        self._stop.set()
        for camera in self._cameras.values():
            camera.join()
        self.stalls.join()

    def _in_order(self) -> list[LiveCamera]:
        return [self._cameras[index] for index in sorted(self._cameras)]

    def _wait_for_tick(self) -> int | None:
        """Wait for the next tick, or take the latest one that has passed; None once all cameras have ended.

        Raises:
            FsdError: the failure of a camera.
        """
        start_ns = self._start_ns or 0
        now_ns = self._clock_ns()
        latest = tick_count(start_ns, now_ns) - 1
        if latest > self._next_tick:
            self.skipped_ticks += latest - self._next_tick
            self._next_tick = latest
        tick_ns = tick_time_ns(self._next_tick, start_ns)
        if tick_ns > now_ns:
            self._sleep((tick_ns - now_ns) / SECOND_NS)
        self._raise_failure()
        return None if all(camera.is_over for camera in self._cameras.values()) else tick_ns

    def _begin_run_after_hole(self, tick: int, tick_ns: int) -> None:
        """Begin a new run where the first picture after a hole is there."""
        newest = [frame.timestamp_ns for camera in self._cameras.values() if (frame := camera.newest) is not None]
        newest_ns = max((ns for ns in newest if ns <= tick_ns), default=None)
        before_ns, self._newest_ns = self._newest_ns, newest_ns if newest_ns is not None else self._newest_ns
        if not self.report.runs:
            self.report.runs.append(RunStart(tick, tick_ns))
        elif newest_ns is not None and before_ns is not None and newest_ns - before_ns > MAX_HOLE_NS:
            self.report.runs.append(RunStart(tick, tick_ns, newest_ns - before_ns))
            for camera in self._cameras.values():
                camera.begin_run()

    def _shown(self, tick_ns: int) -> tuple[list[Shown | None], np.ndarray]:
        """What every camera shows, and (8,) bool whether it is late since this process did not run."""
        shown: list[Shown | None] = [None] * len(CAMERAS)
        is_excused = np.zeros(len(CAMERAS), np.bool_)
        for index, camera in self._cameras.items():
            taken = camera.shown_at(tick_ns)
            is_excused[index] = camera.is_late_by_stall(tick_ns, self._late_ns)
            shown[index] = taken._replace(absence=None) if is_excused[index] else taken
            self._overdue_ns[index] = camera.overdue_ns
        return shown, is_excused

    def _raise_failure(self) -> None:
        for camera in self._cameras.values():
            if camera.failure is not None:
                raise camera.failure

    def _wait_for_cameras(self, timeout_s: float, has_rig: bool) -> None:
        # By the time of the machine, whatever the clock of the ticks: threads wait by it.
        end_s = time.monotonic() + timeout_s
        for camera in self._cameras.values():
            camera.wait_for_first(max(0.0, end_s - time.monotonic()))
            self._raise_failure()
        absent = [camera for camera in self._in_order() if camera.size_px is None]
        if absent and (not has_rig or len(absent) == len(self._cameras)):
            why = "; ".join(f"{each.name} ({each.reason or each.state})" for each in absent)
            raise ClipError(
                f"No picture within {timeout_s:g} s from {why}. Check that the camera is connected and not in use, or "
                "give a rig, with which cameras may come later.",
                camera=absent[0].name,
            )

    def _described(self, is_assumed: bool) -> Clip:
        streams: list[CameraStream | None] = [None] * len(CAMERAS)
        for index, camera in self._cameras.items():
            described = self.rig.camera(camera.name)
            if described is not None:
                capture = camera.capture
                streams[index] = LiveStream(
                    name=camera.name,
                    width_px=described.width_px,
                    height_px=described.height_px,
                    codec=capture.codec,
                    rate_hz=capture.rate_hz,
                )
        note = "Calibration is assumed: the usual cameras of a car, at the size of these pictures. Give a rig."
        return Clip("live", Path("live"), "live", self.rig, is_assumed, tuple(streams), notes=(note,) * is_assumed)


def _compile_kernels() -> None:
    """Compile, or load, what every picture and tick runs: on a new machine that takes longer than any camera waits."""
    monitor = CameraMonitor(canonical_rig(_COMPILED_PX[0], _COMPILED_PX[1]))
    pictures = [av.VideoFrame(width_px, _COMPILED_PX[1], "yuv420p") for width_px in _COMPILED_PX]
    there = np.ones(len(CAMERAS), np.bool_)
    for tick in range(WARM_UP_TICKS):
        picture = pictures[tick % 2]
        frame = frame_of(picture, tick, tick_time_ns(tick), (picture.width, picture.height))
        age_ns = np.zeros(len(CAMERAS), np.int64)
        monitor.step(FrameSet(tick, tick_time_ns(tick), (frame,) * len(CAMERAS), age_ns, there, there), _DRIVING)
