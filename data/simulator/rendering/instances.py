"""Moving objects as tables for the GPU: one row of twelve floats per object."""

import math
from dataclasses import dataclass

import numpy as np

from fsd.data.simulator.rendering.chunks import view_edges

VEHICLE_SHAPES = ("sedan", "van", "truck")
BRAKE_LAMP, HEADLAMP, LEFT_INDICATOR, RIGHT_INDICATOR = 1, 2, 4, 8

INSTANCE_FLOATS, MAX_INSTANCES = 12, 256
"""A row: x, y, z, heading, red, green, blue, lamps, scale x, y, z, phase of walking."""

LAMP_SIGHT_M = 160.0

INSTANCE_RADIUS_M = 6.0
"""No moving object nor its shadow reaches farther than this from its middle."""

_LAMP_COLOURS = {"red": (1.5, 0.04, 0.03), "yellow": (1.4, 0.75, 0.03), "green": (0.06, 1.25, 0.45)}
_LAMP_HEIGHT_M = {"red": 0.36, "yellow": 0.0, "green": -0.36}
_DARK = (0.025, 0.025, 0.025)
_SHADOW_HALF_M = np.array([(2.85, 1.3), (3.1, 1.4), (4.5, 1.7)])


@dataclass(frozen=True)
class Actors:
    """All moving objects of one image.

    Attributes:
        vehicles: (n, 9) x, y, heading, shape (index of `VEHICLE_SHAPES`), r, g, b, lamps (bits), scale.
        pedestrians: (n, 7) x, y, heading, r, g, b, phase of walking in radians.
        signals: per junction the colours of (the route's phase, the crossing road's phase).
    """

    vehicles: np.ndarray
    pedestrians: np.ndarray
    signals: tuple[tuple[str, str], ...]


def instance_tables(actors: Actors) -> dict[str, np.ndarray]:
    """Rows (n, 12) float32 for every vehicle shape, for pedestrians, and for the shadows under all of them."""
    vehicles, pedestrians = actors.vehicles, actors.pedestrians
    tables = {name: _vehicle_rows(vehicles, index) for index, name in enumerate(VEHICLE_SHAPES)}
    walkers = np.zeros((len(pedestrians), INSTANCE_FLOATS), dtype=np.float32)
    walkers[:, [0, 1, 3]] = pedestrians[:, :3]
    walkers[:, 4:7] = pedestrians[:, 3:6]
    walkers[:, 8:11] = 1.0
    walkers[:, 11] = pedestrians[:, 6]
    shadows = np.zeros((len(vehicles) + len(pedestrians), INSTANCE_FLOATS), dtype=np.float32)
    shadows[:, [0, 1, 3]] = np.concatenate([vehicles[:, :3], pedestrians[:, :3]])
    shadows[: len(vehicles), 8:10] = _SHADOW_HALF_M[vehicles[:, 3].astype(int)]
    shadows[len(vehicles) :, 8:10] = 0.45
    shadows[:, 10] = 1.0
    return tables | {"pedestrian": walkers, "shadow": shadows}


def in_view(table: np.ndarray, eye: np.ndarray, bearing_rad: float, half_view_rad: float) -> np.ndarray:
    """The rows of a table that may be inside a camera's field of view."""
    away = table[:, :2] - eye[:2]
    inside = np.ones(len(table), dtype=bool)
    for x, y in view_edges(bearing_rad, half_view_rad):
        inside &= away[:, 0] * x + away[:, 1] * y >= -INSTANCE_RADIUS_M
    return table[inside]


def _vehicle_rows(vehicles: np.ndarray, shape: int) -> np.ndarray:
    chosen = vehicles[vehicles[:, 3] == shape]
    rows = np.zeros((len(chosen), INSTANCE_FLOATS), dtype=np.float32)
    rows[:, [0, 1, 3]] = chosen[:, :3]
    rows[:, 4:8] = chosen[:, 4:8]
    rows[:, 8:11] = chosen[:, 8:9]
    return rows


def lamp_table(
    signals: tuple[tuple[str, str], ...],
    heads: list[tuple[int, bool, float, float, float, float]],
    ego_pose: tuple[float, float, float],
) -> np.ndarray:
    """Rows for the three lamps of every nearby signal head; `heads` as from `scene.signal_heads`."""
    rows = []
    for junction, along, x, y, z, heading in heads:
        if math.hypot(x - ego_pose[0], y - ego_pose[1]) > LAMP_SIGHT_M:
            continue
        lit = signals[junction][0 if along else 1]
        for colour, height in _LAMP_HEIGHT_M.items():
            paint, size = (_LAMP_COLOURS[colour], 1.25) if colour == lit else (_DARK, 1.0)
            rows.append((x, y, z + height, heading, *paint, 0.0, 1.0, size, size, 0.0))
    return np.array(rows, dtype=np.float32).reshape(-1, INSTANCE_FLOATS)
