"""Find recorded rows that need more than lane keeping.

They are rare, so training oversamples them, every kind equally often. Without this a network may never learn to start
from standstill or to brake for pedestrians.
"""

from collections.abc import Mapping

import numpy as np

from fsd.data.ego import COMMANDS
from fsd.networks.contract import (
    LIGHTS,
    OCCUPANCY_BEHIND_M,
    OCCUPANCY_CELL_M,
    OCCUPANCY_COLUMNS,
    OCCUPANCY_LEFT_M,
    OCCUPANCY_ROWS,
)

BEND_PER_M, BRAKE_MPS2 = 0.02, -1.0
START_MPS, START_MPS2 = 2.0, 0.5
RED = LIGHTS.index("red")
LANE_COMMANDS = tuple(COMMANDS.index(name) for name in COMMANDS if name.startswith("lane"))
AHEAD_M, ASIDE_M = 35.0, 6.0
"""Range ahead and to the side in which a pedestrian counts."""


def find_hard_examples(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Row numbers by kind; kinds without rows are left out.

    Kinds: `bend`; `brake` for any reason; `yield`, braking for neither a lead vehicle nor a red light, so for
    crossing vehicles or pedestrians; `person`, one near ahead; `yield to person`, both; `start`; `red` light; `lane`, a
    commanded lane change.

    Args:
        columns: recorded arrays (R, …) as in a `TrainingSet`.
    """
    speed_mps, curvature, acceleration = (columns[name][:, 0] for name in ("ego", "curvature", "acceleration"))
    is_red = columns["light"][:, 0] == RED
    with np.errstate(invalid="ignore"):
        brakes = acceleration < BRAKE_MPS2
        yields = brakes & ~is_red & ~(columns["lead"][:, 1] > 0.5)
        has_person = _person_near(columns["occupancy"])
        kinds = {
            "bend": np.abs(curvature) > BEND_PER_M,
            "brake": brakes,
            "yield": yields,
            "person": has_person,
            "yield to person": yields & has_person,
            "start": (speed_mps < START_MPS) & (acceleration > START_MPS2),
            "red": is_red,
            "lane": columns["command"][:, LANE_COMMANDS].sum(axis=1) > 0,
        }
    return {kind: np.flatnonzero(chosen) for kind, chosen in kinds.items() if chosen.any()}


def near_cells() -> np.ndarray:
    """(R, C) bool, cells of the occupancy grid in which a pedestrian counts as near ahead."""
    x_m = (np.arange(OCCUPANCY_ROWS) + 0.5) * OCCUPANCY_CELL_M - OCCUPANCY_BEHIND_M
    y_m = OCCUPANCY_LEFT_M - (np.arange(OCCUPANCY_COLUMNS) + 0.5) * OCCUPANCY_CELL_M
    is_near: np.ndarray = ((x_m > 0.0) & (x_m < AHEAD_M))[:, None] & (np.abs(y_m) < ASIDE_M)
    return is_near


def _person_near(occupancy: np.ndarray) -> np.ndarray:
    """(R,) whether an occupied cell with only free neighbours is near ahead; cars fill several cells."""
    grid = np.pad((occupancy > 0).astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    around = sum(grid[:, i : i + OCCUPANCY_ROWS, j : j + OCCUPANCY_COLUMNS] for i in range(3) for j in range(3))
    found: np.ndarray = ((around == 1) & (grid[:, 1:-1, 1:-1] == 1) & near_cells()).any(axis=(1, 2))
    return found
