"""How the picture of each camera answers to turns of the car: by how much, and how late.

The yaw rate that a camera's picture shows is fitted, over the last minute or so, as a sum of the recorded yaw rate, its
slope, the speed, speed times yaw rate, and a constant; the speed's part is what near and far scenery makes of driving
on. The slope's share over the yaw rate's is the lateness of the camera. Only turns that begin and end tell it.
"""

import numpy as np

from fsd.data.frames import CAMERAS
from fsd.data.kernel import kernel

FADING = 1 - 1 / 170
"""Weight of a sample after the next one of its camera: at three per second, about a minute."""

SAMPLE_S = 1 / 3
"""Time that a sample stands for."""

MIN_SAMPLES = 30.0

SOLVED_SAMPLES = 4
"""The fit of a camera is solved anew after this many of its samples."""

_SLOPE, _SPEED = 1, 2
_RIDGE = np.diag([1e-3, 1e-3, 1e-2, 1e-2, 1e-3])
_LEAST_REST_RPS = 0.005
_LEAST_GAIN = 0.05
_FIRST_SAMPLES = 10
_SPEED_UNIT_MPS = 10.0


class TurnResponse:
    """Fits of all cameras, updated with every sample.

    Attributes:
        gain: (8,) yaw rate that the picture shows over the recorded one; about 1, or less where nothing is far away.
        lag_s: (8,) how late the picture is after the car's motion.
        gain_error, lag_error_s: (8,) standard deviations of both.
        evidence: (8,) rad2/s3, integral of the squared slope of the yaw rate over the samples.
        samples: (8,) number, older ones counting less.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        cameras, terms = len(CAMERAS), len(_RIDGE)
        self.gain, self.gain_error = np.zeros(cameras), np.full(cameras, np.inf)
        self.lag_s, self.lag_error_s = np.zeros(cameras), np.full(cameras, np.inf)
        self.evidence, self.samples = np.zeros(cameras), np.zeros(cameras)
        self._moments, self._products = np.zeros((cameras, terms, terms)), np.zeros((cameras, terms))
        self._parameters = np.zeros((cameras, terms))
        self._rest_rps = np.full(cameras, 0.05)
        self._count = np.zeros(cameras, np.int64)

    def add(
        self, camera: int, seen_rps: float, yaw_rate_rps: float, yaw_acceleration_rps2: float, speed_mps: float
    ) -> None:
        """Count what a camera's picture showed while the car moved as recorded."""
        speed = speed_mps / _SPEED_UNIT_MPS
        terms = np.array([yaw_rate_rps, yaw_acceleration_rps2, speed, yaw_rate_rps * speed, 1.0])
        self._rest_rps[camera] = _add(
            self._moments[camera],
            self._products[camera],
            self._parameters[camera],
            terms,
            seen_rps,
            self._rest_rps[camera],
            self.samples[camera] < _FIRST_SAMPLES,
        )
        self.samples[camera] = FADING * self.samples[camera] + 1
        self.evidence[camera] = FADING * self.evidence[camera] + SAMPLE_S * yaw_acceleration_rps2**2
        self._count[camera] += 1
        if self._count[camera] % SOLVED_SAMPLES == 0:
            self._solve(camera)

    def _solve(self, camera: int) -> None:
        covariance = np.linalg.inv(self._moments[camera] + _RIDGE)
        parameters = self._parameters[camera] = covariance @ self._products[camera]
        speed = self._moments[camera, _SPEED, -1] / max(self._moments[camera, -1, -1], 1e-9)
        at_speed = np.array([1.0, 0.0, 0.0, speed, 0.0])
        gain = float(at_speed @ parameters)
        rest_rps = self._rest_rps[camera]
        self.gain[camera] = gain
        self.gain_error[camera] = rest_rps * np.sqrt(at_speed @ covariance @ at_speed)
        self.lag_s[camera] = -parameters[_SLOPE] / max(gain, _LEAST_GAIN)
        self.lag_error_s[camera] = rest_rps * np.sqrt(covariance[_SLOPE, _SLOPE]) / max(gain, _LEAST_GAIN)


@kernel
def _add(
    moments: np.ndarray,
    products: np.ndarray,
    parameters: np.ndarray,
    terms: np.ndarray,
    seen_rps: float,
    usual_rps: float,
    is_first: bool,
) -> float:
    """Count a sample in the sums (5, 5) and (5,) of a camera; returns what the fit usually leaves as rest."""
    rest = seen_rps
    for i in range(len(terms)):
        rest -= terms[i] * parameters[i]
    # Other traffic makes outliers: beyond twice the usual rest a sample counts less.
    weight = 1.0 if is_first else 1.0 / (1.0 + (rest / (2 * usual_rps)) ** 2)
    for i in range(len(terms)):
        products[i] = FADING * products[i] + weight * seen_rps * terms[i]
        for j in range(len(terms)):
            moments[i, j] = FADING * moments[i, j] + weight * terms[i] * terms[j]
    return max(usual_rps + 0.05 * (1.3 * min(abs(rest), 3 * usual_rps) - usual_rps), _LEAST_REST_RPS)
