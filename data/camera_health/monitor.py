"""Run all detectors on every tick, name the faults of each camera, and mask the cameras that cannot be used.

Causal, and the same for any number of decoder threads: it depends on the frame sets and the ego motion alone.
"""

from dataclasses import replace

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import BAD, GOOD, Detector, HealthTick
from fsd.data.camera_health.detectors import all_detectors
from fsd.data.camera_health.picture_sample import PictureSample, sample_of
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, Frame, FrameSet
from fsd.data.rig import Rig


class CameraMonitor:
    """Watches the cameras of one recording or drive.

    Args:
        rig: of the cameras, described or assumed.
        mask_cameras: whether a camera with a fault that masks counts as not valid; faults are named either way.
    """

    def __init__(self, rig: Rig, mask_cameras: bool = True) -> None:
        self._mask_cameras = mask_cameras
        self._detectors = all_detectors(rig)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of a recording."""
        for detector in self._detectors:
            detector.reset()
        self._states = [_FaultState(detector) for detector in self._detectors]
        self._run: int | None = None
        self._shown: list[Frame | None] = [None] * len(CAMERAS)
        self._samples: list[PictureSample | None] = [None] * len(CAMERAS)

    def step(self, frame_set: FrameSet, ego: EgoSample | None = None) -> FrameSet:
        """The frame set of the next tick with the faults of its cameras, and without those that are masked.

        Faults that the frame set has already, which its source knows of, stay.

        A new run of the recording starts anew.
        """
        if frame_set.run != self._run:
            self.reset()
            self._run = frame_set.run
        tick = self._look(frame_set, ego)
        for state in self._states:
            state.add(state.detector.step(tick))
        faults = tuple(
            known + tuple(state.fault for state in self._states if state.is_named[camera] and state.fault not in known)
            for camera, known in enumerate(frame_set.faults)
        )
        masked = np.array([self._mask_cameras and any(fault.masks for fault in found) for found in faults])
        return replace(frame_set, faults=faults, is_masked=masked, is_valid=frame_set.is_valid & ~masked)

    def _look(self, frame_set: FrameSet, ego: EgoSample | None) -> HealthTick:
        """Sample the new frames and compare each with the camera's frame before."""
        change = np.full(len(CAMERAS), np.nan, np.float32)
        for camera, frame in enumerate(frame_set.frames):
            if frame is None:
                self._samples[camera] = None
            elif frame is not self._shown[camera]:
                before = self._samples[camera]
                sample = self._samples[camera] = frame.sample or sample_of(frame.y_plane)
                if before is not None:
                    difference = sample.luma.astype(np.int16) - before.luma
                    change[camera] = np.abs(difference, out=difference).mean()
            self._shown[camera] = frame
        return HealthTick(frame_set, ego, tuple(self._samples), change)


class _FaultState:
    """Hysteresis of one fault over the cameras: `is_named` (8,) bool."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.fault: CameraFault = detector.fault
        self.is_named = np.zeros(len(CAMERAS), np.bool_)
        self._against = np.zeros(len(CAMERAS), np.int64)

    def add(self, evidence: np.ndarray) -> None:
        """Count the ticks in a row that contradict the present state; one that agrees with it starts the count anew."""
        contradicts = evidence == np.where(self.is_named, GOOD, BAD)
        agrees = evidence == np.where(self.is_named, BAD, GOOD)
        self._against = np.where(contradicts, self._against + 1, np.where(agrees, 0, self._against))
        needed = np.where(self.is_named, self.fault.clear_after, self.fault.name_after)
        flips = self._against >= needed
        self.is_named = self.is_named ^ flips
        self._against[flips] = 0
