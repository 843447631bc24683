import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.outputs.profile_scenario import Percentiles
from fsd.profile.stats.percentiles import (
    highest_supported,
    percentile,
    samples_above_bound,
    samples_needed,
    summarise_percentiles,
)


@pytest.mark.parametrize(("rank", "needed"), [(50.0, 11), (90.0, 64), (99.0, 662)])
def test_sample_counts_are_those_of_loadgen(rank: float, needed: int) -> None:
    """64 for p90 and 662 for p99 are LoadGen's own minimum query counts for early stopping."""
    assert samples_needed(rank) == needed


def test_the_999th_needs_thousands_of_samples() -> None:
    assert samples_needed(99.9) == 6636
    assert percentile(np.arange(6635.0), 99.9).value is None
    assert percentile(np.arange(6636.0), 99.9).value == 6629


def test_a_refused_percentile_says_how_many_samples_it_needs() -> None:
    summary = summarise_percentiles(np.ones(100))
    assert summary.p90 == 1.0
    assert summary.p99 is None
    assert summary.refused == {"p99": "needs 662 samples, got 100", "p99.9": "needs 6636 samples, got 100"}


def test_the_highest_supported_percentile_depends_on_the_count() -> None:
    assert highest_supported(np.ones(5)) is None
    for count, rank in ((11, 50.0), (64, 90.0), (700, 99.0), (7000, 99.9)):
        found = highest_supported(np.ones(count))
        assert found is not None
        assert found.rank == rank


@given(count=st.integers(2, 3000), rank=st.sampled_from([50.0, 75.0, 90.0, 99.0]))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_bound_is_the_exact_binomial_one(count: int, rank: float) -> None:
    outside = 1 - rank / 100
    at_most = 0.0
    allowed = -1
    for above in range(count + 1):
        log_choose = math.lgamma(count + 1) - math.lgamma(above + 1) - math.lgamma(count - above + 1)
        at_most += math.exp(log_choose + above * math.log(outside) + (count - above) * math.log(rank / 100))
        if at_most > 0.01:
            break
        allowed = above
    assert samples_above_bound(count, rank) == allowed


def test_the_upper_bound_holds_99_times_in_100() -> None:
    rng = np.random.default_rng(0)
    truth = NormalDist().inv_cdf(0.9)
    held = [percentile(rng.normal(size=200), 90.0).upper >= truth for _ in range(1000)]  # type: ignore[operator]
    assert sum(held) >= 980


def test_an_empty_sample_has_no_figures() -> None:
    assert summarise_percentiles(np.empty(0)) == Percentiles(samples=0)


def test_a_rank_outside_0_to_100_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 100, got 100"):
        percentile(np.ones(3), 100.0)
