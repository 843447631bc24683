"""How the car moved between two times: as recorded, or else as most cameras see it."""

import numpy as np

from fsd.data.camera_health.mounting.block_sampler import CYCLE_TICKS, MotionSample
from fsd.data.camera_health.mounting.expected_motion import ExpectedMotion
from fsd.data.clock import SECOND_NS
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, TICK_NS
from fsd.data.kernel import kernel

MIN_CAMERAS = 3
"""Cameras whose pictures must tell of a motion where none is recorded."""

AROUND_NS = round(6.5 * TICK_NS)
"""The slope of the yaw rate is taken over this time to either side."""

MIN_ROWS = 8

_KEPT_TICKS = 36
_FRESH_NS = round(2 * CYCLE_TICKS * TICK_NS)


class CarMotion:
    """Speed and yaw rate of the last second, from what is recorded; without it, from the samples of all cameras."""

    def __init__(self, expected: ExpectedMotion) -> None:
        self._expected = expected
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._times_ns = np.full(_KEPT_TICKS, np.iinfo(np.int64).min)
        self._speeds_mps, self._rates_rps = np.zeros(_KEPT_TICKS), np.zeros(_KEPT_TICKS)
        self._recorded = 0
        self._seen: list[tuple[int, float, float] | None] = [None] * len(CAMERAS)

    def record(self, timestamp_ns: int, ego: EgoSample) -> None:
        """The recorded motion at the present tick."""
        at = self._recorded % _KEPT_TICKS
        self._times_ns[at], self._speeds_mps[at], self._rates_rps[at] = timestamp_ns, ego.speed_mps, ego.yaw_rate_rps
        self._recorded += 1

    def during(self, sample: MotionSample) -> EgoSample | None:
        """The mean motion between the two pictures of a sample; None where it is not known."""
        if self._recorded:
            return self._recorded_during(sample.start_ns, sample.end_ns)
        seconds = (sample.end_ns - sample.start_ns) / SECOND_NS
        forward_px, turn_px = self._expected.forward_px[sample.camera, 0], self._expected.turn_px[sample.camera, 0]
        forward_m, turn_rad, blocks = fit_motion(sample.moved_px, forward_px, turn_px)
        if blocks:
            self._seen[sample.camera] = sample.end_ns, forward_m / seconds, turn_rad / seconds
        fresh = [each[1:] for each in self._seen if each is not None and sample.end_ns - each[0] <= _FRESH_NS]
        return EgoSample(*np.median(fresh, axis=0).tolist()) if len(fresh) >= MIN_CAMERAS else None

    def _recorded_during(self, start_ns: int, end_ns: int) -> EgoSample | None:
        middle_ns, half_ns = (start_ns + end_ns) // 2, (end_ns - start_ns + 1) // 2
        rows, rate_rps, _, speed_mps = _fit_rate(self._times_ns, self._speeds_mps, self._rates_rps, middle_ns, half_ns)
        return EgoSample(speed_mps, rate_rps) if rows else None

    def around(self, at_ns: int) -> tuple[float, float, float] | None:
        """Yaw rate, its slope and the speed (rad/s, rad/s2, m/s) around a time; None where they are not recorded."""
        rows, rate_rps, slope_rps2, speed_mps = _fit_rate(
            self._times_ns, self._speeds_mps, self._rates_rps, at_ns, AROUND_NS
        )
        return (rate_rps, slope_rps2, speed_mps) if rows >= MIN_ROWS else None


@kernel
def _fit_rate(
    times_ns: np.ndarray, speeds_mps: np.ndarray, rates_rps: np.ndarray, at_ns: int, around_ns: int
) -> tuple[int, float, float, float]:
    """Rows (n,) within `around_ns` of a time; the mean of their yaw rates, its slope, and the mean of their speeds."""
    rows = 0
    time_s = rate_rps = speed_mps = 0.0
    for row in range(len(times_ns)):
        if at_ns - around_ns <= times_ns[row] <= at_ns + around_ns:
            rows += 1
            time_s += (times_ns[row] - at_ns) / SECOND_NS
            rate_rps += rates_rps[row]
            speed_mps += speeds_mps[row]
    if rows == 0:
        return 0, 0.0, 0.0, 0.0
    time_s, rate_rps, speed_mps = time_s / rows, rate_rps / rows, speed_mps / rows
    squares = products = 0.0
    for row in range(len(times_ns)):
        if at_ns - around_ns <= times_ns[row] <= at_ns + around_ns:
            after_s = (times_ns[row] - at_ns) / SECOND_NS - time_s
            squares += after_s * after_s
            products += after_s * rates_rps[row]
    return rows, rate_rps, products / max(squares, 1e-9), speed_mps


@kernel
def fit_motion(moved_px: np.ndarray, forward_px: np.ndarray, turn_px: np.ndarray) -> tuple[float, float, int]:
    """The motion of the car that explains a camera's picture best: metres forward, radians left, and blocks used.

    Least squares over blocks, reweighted against outliers. `moved_px`, `forward_px`, `turn_px`: (48, 2).
    """
    forward_m = turn_rad = 0.0
    used = 0
    for step in range(5):
        ff = ft = tt = fm = tm = 0.0
        used = 0
        for block in range(moved_px.shape[0]):
            x, y = moved_px[block, 0], moved_px[block, 1]
            if np.isnan(x):
                continue
            used += 1
            fx, fy, tx, ty = forward_px[block, 0], forward_px[block, 1], turn_px[block, 0], turn_px[block, 1]
            weight = 1.0
            if step > 0:
                rest_x, rest_y = x - forward_m * fx - turn_rad * tx, y - forward_m * fy - turn_rad * ty
                weight = 1.0 / (1.0 + 4.0 * (rest_x * rest_x + rest_y * rest_y))
            ff += weight * (fx * fx + fy * fy)
            ft += weight * (fx * tx + fy * ty)
            tt += weight * (tx * tx + ty * ty)
            fm += weight * (fx * x + fy * y)
            tm += weight * (tx * x + ty * y)
        ff, tt = ff + 1e-3, tt + 1e-3
        determinant = ff * tt - ft * ft
        if used < 4 or determinant <= 0.0:
            return 0.0, 0.0, 0
        forward_m, turn_rad = (tt * fm - ft * tm) / determinant, (ff * tm - ft * fm) / determinant
    return forward_m, turn_rad, used
