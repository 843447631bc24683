"""Round the weights of a layer to int8 so that its outputs change least, and no two products saturate in 16 bits.

Processors without VNNI multiply uint8 activations by int8 weights and add neighbouring products in 16 bits, which
saturate above 32767 (x86 `pmaddubsw`). Two neighbouring weights that add up to 128 at most cannot get there, whatever
the activations: 255 * 128 = 32640. Weights that keep to this have the same sums on every processor.

Weights are rounded one pair after another; the rounding error of a pair is made up for by the weights that are not
rounded yet, as far as the layer's inputs are correlated. Source: E. Frantar et al., GPTQ, ICLR 2023. The scale of a
channel is the one, of several, with the smallest error at the layer's output.
"""

from dataclasses import dataclass

import numpy as np

PAIR_LIMIT = 128
"""Largest magnitude of the sum of two neighbouring weights of one sign."""

WEIGHT_LIMIT = 127

DAMPING = 0.01
"""Share of the mean variance added to every input's variance, so that the moments can be inverted."""

BLOCK = 64
"""Weights that are rounded before their errors are spread over the rest of the row, in one matrix product."""

SCALE_FACTORS = np.geomspace(0.8, 2.05, 32)
"""Scales that are tried, as multiples of the one that maps the largest weight of a channel to 127.

The last suits any channel: its weights are 127 / 2.05 < 64 at most, so no pair exceeds 128.
"""


PROBED, ON_GRID = 32, 1e-3
"""Weights of a row that are looked at first, and the largest distance from a multiple of its step, in steps."""

COARSE_FACTORS = SCALE_FACTORS[3::4]
"""Of large layers, which are rounded without regard to correlations."""

LARGE_LAYER, LIKELY_SCALES = 1 << 18, 4
"""Weights from which on only so many scales are tried with errors spread: those that are best without.

All 32 took five times as long and gave the same error, within 0.01%.
"""

CHUNK = 1 << 25
"""Numbers that are rounded at once: 256 MB."""


@dataclass(frozen=True)
class RoundedWeights:
    """Weights of a layer: `scale` (O,) float32 times `values` (O, K) int8; `error` (O,) is their mean squared error at
    the layer's output, relative to the output's variance.
    """

    values: np.ndarray
    scale: np.ndarray
    error: np.ndarray


def round_weights(weights: np.ndarray, moments: np.ndarray, pair_limit: int = PAIR_LIMIT) -> RoundedWeights:
    """Round the weights of a layer.

    Args:
        weights: (O, K) float, a row per output channel, in the order in which the processor adds.
        moments: (K, K) float, second moments of the layer's inputs: mean of x xᵀ.
        pair_limit: of the sums of weights 2i and 2i + 1; 255 limits nothing.
    """
    weights = weights.astype(np.float64)
    inputs = weights.shape[1]
    moments = moments.astype(np.float64) + np.eye(inputs) * (DAMPING * np.trace(moments) / inputs + 1e-12)
    # Row i: how the error of weight i is spread over the later ones (Cholesky factor of the inverse moments).
    spread = np.linalg.cholesky(np.linalg.inv(moments)).T
    scales = LIKELY_SCALES if weights.size >= LARGE_LAYER else len(SCALE_FACTORS)
    chunks = _chunks(weights, len(SCALE_FACTORS) * inputs)
    parts = [_rounded_with(part, moments, spread, scales, pair_limit) for part in chunks]
    return _keep_grid(weights, _joined(parts), pair_limit)


def round_weights_alone(weights: np.ndarray, squares: np.ndarray, pair_limit: int = PAIR_LIMIT) -> RoundedWeights:
    """Round the weights of a layer with more inputs than their covariances can be had of: no error is spread.

    Args:
        weights: as in `round_weights`; squares: (K,) float, mean squares of the layer's inputs.
    """
    inputs = weights.shape[1]
    squares = squares.astype(np.float64) + DAMPING * squares.mean(dtype=np.float64) + 1e-12
    parts = []
    for part in _chunks(weights.astype(np.float64), len(COARSE_FACTORS) * inputs):
        scale, target = _targets(part, COARSE_FACTORS)
        values = _round_alone(target, pair_limit)
        error = ((target - values) ** 2 @ squares) * scale.astype(np.float64) ** 2
        parts.append(_best(values.astype(np.int8), scale, error, part**2 @ squares))
    return _keep_grid(weights, _joined(parts), pair_limit)


def _keep_grid(weights: np.ndarray, rounded: RoundedWeights, pair_limit: int) -> RoundedWeights:
    """Keep the rows that already are multiples of one step, without pairs over the limit: fine-tuning rounded them."""
    largest = np.abs(weights).max(axis=1, keepdims=True)
    shares = weights / np.where(largest == 0, 1.0, largest)
    values, scale, error = rounded.values.copy(), rounded.scale.copy(), rounded.error.copy()
    left = np.ones(len(weights), np.bool_)
    for steps in range(1, WEIGHT_LIMIT + 1):
        # A few weights tell almost always, and most rows of most models are on no grid.
        possible = np.flatnonzero(left & (_from_integers(shares[:, :PROBED] * steps) < ON_GRID))
        for row in possible:
            whole = np.rint(shares[row] * steps).astype(np.int8)
            if _from_integers(shares[row : row + 1] * steps) < ON_GRID and not violating_pairs(whole[None], pair_limit):
                values[row], scale[row], error[row] = whole, largest[row, 0] / steps or 1.0, 0.0
                left[row] = False
    return RoundedWeights(values, scale, error)


def _from_integers(values: np.ndarray) -> np.ndarray:
    """(O,) largest distance of a row's numbers from integers."""
    distance: np.ndarray = np.abs(values - np.rint(values)).max(axis=1)
    return distance


