from pathlib import Path

import numpy as np
import pytest

from fsd.networks.row_losses import LARGEST, RowLosses

EPISODES = ["S1-000000-r0", "S2-000001-r0"]


def test_rows_count_by_their_last_loss_and_unvisited_ones_by_the_mean(tmp_path: Path) -> None:
    losses = RowLosses(tmp_path, EPISODES, 4)
    assert losses.weights().tolist() == [1, 1, 1, 1]
    losses.write(np.array([[0, 1]]), np.array([[9.0, 9.0]]))
    losses.write(np.array([[0, 1]]), np.array([[1.0, 3.0]]))
    assert losses.weights().tolist() == [1, 3, 2, 2]


def test_an_odd_row_cannot_take_all_draws(tmp_path: Path) -> None:
    losses = RowLosses(tmp_path, EPISODES, 101)
    losses.write(np.arange(101), np.array([1.0] * 100 + [1e6]))
    mean = (100 + 1e6) / 101
    assert losses.weights()[-1] == pytest.approx(LARGEST * mean)
    losses.write(np.array([0, 1]), np.array([np.nan, -1.0]))
    assert losses.values[0] == 1.0
    assert losses.weights()[1] == 0.0


def test_losses_and_the_next_rows_come_back_from_the_checkpoint_they_were_saved_for(tmp_path: Path) -> None:
    losses = RowLosses(tmp_path, EPISODES, 3)
    losses.write(np.array([1]), np.array([2.0]))
    losses.upcoming = np.array([[0, 2]])
    losses.prepare(5)
    losses.commit(5)
    losses.write(np.array([1]), np.array([7.0]))
    losses.prepare(9)  # killed before the checkpoint of step 9
    found = RowLosses(tmp_path, EPISODES, 3, step=5)
    assert (found.values[1], found.kept_rows) == (2.0, 3)
    assert found.upcoming is not None
    assert found.upcoming.tolist() == [[0, 2]]


def test_appended_episodes_keep_the_losses_of_earlier_ones_and_others_begin_anew(tmp_path: Path) -> None:
    losses = RowLosses(tmp_path, EPISODES, 3)
    losses.write(np.array([1]), np.array([2.0]))
    losses.prepare(5)
    grown = RowLosses(tmp_path, [*EPISODES, "S1-010000-r1"], 5, step=5)
    assert (grown.values[1], grown.kept_rows) == (2.0, 3)
    other = RowLosses(tmp_path, ["S9-000000-r0", *EPISODES], 5, step=5)
    assert np.isnan(other.values).all()
    assert other.kept_rows == 0
