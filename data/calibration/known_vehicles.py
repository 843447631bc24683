"""Assumed cameras of vehicles whose recordings carry no calibration: where an estimate starts.

Tesla HW3 and HW4 as TeslaCam records them. Public sources give the names, the sizes (ffprobe tables of recordings), and
the places of the cameras in words: forward at the top of the windscreen, B-pillars looking forward and sideways,
fenders looking backward and sideways, rear above the licence plate (owner's manuals). Fields of view, angles and
positions in numbers are not published: every number below is `assumed`, drawn from those words and from the look of the
images. `fsd calibrate` replaces what it can measure.
"""

from collections.abc import Mapping

from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig
from fsd.data.standard_rigs import VEHICLE, AssumedCamera

TESLA: dict[str, AssumedCamera] = {
    "front_main": AssumedCamera((1.85, 0.0, 1.30), 0.0, -1.0, 50.0),
    "left_pillar": AssumedCamera((1.05, 0.75, 1.25), 60.0, -4.0, 85.0),
    "right_pillar": AssumedCamera((1.05, -0.75, 1.25), -60.0, -4.0, 85.0),
    "left_repeater": AssumedCamera((2.30, 0.95, 0.90), 145.0, -4.0, 75.0),
    "right_repeater": AssumedCamera((2.30, -0.95, 0.90), -145.0, -4.0, 75.0),
    "rear": AssumedCamera((-0.85, 0.0, 0.90), 180.0, -10.0, 110.0),
}
"""The cameras that TeslaCam records, all assumed; HW3 leaves out the pillars."""


def known_rig(sizes: Mapping[str, tuple[int, int]]) -> Rig:
    """The assumed rig of a Tesla.

    Args:
        sizes: canonical camera -> (width, height) in pixels of its images; cameras that TeslaCam never records are
            left out.
    """
    is_hw4 = not {"left_pillar", "right_pillar"}.isdisjoint(sizes)
    cameras = tuple(TESLA[name].camera(name, *sizes[name]) for name in CAMERAS if name in sizes and name in TESLA)
    return Rig(name=f"Tesla HW{4 if is_hw4 else 3}", cameras=cameras, vehicle=VEHICLE)
