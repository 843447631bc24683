"""Target speed along a lane: the speed limit, bends, and braking in time before them."""

import numpy as np

from fsd.data.simulator.roads.path import STEP_M, RoutePath

COMFORT_LATERAL_MPS2, COMFORT_BRAKE_MPS2 = 2.0, 1.6


def speed_profile(path: RoutePath, offset_m: float, limit_mps: float) -> np.ndarray:
    """(len(path.points),) target speed in m/s at each point of the lane at `offset_m` from the path."""
    curvature = path.points[:, 3] / np.maximum(1.0 - path.points[:, 3] * offset_m, 0.2)
    square = np.minimum(limit_mps**2, COMFORT_LATERAL_MPS2 / np.maximum(np.abs(curvature), 1e-4))
    # Backward pass: braking from each point must reach the next point's speed.
    reachable = square + 2 * COMFORT_BRAKE_MPS2 * STEP_M * np.arange(len(square))
    return np.sqrt(
        np.minimum.accumulate(reachable[::-1])[::-1] - 2 * COMFORT_BRAKE_MPS2 * STEP_M * np.arange(len(square))
    )