def _chunks(weights: np.ndarray, numbers_per_row: int) -> list[np.ndarray]:
    """Rows of weights in parts that fit into memory."""
    return np.array_split(weights, -(-len(weights) * numbers_per_row // CHUNK))


def _joined(parts: list[RoundedWeights]) -> RoundedWeights:
    return RoundedWeights(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.scale for part in parts]),
        np.concatenate([part.error for part in parts]),
    )


def _targets(weights: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(O, S) scales that are tried, and (O, S, K) weights in units of them."""
    unit = np.abs(weights).max(axis=1) / WEIGHT_LIMIT
    unit[unit == 0] = 1.0
    # One row per output channel and scale, so that all are rounded at once.
    scale = np.outer(unit, factors).astype(np.float32)
    return scale, weights[:, None, :] / scale[:, :, None]


def _rounded_with(
    weights: np.ndarray, moments: np.ndarray, spread: np.ndarray, scales: int, pair_limit: int
) -> RoundedWeights:
    inputs = weights.shape[1]
    scale, target = _targets(weights, SCALE_FACTORS)
    if scales < len(SCALE_FACTORS):
        alone = (target - _round_alone(target, pair_limit)) ** 2 @ np.diag(moments) * scale.astype(np.float64) ** 2
        likely = np.argsort(alone, axis=1, kind="stable")[:, :scales]
        scale, target = np.take_along_axis(scale, likely, 1), np.take_along_axis(target, likely[:, :, None], 1)
    values = _round(target.reshape(-1, inputs), spread, pair_limit).reshape(target.shape)
    difference = (target - values).reshape(-1, inputs)
    error = np.einsum("rk,rk->r", difference @ moments, difference).reshape(scale.shape) * scale.astype(np.float64) ** 2
    return _best(values, scale, error, np.einsum("ok,ok->o", weights @ moments, weights))


def _best(values: np.ndarray, scale: np.ndarray, error: np.ndarray, variance: np.ndarray) -> RoundedWeights:
    """Of every row (O, S, K), the one with the smallest (O, S) error."""
    best = np.arange(len(values)), error.argmin(axis=1)
    return RoundedWeights(values[best], scale[best], error[best] / np.maximum(variance, 1e-30))


def violating_pairs(values: np.ndarray, pair_limit: int = PAIR_LIMIT) -> int:
    """Number of pairs (2i, 2i + 1) in the rows of (O, K) int8 weights whose products could saturate."""
    even = values.shape[1] // 2 * 2
    first, second = values[:, 0:even:2].astype(np.int64), values[:, 1:even:2].astype(np.int64)
    return int((np.maximum(_positive(first, second), _positive(-first, -second)) > pair_limit).sum())


def _positive(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Largest sum that activations of 0 to 1 can make of two weights."""
    return np.maximum(first, 0) + np.maximum(second, 0)


def _round_alone(target: np.ndarray, pair_limit: int) -> np.ndarray:
    """Integers nearest to `target` (…, K), in units of the weights' scale, with pairs within the limit."""
    values = _nearest(target)
    even = target.shape[-1] // 2 * 2
    pairs = _within(target[..., :even].reshape(-1, 2), values[..., :even].reshape(-1, 2), pair_limit)
    values[..., :even] = pairs.reshape(*target.shape[:-1], even)
    return values


def _round(target: np.ndarray, spread: np.ndarray, pair_limit: int) -> np.ndarray:
    """Integers near `target` (O, K), in units of the weights' scale; returns (O, K) int8."""
    left = target.copy()
    values = np.zeros(target.shape, np.int8)
    inputs = target.shape[1]
    for begin in range(0, inputs, BLOCK):
        end = min(begin + BLOCK, inputs)
        errors = np.empty((len(left), end - begin))
        for at in range(begin, end, 2):
            values[:, at : at + 2] = _round_pair(left[:, at : at + 2], spread, at, pair_limit)
            for row in range(at, min(at + 2, end)):
                error = (left[:, row] - values[:, row]) / spread[row, row]
                left[:, row + 1 : end] -= error[:, None] * spread[row, row + 1 : end]
                errors[:, row - begin] = error
        left[:, end:] -= errors @ spread[begin:end, end:]
    return values


def _round_pair(pair: np.ndarray, spread: np.ndarray, at: int, pair_limit: int) -> np.ndarray:
    """Integers near the weights `at` and `at + 1`, (O, 2) or, at the end of a row, (O, 1)."""
    rounded = _nearest(pair)
    if rounded.shape[1] == 1:
        return rounded
    wanted = pair.copy()
    wanted[:, 1] -= (pair[:, 0] - rounded[:, 0]) / spread[at, at] * spread[at, at + 1]
    rounded[:, 1] = _nearest(wanted[:, 1])
    return _within(wanted, rounded, pair_limit)


def _nearest(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -WEIGHT_LIMIT, WEIGHT_LIMIT)


def _within(pair: np.ndarray, rounded: np.ndarray, pair_limit: int) -> np.ndarray:
    """Bring rounded pairs (O, 2) of one sign that exceed the limit to the nearest allowed ones."""
    is_over = (np.abs(rounded.sum(axis=1)) > pair_limit) & (rounded[:, 0] * rounded[:, 1] > 0)
    if not is_over.any():
        return rounded
    sign, size = np.sign(rounded[is_over]), np.abs(pair[is_over])
    # The nearest point of the line first + second = limit, within the reach of a weight.
    first = np.rint((size[:, 0] - size[:, 1] + pair_limit) / 2)
    first = np.clip(first, pair_limit - WEIGHT_LIMIT, WEIGHT_LIMIT)
    rounded[is_over] = sign * np.stack([first, pair_limit - first], axis=1)
    return rounded
