"""Find cameras that are swapped, turned or upside down, from the motion of their pictures against the car's."""

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, HealthTick
from fsd.data.camera_health.mounting.block_sampler import BlockSampler
from fsd.data.camera_health.mounting.car_motion import CarMotion
from fsd.data.camera_health.mounting.evidence import MountingEvidence
from fsd.data.camera_health.mounting.expected_motion import expected_motion
from fsd.data.clock import SECOND_NS
from fsd.data.rig import Rig

MIN_SPEED_MPS = 1.5
"""Below it, what moves in a picture is mostly other traffic."""


class Mounting:
    """Collects evidence about the mounting of all cameras; shared by the detectors of its faults."""

    def __init__(self, rig: Rig) -> None:
        expected = expected_motion(rig)
        self._pictures, self._car, self._evidence = BlockSampler(), CarMotion(expected), MountingEvidence(expected)
        self._tick: HealthTick | None = None

    def reset(self) -> None:
        """Forget everything."""
        for part in (self._pictures, self._car, self._evidence):
            part.reset()
        self._tick = None

    def verdicts(self, tick: HealthTick) -> list[CameraFault | None]:
        """The fault of every camera after this tick, which is only counted once."""
        if tick is not self._tick:
            self._tick = tick
            if tick.ego is not None:
                self._car.record(tick.frame_set.timestamp_ns, tick.ego)
            for sample in self._pictures.step(tick.frame_set):
                motion = self._car.during(sample)
                if motion is not None and abs(motion.speed_mps) >= MIN_SPEED_MPS:
                    seconds = (sample.end_ns - sample.start_ns) / SECOND_NS
                    self._evidence.add(
                        sample.camera, sample.moved_px, motion.speed_mps * seconds, motion.yaw_rate_rps * seconds
                    )
        return self._evidence.verdicts


class MisplacedCamera:
    """One fault of mounting."""

    def __init__(self, fault: CameraFault, mounting: Mounting) -> None:
        self.fault = fault
        self._mounting = mounting

    def step(self, tick: HealthTick) -> np.ndarray:
        verdicts = self._mounting.verdicts(tick)
        return np.array([BAD if verdict is self.fault else GOOD for verdict in verdicts], np.int8)

    def reset(self) -> None:
        self._mounting.reset()


def mounting_detectors(rig: Rig) -> tuple[MisplacedCamera, ...]:
    """The detectors of all faults of mounting."""
    mounting = Mounting(rig)
    return tuple(
        MisplacedCamera(fault, mounting)
        for fault in (CameraFault.SWAPPED, CameraFault.ROTATED, CameraFault.UPSIDE_DOWN)
    )
