"""Motion of the ego car: a kinematic bicycle at 36 Hz, controlled by curvature and acceleration.

Source: R. Rajamani, Vehicle Dynamics and Control, 2nd ed., section 2.2, with the rear axle as reference point.
"""

import math
from dataclasses import dataclass

from fsd.data.frames import TICK_S

FRONT_M, REAR_M, HALF_WIDTH_M = 3.75, 0.95, 0.925
"""The ego car's outline around the middle of its rear axle."""

LENGTH_M = FRONT_M + REAR_M
CENTRE_M = 0.5 * (FRONT_M - REAR_M)
"""Distance from the rear axle to the middle of the car."""

MAX_CURVATURE = 0.2
MAX_CURVATURE_RATE = 0.35
"""Steering: 1/m, and 1/m per second."""

MIN_ACCELERATION_MPS2, MAX_ACCELERATION_MPS2 = -8.0, 3.0
BRAKE_JERK_MPS3, THROTTLE_JERK_MPS3 = 25.0, 12.0


@dataclass
class EgoState:
    """Pose of the rear axle in the world, and motion."""

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    curvature: float = 0.0
    acceleration_mps2: float = 0.0

    @property
    def yaw_rate_rps(self) -> float:
        return self.speed_mps * self.curvature

    def step(self, curvature: float, acceleration_mps2: float) -> None:
        """Move for one tick towards the commanded controls, within the actuators' limits."""
        if not (math.isfinite(curvature) and math.isfinite(acceleration_mps2)):
            raise ValueError(f"Controls must be finite, got {curvature} 1/m and {acceleration_mps2} m/s².")
        wanted = min(max(curvature, -MAX_CURVATURE), MAX_CURVATURE)
        limit = MAX_CURVATURE_RATE * TICK_S
        self.curvature += min(max(wanted - self.curvature, -limit), limit)
        wanted = min(max(acceleration_mps2, MIN_ACCELERATION_MPS2), MAX_ACCELERATION_MPS2)
        change = wanted - self.acceleration_mps2
        self.acceleration_mps2 += min(max(change, -BRAKE_JERK_MPS3 * TICK_S), THROTTLE_JERK_MPS3 * TICK_S)
        after = max(self.speed_mps + self.acceleration_mps2 * TICK_S, 0.0)
        distance = 0.5 * (self.speed_mps + after) * TICK_S
        if after == 0.0:
            self.acceleration_mps2 = max(self.acceleration_mps2, 0.0)
        self.speed_mps = after
        middle = self.heading_rad + 0.5 * self.curvature * distance
        self.x_m += distance * math.cos(middle)
        self.y_m += distance * math.sin(middle)
        self.heading_rad += self.curvature * distance
