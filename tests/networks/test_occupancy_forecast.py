"""Occupancy ahead: later grids, seen from where the car was."""

import numpy as np

from fsd.networks.contract import FORECAST_S, OCCUPANCY_COLUMNS, OCCUPANCY_ROWS
from fsd.networks.occupancy_forecast import forecast_labels

EVERY_TICKS, ROWS = 4, 30
ONE_SECOND, CELL_M = 9, 2.5


def _columns(speed_mps: float, yaw_rate_radps: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "occupancy": np.zeros((ROWS, OCCUPANCY_ROWS, OCCUPANCY_COLUMNS), np.int8),
        "ego": np.tile(np.array([speed_mps, yaw_rate_radps], np.float32), (ROWS, 1)),
        "ego_valid": np.ones((ROWS, 1), np.float32),
    }


def test_a_standing_car_sees_the_later_grid_itself() -> None:
    columns = _columns(0.0)
    columns["occupancy"][ONE_SECOND, 12, 3] = 1
    found = forecast_labels(columns, EVERY_TICKS)
    assert found.shape == (ROWS, len(FORECAST_S), OCCUPANCY_ROWS, OCCUPANCY_COLUMNS)
    assert np.array_equal(found[0, 0], columns["occupancy"][ONE_SECOND])


def test_what_stands_stays_where_it_is_while_the_car_drives_towards_it() -> None:
    columns = _columns(4 * CELL_M)  # four cells in one second
    columns["occupancy"][ONE_SECOND, 10, 8] = 1
    found = forecast_labels(columns, EVERY_TICKS)
    assert np.argwhere(found[0, 0] == 1).tolist() == [[14, 8]]
    assert (found[0, 0][:4] == -1).all(), "what is behind the later grid is unknown"


def test_what_was_ahead_after_a_left_turn_of_a_quarter_is_to_the_left() -> None:
    columns = _columns(0.0, yaw_rate_radps=np.pi / 2)
    columns["occupancy"][ONE_SECOND, 10, 7] = 1  # 11.25 m ahead, 1.25 m left
    found = forecast_labels(columns, EVERY_TICKS)
    (row, column), *rest = np.argwhere(found[0, 0] == 1).tolist()
    assert not rest
    assert (row, column) == (5, 3), "1.25 m behind, 11.25 m to the left"


def test_rows_without_a_later_one_or_with_unknown_motion_are_unknown() -> None:
    columns = _columns(5.0)
    columns["ego_valid"][15] = 0.0
    found = forecast_labels(columns, EVERY_TICKS)
    assert (found[-ONE_SECOND:, 0] == -1).all()
    assert (found[15 - ONE_SECOND + 1 : 16, 0] == -1).all()
    assert (found[2, 0] >= 0).any()
