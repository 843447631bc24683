"""Run all detectors on every tick, name the faults of each camera, and mask the cameras that cannot be used.

Causal, and the same for any number of decoder threads: it depends on the frame sets and the ego motion alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.camera_health.detector import DRIVING_MPS, UNKNOWN, HealthTick
from fsd.data.camera_health.detectors import all_detectors
from fsd.data.camera_health.motion import PictureMotion
from fsd.data.camera_health.picture_sample import PictureSample
from fsd.data.camera_health.sampler import sample_of
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
        self._whole_picture = np.array([detector.fault in WHOLE_PICTURE for detector in self._detectors])
        self._of_age = np.array([detector.fault in OF_AGE for detector in self._detectors])
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start of a recording."""
        for detector in self._detectors:
            detector.reset()
        self._states = _Hysteresis([detector.fault for detector in self._detectors])
        self._evidence = np.zeros((len(self._detectors), len(CAMERAS)), np.int8)
        self._run: int | None = None
        self._has_fault = np.zeros(len(CAMERAS), np.bool_)
        self._driving_ticks = 0
        self._shown: list[Frame | None] = [None] * len(CAMERAS)
        self._samples: list[PictureSample | None] = [None] * len(CAMERAS)
        self._motion = PictureMotion()

    def step(self, frame_set: FrameSet, ego: EgoSample | None = None, is_excused: np.ndarray | None = None) -> FrameSet:
        """The frame set of the next tick with the faults of its cameras, and without those that are masked.

        Faults that the frame set has already, which its source knows of, stay. A new run of the recording starts anew.
        `is_excused`, (8,) bool: that the picture is old is no evidence against the camera.
        """
        if frame_set.run != self._run:
            self.reset()
            self._run = frame_set.run
        tick = self._look(frame_set, ego)
        for row, detector in enumerate(self._detectors):
            self._evidence[row] = detector.step(tick)
        if is_excused is not None and is_excused.any():
            self._evidence[np.ix_(self._of_age, is_excused)] = UNKNOWN
        self._states.add(self._evidence)
        self._has_fault = self._states.is_named[self._whole_picture].any(axis=0)
        if not self._states.is_named.any():
            return frame_set
        faults = tuple(self._faults(camera, known) for camera, known in enumerate(frame_set.faults))
        masked = np.array([self._mask_cameras and any(fault.masks for fault in found) for found in faults])
        return replace(frame_set, faults=faults, is_masked=masked, is_valid=frame_set.is_valid & ~masked)

    def _faults(self, camera: int, known: tuple[CameraFault, ...]) -> tuple[CameraFault, ...]:
        """The faults of a camera, those known already first; one that explains others replaces them."""
        named = [
            each.fault for each, named in zip(self._detectors, self._states.is_named[:, camera], strict=True) if named
        ]
        if self._shown[camera] is None:  # then there is no picture to have a fault
            named = [fault for fault in named if fault is CameraFault.LOST]
        found = [*known, *(fault for fault in named if fault not in known)]
        for cause, effects in EXPLAINED_BY.items():
            if cause in found:
                found = [fault for fault in found if fault not in effects]
        return tuple(found)

    def _look(self, frame_set: FrameSet, ego: EgoSample | None) -> HealthTick:
        """Sample the new frames and compare them with those before."""
        is_driving = ego is not None and ego.speed_mps >= DRIVING_MPS
        self._driving_ticks = self._driving_ticks + 1 if is_driving else 0
        new: list[PictureSample | None] = [None] * len(CAMERAS)
        for camera, frame in enumerate(frame_set.frames):
            if frame is None:
                self._samples[camera] = None
            elif frame is not self._shown[camera]:
                sample = frame.sample or sample_of(frame.y_plane, frame.u_plane, frame.v_plane)
                new[camera] = self._samples[camera] = sample
            self._shown[camera] = frame
        self._motion.step(frame_set.tick, new)
        return HealthTick(frame_set, ego, self._driving_ticks, tuple(self._samples), self._motion, self._has_fault)


WHOLE_PICTURE = frozenset(
    {
        CameraFault.BLACK,
        CameraFault.FROZEN,
        CameraFault.NOISE,
        CameraFault.CORRUPT,
        CameraFault.RESIZED,
        CameraFault.EXPOSURE,
    }
)
"""Faults after which the picture must settle before a part of it is judged."""

OF_AGE = frozenset({CameraFault.LOST, CameraFault.CLOCK_JUMP})
"""Faults for which the age of a picture is evidence."""

EXPLAINED_BY = {
    CameraFault.BLACK: frozenset(
        {
            CameraFault.FROZEN,
            CameraFault.STILL,
            CameraFault.DUPLICATES,
            CameraFault.NOISE,
            CameraFault.CORRUPT,
            CameraFault.OBSTRUCTED,
            CameraFault.GLARE,
            CameraFault.EXPOSURE,
        }
    ),
    CameraFault.NOISE: frozenset({CameraFault.CORRUPT, CameraFault.OBSTRUCTED, CameraFault.EXPOSURE}),
    CameraFault.FROZEN: frozenset({CameraFault.STILL, CameraFault.DUPLICATES}),
    CameraFault.EXPOSURE: frozenset({CameraFault.GLARE, CameraFault.OBSTRUCTED}),
}
"""A fault -> those that are not named beside it, since it causes what they look for."""


class _Hysteresis:
    """Which faults are named: `is_named` (F, 8) bool for F faults and eight cameras."""

    def __init__(self, faults: Sequence[CameraFault]) -> None:
        self.is_named = np.zeros((len(faults), len(CAMERAS)), np.bool_)
        self._against = np.zeros(self.is_named.shape, np.int64)
        self._name_after = np.array([[fault.name_after] for fault in faults])
        self._clear_after = np.array([[fault.clear_after] for fault in faults])

    def add(self, evidence: np.ndarray) -> None:
        """Count the ticks in a row that contradict the present state; one that agrees with it starts the count anew.

        `evidence` is (F, 8) int8.
        """
        towards = np.where(self.is_named, -evidence, evidence)  # 1: for a change
        self._against += towards == 1
        self._against[towards == -1] = 0
        flips = self._against >= np.where(self.is_named, self._clear_after, self._name_after)
        if flips.any():
            self.is_named ^= flips
            self._against[flips] = 0
