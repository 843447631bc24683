import math
import re
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.outputs.profile_scenario import Percentiles
from fsd.profile.stats.percentiles import percentile, samples_above_bound, samples_needed, summarise_percentiles


@pytest.mark.parametrize(("rank", "needed"), [(50.0, 11), (90.0, 64), (99.0, 662)])
def test_sample_counts_are_those_of_loadgen(rank: float, needed: int) -> None:
    """64 for p90 and 662 for p99 are LoadGen's own minimum query counts for early stopping."""
    assert samples_needed(rank) == needed


def test_the_999th_needs_thousands_of_samples() -> None:
    assert samples_needed(99.9) == 6636
    assert percentile(np.arange(6635.0), 99.9) is None
    found = percentile(np.arange(6636.0), 99.9)
    assert found is not None
    assert found[0] == 6629


def test_a_refused_percentile_says_how_many_samples_it_needs() -> None:
    summary = summarise_percentiles(np.ones(100))
    assert summary.p90 == 1.0
    assert summary.p99 is None
    assert {rank: re.findall(r"\d+", why) for rank, why in summary.refused.items()} == {
        "p99": ["662", "100"],
        "p99.9": ["6636", "100"],
    }


def test_the_percentiles_that_are_supported_depend_on_the_count() -> None:
    names = ("p50", "p90", "p99", "p99.9")
    for count, supported in ((5, 0), (11, 1), (64, 2), (700, 3), (7000, 4)):
        summary = summarise_percentiles(np.ones(count))
        assert [name for name in names if summary.value(name) is not None] == list(names[:supported])


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


def test_the_true_percentile_is_below_the_bound_99_times_in_100() -> None:
    rng = np.random.default_rng(0)
    truth = NormalDist().inv_cdf(0.9)
    below = [percentile(rng.normal(size=200), 90.0)[1] >= truth for _ in range(1000)]  # type: ignore[index]
    assert sum(below) >= 980


def test_an_empty_sample_has_no_percentiles() -> None:
    assert summarise_percentiles(np.empty(0)) == Percentiles(samples=0)


def test_a_rank_outside_0_to_100_is_refused() -> None:
    with pytest.raises(ValueError, match="100"):
        percentile(np.ones(3), 100.0)
