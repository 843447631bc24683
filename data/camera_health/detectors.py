"""The detectors that a `CameraMonitor` runs, in one list."""

from fsd.data.camera_health.black import BlackCamera
from fsd.data.camera_health.damaged import CorruptCamera, ResizedCamera
from fsd.data.camera_health.detector import Detector
from fsd.data.camera_health.exposure import HuntingExposure
from fsd.data.camera_health.frozen import FrozenCamera, StillCamera
from fsd.data.camera_health.mounting.detectors import mounting_detectors
from fsd.data.camera_health.noise import NoisyCamera
from fsd.data.camera_health.static_region import GlaringCamera, ObstructedCamera, StaticRegions
from fsd.data.camera_health.stream_times import JumpingClock, LostCamera, RepeatedPictures
from fsd.data.rig import Rig


def all_detectors(rig: Rig) -> tuple[Detector, ...]:
    """New ones for the cameras of a rig, in the order in which their faults are named."""
    regions = StaticRegions()
    return (
        BlackCamera(),
        FrozenCamera(),
        StillCamera(),
        NoisyCamera(),
        CorruptCamera(),
        ResizedCamera(),
        ObstructedCamera(regions),
        GlaringCamera(regions),
        HuntingExposure(),
        LostCamera(),
        JumpingClock(),
        RepeatedPictures(),
        *mounting_detectors(rig),
    )
