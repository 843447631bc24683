import numpy as np
import pytest

from fsd.scoring import displacement_errors


def test_a_perfect_plan_has_no_error() -> None:
    driven = np.random.default_rng(0).normal(size=(5, 16, 4))
    figures = displacement_errors(driven, driven)
    assert figures["ade_3s_m"] == 0
    assert figures["ticks_3s"] == 5


def test_ade_is_the_mean_and_fde_the_last_distance() -> None:
    driven = np.zeros((1, 16, 2))
    planned = np.zeros((1, 16, 2))
    planned[0, :, 0] = np.arange(1, 17)  # 1 m more at every step
    figures = displacement_errors(planned, driven)
    assert figures["ade_1s_m"] == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert figures["fde_1s_m"] == pytest.approx(4)
    assert figures["fde_3s_m"] == pytest.approx(12)


def test_ticks_without_a_recorded_future_are_left_out() -> None:
    driven = np.zeros((2, 16, 2))
    driven[1, 4:] = np.nan  # the recording ends one second after this tick
    figures = displacement_errors(np.ones((2, 16, 2)), driven)
    assert figures["ticks_1s"] == 2
    assert figures["ticks_2s"] == 1


def test_no_figure_is_given_without_a_tick_to_support_it() -> None:
    figures = displacement_errors(np.ones((1, 16, 2)), np.full((1, 16, 2), np.nan))
    assert figures == {"ticks_1s": 0, "ticks_2s": 0, "ticks_3s": 0}
