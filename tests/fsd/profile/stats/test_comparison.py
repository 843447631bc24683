import numpy as np
import pytest

from fsd.profile.stats.comparison import compare, drift_between


def latencies(mean_ms: float, seed: int, ticks: int = 1000) -> np.ndarray:
    """Neighbouring ticks alike: a slow drift of a few percent over seconds, and noise on top."""
    rng = np.random.default_rng(seed)
    slow = np.repeat(rng.normal(0, 0.03, ticks // 50), 50)
    return mean_ms * (1 + slow + rng.gamma(1.0, 0.02, ticks))


def test_two_runs_of_the_same_program_are_within_noise() -> None:
    verdicts = [
        compare(latencies(10, seed), latencies(10, seed + 100), 50.0, machine_drift=1.0).verdict for seed in range(20)
    ]
    assert verdicts.count("within noise") >= 19


def test_a_tenth_slower_is_slower_and_a_tenth_faster_is_faster() -> None:
    assert compare(latencies(10, 0), latencies(11, 1), 50.0, machine_drift=1.0).verdict == "slower"
    assert compare(latencies(10, 0), latencies(9, 1), 50.0, machine_drift=1.0).verdict == "faster"


def test_a_change_smaller_than_the_drift_of_the_machine_is_within_noise() -> None:
    change = compare(latencies(10, 0), latencies(11, 1), 50.0, machine_drift=1.3)
    assert change.ratio == pytest.approx(1.1, abs=0.03)
    assert change.verdict == "within noise"


def test_the_same_samples_give_the_same_result() -> None:
    old, new = latencies(10, 0), latencies(10, 1)
    assert compare(old, new, 99.0, 1.0) == compare(old, new, 99.0, 1.0)


def test_drift_is_the_largest_ratio_between_peaks_either_way() -> None:
    assert drift_between({"a": 10.0, "b": 8.0}, {"a": 11.0, "b": 6.4, "c": 1.0}) == pytest.approx(1.25)
    assert drift_between({}, {"a": 1.0}) == 1.0
