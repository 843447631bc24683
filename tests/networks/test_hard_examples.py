import numpy as np

from fsd.data.ego import COMMANDS
from fsd.networks.contract import OCCUPANCY_COLUMNS, OCCUPANCY_ROWS
from fsd.networks.hard_examples import RED, find_hard_examples

AHEAD_20_M, HERE = 14, 8
"""Row of the grid 20 m ahead, column of the own lane."""


def rows(count: int = 8) -> dict[str, np.ndarray]:
    """Holding the lane at 10 m/s on an empty road."""
    return {
        "ego": np.tile(np.array([10.0, 0.0, 0.0, 0.0], np.float32), (count, 1)),
        "curvature": np.zeros((count, 1), np.float32),
        "acceleration": np.zeros((count, 1), np.float32),
        "light": np.zeros((count, 1), np.int64),
        "lead": np.zeros((count, 2), np.float32),
        "occupancy": np.zeros((count, OCCUPANCY_ROWS, OCCUPANCY_COLUMNS), np.float32),
        "command": np.zeros((count, len(COMMANDS)), np.float32),
    }


def test_an_empty_straight_road_is_not_hard() -> None:
    assert find_hard_examples(rows()) == {}


def test_braking_counts_as_yielding_only_without_a_car_ahead_and_a_red_light() -> None:
    columns = rows()
    columns["acceleration"][1:4] = -2.0
    columns["lead"][2] = 15.0, 1.0
    columns["light"][3] = RED
    found = find_hard_examples(columns)
    assert found["brake"].tolist() == [1, 2, 3]
    assert found["yield"].tolist() == [1]


def test_a_near_person_is_distinguished_from_a_car_and_from_a_far_person() -> None:
    columns = rows()
    columns["occupancy"][0, AHEAD_20_M, HERE] = 1
    columns["occupancy"][1, AHEAD_20_M : AHEAD_20_M + 2, HERE] = 1  # a car fills more than one cell
    columns["occupancy"][2, AHEAD_20_M + 8, HERE] = 1  # 40 m ahead
    columns["occupancy"][3, AHEAD_20_M, 0] = 1  # 19 m to the left
    columns["occupancy"][4, 0, HERE] = 1  # behind
    assert find_hard_examples(columns)["person"].tolist() == [0]


def test_braking_for_a_person_is_a_kind_of_its_own() -> None:
    columns = rows()
    columns["occupancy"][0:2, AHEAD_20_M, HERE] = 1
    columns["acceleration"][1:3] = -2.0
    found = find_hard_examples(columns)
    assert (found["person"].tolist(), found["yield"].tolist()) == ([0, 1], [1, 2])
    assert found["yield to person"].tolist() == [1]


def test_bends_starts_and_lane_changes_are_hard() -> None:
    columns = rows()
    columns["curvature"][0] = -0.05
    columns["ego"][1, 0], columns["acceleration"][1] = 0.5, 1.0
    columns["command"][2, COMMANDS.index("lane_left")] = 1
    found = find_hard_examples(columns)
    assert {kind: numbers.tolist() for kind, numbers in found.items()} == {"bend": [0], "start": [1], "lane": [2]}


def test_unknown_labels_are_not_hard() -> None:
    columns = rows()
    columns["curvature"][:] = np.nan
    columns["acceleration"][:] = np.nan
    assert find_hard_examples(columns) == {}
