import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.profile.stats.deadlines import check_deadline, interval_errors_ms, longest_run


def test_late_and_skipped_ticks_are_both_misses() -> None:
    report = check_deadline(np.array([10.0, 30.0, np.nan, 20.0, 28.0]), deadline_ms=27.78)
    assert (report.ticks, report.late, report.skipped, report.misses) == (5, 2, 1, 3)
    assert report.longest_run == 2


def test_a_latency_equal_to_the_deadline_is_in_time() -> None:
    assert check_deadline(np.array([27.78]), 27.78).misses == 0


@given(st.lists(st.booleans(), max_size=60))
@settings(derandomize=True, deadline=None)
def test_the_longest_run_is_the_longest_word_of_misses(misses: list[bool]) -> None:
    words = "".join("x" if miss else " " for miss in misses).split()
    assert longest_run(np.array(misses, dtype=bool)) == max((len(word) for word in words), default=0)


def test_a_skipped_tick_shows_as_an_interval_one_period_too_long() -> None:
    errors = interval_errors_ms(np.array([0, 10e6, 20e6, 40e6]), period_ns=10e6)
    assert errors == pytest.approx([0, 0, 10])
