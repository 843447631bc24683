"""The detectors that a `CameraMonitor` runs, in one list."""

from fsd.data.camera_health.black import BlackCamera
from fsd.data.camera_health.detector import Detector
from fsd.data.camera_health.mounting import mounting_detectors
from fsd.data.camera_health.stream_times import JumpingClock, LostCamera, RepeatedPictures
from fsd.data.rig import Rig


def all_detectors(rig: Rig) -> tuple[Detector, ...]:
    """New ones for the cameras of a rig, in the order in which their faults are named."""
    return (BlackCamera(), LostCamera(), JumpingClock(), RepeatedPictures(), *mounting_detectors(rig))
