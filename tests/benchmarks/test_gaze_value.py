"""The comparison of gaze labels with what really changes, from made-up ticks."""

import numpy as np
import pytest

pytest.importorskip("torch")

from gaze_value import Compared, summary

CHANGE_M = np.arange(30.0)


def test_a_perfect_guess_finds_the_best() -> None:
    found = summary([Compared(CHANGE_M**2, CHANGE_M, np.full(30, np.nan))])
    assert found["gradient_change_correlation"] == pytest.approx(1.0)
    assert found["best_found_by_gradient"] == 1.0
    assert found["change_by_best_m"] == 27.0


def test_a_guess_the_wrong_way_round_finds_none() -> None:
    found = summary([Compared(CHANGE_M, CHANGE_M, -CHANGE_M)])
    assert found["request_change_correlation"] == pytest.approx(-1.0)
    assert found["best_found_by_request"] == 0.0
    assert found["best_found_by_chance"] == pytest.approx(1 / 3)


def test_ticks_without_a_request_before_do_not_count_for_requests() -> None:
    ticks = [Compared(CHANGE_M, CHANGE_M, np.full(30, np.nan)), Compared(CHANGE_M, CHANGE_M, CHANGE_M)]
    assert summary(ticks)["best_found_by_request"] == 1.0
