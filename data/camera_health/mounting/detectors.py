"""Find cameras that are swapped, turned or late, from the motion of their pictures against the car's."""

from collections import deque
from collections.abc import Callable

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick, unknown
from fsd.data.camera_health.mounting.block_sampler import BlockSampler, MotionSample
from fsd.data.camera_health.mounting.car_motion import AROUND_NS, CarMotion, fit_motion
from fsd.data.camera_health.mounting.evidence import JUDGED_SAMPLES, MountingEvidence
from fsd.data.camera_health.mounting.expected_motion import expected_motion
from fsd.data.camera_health.mounting.turn_response import TurnResponse
from fsd.data.camera_health.mounting.turn_verdicts import MIN_OFFSET_S, NO_OFFSET_S, LensPairs, clock_offsets_s
from fsd.data.clock import SECOND_NS
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig

MIN_SPEED_MPS = 1.5
"""Below it, what moves in a picture is mostly other traffic."""

MAX_SEEN_RPS = 1.0


class Mounting:
    """Collects evidence about the mounting and the clocks of all cameras; shared by the detectors of their faults.

    Attributes:
        evidence: of directions of motion.
        response: to turns; only where ego motion is recorded.
        is_exchanged: (8,) bool, of `LensPairs`.
        offsets_s: of `clock_offsets_s`.
        changes: rises whenever one of these may have changed.
    """

    changes = 0

    def __init__(self, rig: Rig) -> None:
        self._expected = expected_motion(rig)
        self._sampler, self._car = BlockSampler(), CarMotion(self._expected)
        self._lenses = LensPairs(rig, self._expected)
        self.evidence, self.response = MountingEvidence(self._expected), TurnResponse()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        for part in (self._sampler, self._car, self._lenses, self.evidence, self.response):
            part.reset()
        self.is_exchanged = np.zeros(len(CAMERAS), np.bool_)
        self.offsets_s = np.full(len(CAMERAS), np.nan)
        self._waiting: deque[MotionSample] = deque()
        self._responses = 0
        self._tick: HealthTick | None = None
        self.changes += 1

    def step(self, tick: HealthTick) -> None:
        """Count a tick; only the first call of each does."""
        if tick is self._tick:
            return
        self._tick = tick
        if tick.ego is not None:
            self._car.record(tick.frame_set.timestamp_ns, tick.ego)
        for sample in self._sampler.step(tick.frame_set):
            motion = self._car.during(sample)
            if motion is not None and abs(motion.speed_mps) >= MIN_SPEED_MPS:
                seconds = (sample.end_ns - sample.start_ns) / SECOND_NS
                forward_m, turn_rad = motion.speed_mps * seconds, motion.yaw_rate_rps * seconds
                self.evidence.add(sample.camera, sample.moved_px, forward_m, turn_rad)
                self.changes += 1
                self._waiting.append(sample)
        while self._waiting and _middle_ns(self._waiting[0]) + AROUND_NS <= tick.frame_set.timestamp_ns:
            self._add_response(self._waiting.popleft())

    def _add_response(self, sample: MotionSample) -> None:
        around = self._car.around(_middle_ns(sample))
        expected, camera = self._expected, sample.camera
        _, turn_rad, blocks = fit_motion(sample.moved_px, expected.forward_px[camera, 0], expected.turn_px[camera, 0])
        if around is not None and blocks:
            seen_rps = turn_rad * SECOND_NS / (sample.end_ns - sample.start_ns)
            self.response.add(camera, float(np.clip(seen_rps, -MAX_SEEN_RPS, MAX_SEEN_RPS)), *around)
            self._responses += 1
            if self._responses % JUDGED_SAMPLES == 0:
                self.is_exchanged = self._lenses.exchanged(self.response)
                self.offsets_s = clock_offsets_s(self.response)
                self.changes += 1


def _middle_ns(sample: MotionSample) -> int:
    return (sample.start_ns + sample.end_ns) // 2


def _mounting_verdict(fault: CameraFault) -> Callable[[Mounting], np.ndarray]:
    def evidence(mounting: Mounting) -> np.ndarray:
        found = np.array([verdict is fault for verdict in mounting.evidence.verdicts])
        if fault is CameraFault.SWAPPED:
            found |= mounting.is_exchanged
        return np.where(found, BAD, GOOD)

    return evidence


def _clock_verdict(mounting: Mounting) -> np.ndarray:
    offsets_s, evidence = np.abs(mounting.offsets_s), unknown()
    with np.errstate(invalid="ignore"):
        evidence[offsets_s >= MIN_OFFSET_S] = BAD
        evidence[offsets_s <= NO_OFFSET_S] = GOOD
    return evidence


class MisplacedCamera:
    """One fault of mounting or clock, by what `verdict` makes of the shared evidence."""

    def __init__(self, fault: CameraFault, mounting: Mounting, verdict: Callable[[Mounting], np.ndarray]) -> None:
        self.fault = fault
        self._mounting, self._verdict = mounting, verdict
        self._evidence, self._judged = unknown(), -1

    def step(self, tick: HealthTick) -> np.ndarray:
        self._mounting.step(tick)
        if self._judged != self._mounting.changes:
            self._evidence, self._judged = self._verdict(self._mounting), self._mounting.changes
        return self._evidence

    def reset(self) -> None:
        self._mounting.reset()


def mounting_detectors(rig: Rig) -> tuple[MisplacedCamera, ...]:
    """The detectors of all faults of mounting, and of clocks that differ."""
    mounting = Mounting(rig)
    faults = (CameraFault.SWAPPED, CameraFault.ROTATED, CameraFault.UPSIDE_DOWN)
    return (
        *(MisplacedCamera(fault, mounting, _mounting_verdict(fault)) for fault in faults),
        MisplacedCamera(CameraFault.CLOCK_OFFSET, mounting, _clock_verdict),
    )
