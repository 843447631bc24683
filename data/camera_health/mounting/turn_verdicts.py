"""Judge from the responses of all cameras to turns whose clock differs, and which lenses are exchanged."""

from itertools import combinations

import numpy as np

from fsd.data.camera_health.mounting.expected_motion import ExpectedMotion
from fsd.data.camera_health.mounting.turn_response import MIN_SAMPLES, TurnResponse
from fsd.data.frames import CAMERAS
from fsd.data.rig import Rig

MIN_EVIDENCE = 0.2
"""rad2/s3 in the last minute: about one turn at a junction."""

MAX_LAG_ERROR_S = 0.06

MIN_OFFSET_S, NO_OFFSET_S = 0.25, 0.15
"""A camera whose lag differs from the median of the others by the first has another clock, up to the second it has not.

Healthy cameras of simulated drives differed by 0.15 s at most.
"""

MIN_LENS_EVIDENCE = 0.08
"""The same for lenses, whose exchange is a larger effect."""

MIN_OTHERS = 3
"""Cameras with a certain lag that a camera is compared with."""

MIN_GAIN, MAX_GAIN = 0.35, 1.6
"""Outside, what a camera shows is not the turn of the car."""

SAME_DIRECTION_COS = np.cos(np.radians(25.0))
MAX_LENS_RATIO = 0.7
"""Two lenses can be told from each other if the pixels per radian of one are at most this share of the other's."""


def clock_offsets_s(response: TurnResponse) -> np.ndarray:
    """(8,) s by which each camera is later than the median of the others; NaN where that is not certain."""
    is_certain = (response.evidence >= MIN_EVIDENCE) & (response.samples >= MIN_SAMPLES)
    is_certain &= (response.lag_error_s <= MAX_LAG_ERROR_S) & (response.gain >= MIN_GAIN) & (response.gain <= MAX_GAIN)
    offsets_s = np.full(len(CAMERAS), np.nan)
    for camera in np.flatnonzero(is_certain):
        others = is_certain.copy()
        others[camera] = False
        if others.sum() >= MIN_OTHERS:
            offsets_s[camera] = response.lag_s[camera] - np.median(response.lag_s[others])
    return offsets_s


class LensPairs:
    """The pairs of cameras of a rig that look the same way through different lenses."""

    def __init__(self, rig: Rig, expected: ExpectedMotion) -> None:
        axes = {
            index: camera.ego_from_camera.matrix()[:3, 2]
            for index, camera in enumerate(map(rig.camera, CAMERAS))
            if camera is not None
        }
        self._pairs: list[tuple[int, int, float]] = []  # narrow, wide, ratio
        for pair in combinations(axes, 2):
            if axes[pair[0]] @ axes[pair[1]] >= SAME_DIRECTION_COS:
                scales = {each: float(np.median(np.abs(expected.turn_px[each, 0, :, 0]))) for each in pair}
                wide, narrow = sorted(pair, key=lambda each: scales[each])
                if scales[wide] <= MAX_LENS_RATIO * scales[narrow]:
                    self._pairs.append((narrow, wide, scales[wide] / scales[narrow]))
        self.reset()

    def reset(self) -> None:
        """Forget what is exchanged."""
        self._is_exchanged = [False] * len(self._pairs)

    def exchanged(self, response: TurnResponse) -> np.ndarray:
        """(8,) bool cameras that show turns as another one with the same direction should. Stays until refuted.

        The gains of two cameras in their places are alike; of two that are exchanged, they differ by the ratio of the
        lenses, squared. The limit lies between.
        """
        is_certain = (response.evidence >= MIN_LENS_EVIDENCE) & (response.samples >= MIN_SAMPLES)
        most, least = response.gain + 2 * response.gain_error, response.gain - 2 * response.gain_error
        found = np.zeros(len(CAMERAS), np.bool_)
        for number, (narrow, wide, ratio) in enumerate(self._pairs):
            if is_certain[narrow] and is_certain[wide]:
                if least[narrow] > 0 and most[narrow] < ratio * least[wide]:  # 0: rather upside down
                    self._is_exchanged[number] = True
                elif least[narrow] > ratio * most[wide]:
                    self._is_exchanged[number] = False
            found[[narrow, wide]] |= self._is_exchanged[number]
        return found
