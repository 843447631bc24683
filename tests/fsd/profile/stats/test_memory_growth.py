import numpy as np
import pytest

from fsd.profile.stats.memory_growth import slope


def test_a_straight_line_gives_its_slope_exactly() -> None:
    times_s = np.arange(100.0)
    found = slope(times_s, 5.0 + 0.25 * times_s)
    assert found is not None
    assert found == (pytest.approx(0.25), pytest.approx(0.0, abs=1e-9))


def test_a_leak_is_seen_through_noise() -> None:
    times_s = np.arange(1800.0)
    noise = np.random.default_rng(0).normal(0, 1000, 1800)
    found = slope(times_s, 300e6 + 10 * times_s + noise)
    assert found is not None
    per_s, margin = found
    assert abs(per_s - 10) < margin < per_s


def test_steps_of_an_allocator_are_not_a_leak() -> None:
    """A slow random walk that returns: a fit to all samples would find that it grows."""
    zero_within_noise = 0
    for seed in range(50):
        steps = np.repeat(np.random.default_rng(seed).integers(0, 5, 200), 10) * 4096.0
        found = slope(np.arange(2000.0), steps)
        zero_within_noise += found is not None and abs(found[0]) <= found[1]
    assert zero_within_noise >= 44  # of 50; the interval is a 95% one


def test_too_few_samples_give_no_slope() -> None:
    assert slope(np.arange(10.0), np.arange(10.0)) is None
    assert slope(np.array([0.0] * 30 + [100.0]), np.zeros(31)) is None
