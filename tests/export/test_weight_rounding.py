import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.export import weight_rounding
from fsd.export.weight_rounding import PAIR_LIMIT, WEIGHT_LIMIT, round_weights, round_weights_alone, violating_pairs


def layer(seed: int, outputs: int, inputs: int, tail: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Weights with outliers, and the second moments of correlated inputs."""
    generator = np.random.default_rng(seed)
    rows = np.maximum(generator.normal(size=(400, inputs)) @ generator.normal(size=(inputs, inputs)), 0)
    return generator.standard_t(tail, size=(outputs, inputs)), rows.T @ rows / len(rows)


def relative_error(weights: np.ndarray, restored: np.ndarray, moments: np.ndarray) -> float:
    def power(rows: np.ndarray) -> float:
        return float(np.einsum("ok,kl,ol->", rows, moments, rows))

    return power(weights - restored) / power(weights)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 130), st.sampled_from([1.5, 3.0, 30.0]))
def test_no_pair_of_weights_can_saturate(seed: int, outputs: int, inputs: int, tail: float) -> None:
    rounded = round_weights(*layer(seed, outputs, inputs, tail))
    assert violating_pairs(rounded.values) == 0
    assert np.abs(rounded.values.astype(int)).max() <= WEIGHT_LIMIT
    values = rounded.values.astype(np.int64)
    for at in range(0, inputs - 1, 2):  # the sums themselves, with the activations that make them largest
        for sign in (1, -1):
            worst = 255 * (np.maximum(sign * values[:, at], 0) + np.maximum(sign * values[:, at + 1], 0))
            assert worst.max() <= 32767


def test_rounding_that_knows_the_inputs_beats_rounding_to_the_nearest_in_spite_of_the_limit() -> None:
    weights, moments = layer(1, 32, 96)
    scale = np.abs(weights).max(axis=1, keepdims=True) / WEIGHT_LIMIT
    nearest = relative_error(weights, np.rint(weights / scale) * scale, moments)
    rounded = round_weights(weights, moments)
    found = relative_error(weights, rounded.values * rounded.scale[:, None], moments)
    assert found < 0.9 * nearest
    unlimited = round_weights(weights, moments, pair_limit=2 * WEIGHT_LIMIT)
    assert violating_pairs(unlimited.values) > 0
    assert relative_error(weights, unlimited.values * unlimited.scale[:, None], moments) < found


def test_the_stated_error_is_the_error() -> None:
    weights, moments = layer(2, 3, 64)
    rounded = round_weights(weights, moments)
    for row in range(3):
        found = relative_error(weights[row : row + 1], rounded.values[row : row + 1] * rounded.scale[row], moments)
        assert rounded.error[row] == pytest.approx(found, rel=0.05)


def test_weights_of_zero_stay_zero() -> None:
    rounded = round_weights(np.zeros((2, 6)), np.eye(6))
    assert not rounded.values.any()
    assert np.isfinite(rounded.scale).all()


@pytest.mark.parametrize(
    ("pair", "expected"), [((100, 28), 0), ((100, 29), 1), ((-100, -29), 1), ((127, -127), 0), ((-64, -64), 0)]
)
def test_pairs_are_counted_by_what_two_products_can_reach(pair: tuple[int, int], expected: int) -> None:
    assert violating_pairs(np.array([pair], np.int8)) == expected
    assert violating_pairs(np.array([[0, *pair, 0]], np.int8)) == 0, "only weights 2i and 2i + 1 are added"
    assert PAIR_LIMIT * 255 <= 32767 < (PAIR_LIMIT + 1) * 255


def test_large_layers_are_rounded_without_correlations_and_cannot_saturate() -> None:
    generator = np.random.default_rng(7)
    weights = generator.uniform(-1, 1, size=(5, 301))
    rounded = round_weights_alone(weights, generator.uniform(0.1, 4.0, 301))
    assert violating_pairs(rounded.values) == 0
    assert rounded.error.max() < 1e-3  # 7 bits of a uniform distribution: some 1e-4
    nearest = np.rint(weights / np.abs(weights).max(axis=1, keepdims=True) * WEIGHT_LIMIT).astype(np.int8)
    assert violating_pairs(nearest) > 0


@pytest.mark.parametrize("inputs", [31, 144])
def test_few_likely_scales_are_as_good_as_all(inputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, moments = layer(0, 48, inputs)
    every = round_weights(weights, moments).error.mean()
    monkeypatch.setattr(weight_rounding, "LARGE_LAYER", 1)
    assert every <= round_weights(weights, moments).error.mean() <= 1.01 * every
