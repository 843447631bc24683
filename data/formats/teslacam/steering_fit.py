"""What the steering wheel angle of the telemetry means: its sign and unit, from the curvature of the driven path.

The schema of the telemetry states neither. Curvature is heading rate over speed, so heading decides.
"""

from dataclasses import dataclass

import numpy as np

from fsd.data.clock import SECOND_NS
from fsd.data.steering import SteeringGeometry

TESLA_MODEL_3 = SteeringGeometry(ratio=12.0, wheelbase_m=2.875)
"""Values for Model 3 in public driver assistance software (comma.ai opendbc, `tesla/values.py`); Model Y differs by
0.5%. The car of a recording is not known."""

MIN_SPEED_MPS, MAX_SPEED_MPS = 3.0, 25.0
"""Below, curvature is noise over a small number; above, tyre slip reduces it."""

MIN_TURN_RAD, MIN_CORRELATION = np.radians(20.0), 0.6
PLAUSIBLE_RATIO = (8.0, 22.0)
"""Steering ratio of passenger cars."""

_HALF_WINDOW_NS = SECOND_NS * 3 // 20


@dataclass(frozen=True)
class SteeringFit:
    """How curvature follows the steering angle.

    Attributes:
        is_right_positive: None where it cannot be told.
        unit: `degrees` or `radians`; None where the ratio is plausible for neither, or cannot be told.
        correlation: of curvature and angle; NaN without turning.
        ratio: steering ratio for a wheelbase of 2.875 m in that unit; NaN without a unit.
    """

    is_right_positive: bool | None = None
    unit: str | None = None
    correlation: float = float("nan")
    ratio: float = float("nan")

    @property
    def note(self) -> str:
        assumed = "degrees, positive to the right, are assumed"
        if self.is_right_positive is None:
            return (
                "Sign and unit of the steering wheel angle cannot be told from a drive that turns so little or so "
                f"evenly; {assumed}."
            )
        side = "right" if self.is_right_positive else "left"
        fits = f"correlation {abs(self.correlation):.2f} with the path"
        seen = f"The steering wheel angle is positive to the {side} ({fits})"
        if self.unit is None:
            return f"{seen}; its unit cannot be told from the path, degrees are assumed."
        return f"{seen} and in {self.unit} (a steering ratio of {self.ratio:.1f})."

    def left_positive_rad(self, angle: np.ndarray) -> np.ndarray:
        """Angles of the telemetry as radians, left positive."""
        scale = 1.0 if self.unit == "radians" else np.pi / 180
        return np.asarray(angle) * (scale if self.is_right_positive is False else -scale)


def fit_steering(
    timestamp_ns: np.ndarray, speed_mps: np.ndarray, yaw_rad: np.ndarray, angle: np.ndarray
) -> SteeringFit:
    """Regress curvature on the steering angle; all arrays are (n,), NaN where unknown, yaw left positive.

    Uses rows later than a row too: for a report, never for an input.
    """
    is_known = np.isfinite(yaw_rad)
    if is_known.sum() < 2:
        return SteeringFit()
    times_ns, yaw = timestamp_ns[is_known], np.unwrap(yaw_rad[is_known])
    curvature = _yaw_rate_around(times_ns, yaw, timestamp_ns) / np.where(speed_mps == 0, np.nan, speed_mps)
    with np.errstate(invalid="ignore"):
        is_used = (np.abs(speed_mps) >= MIN_SPEED_MPS) & (np.abs(speed_mps) <= MAX_SPEED_MPS)
    is_used &= np.isfinite(curvature) & np.isfinite(angle)
    turned_rad = np.abs(np.diff(yaw)[np.diff(times_ns) < SECOND_NS]).sum()
    curvature, angle = curvature[is_used], angle[is_used]
    if len(angle) < 36 or turned_rad < MIN_TURN_RAD or np.ptp(angle) == 0 or np.ptp(curvature) == 0:
        return SteeringFit()
    correlation = float(np.corrcoef(angle, curvature)[0, 1])
    if abs(correlation) < MIN_CORRELATION:
        return SteeringFit(correlation=correlation)
    slope = float(np.polyfit(angle, curvature, 1)[0])
    radians_per_unit_ratio = 1 / (abs(slope) * TESLA_MODEL_3.wheelbase_m)
    for unit, ratio in (("degrees", np.radians(radians_per_unit_ratio)), ("radians", radians_per_unit_ratio)):
        if PLAUSIBLE_RATIO[0] <= ratio <= PLAUSIBLE_RATIO[1]:
            return SteeringFit(slope < 0, unit, correlation, float(ratio))
    return SteeringFit(slope < 0, None, correlation)


def _yaw_rate_around(times_ns: np.ndarray, yaw_rad: np.ndarray, at_ns: np.ndarray) -> np.ndarray:
    """Mean yaw rate within 0.15 s before and after each time; NaN where rows are missing there."""
    before = np.searchsorted(times_ns, at_ns - _HALF_WINDOW_NS, side="left")
    after = np.searchsorted(times_ns, at_ns + _HALF_WINDOW_NS, side="right") - 1
    span_s = (times_ns[after] - times_ns[np.minimum(before, len(times_ns) - 1)]) * 1e-9
    is_whole = span_s > 1.5e-9 * _HALF_WINDOW_NS
    turned = yaw_rad[after] - yaw_rad[np.minimum(before, len(times_ns) - 1)]
    return np.where(is_whole, turned / np.where(is_whole, span_s, 1.0), np.nan)
