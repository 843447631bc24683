import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from fsd.data.errors import ModelError
from fsd.export.activation_range import BINS, ActivationRange, RangeMethod


def measured(method: RangeMethod, ticks: list[np.ndarray]) -> tuple[float, float]:
    accumulated = ActivationRange(method)
    for tick in ticks:
        accumulated.add(tick, "x")
    return accumulated.bounds()


def test_min_max_is_the_extremes_of_all_ticks() -> None:
    ticks = [np.float32([-1, 2]), np.float32([0, 5])]
    assert measured(RangeMethod(), ticks) == (-1.0, 5.0)


def test_a_percentile_leaves_the_outermost_values_out() -> None:
    rng = np.random.default_rng(0)
    ticks = [rng.normal(size=20_000).astype(np.float32) for _ in range(5)]
    ticks[3][0] = 1000.0
    low, high = measured(RangeMethod("percentile", 99.0), ticks)
    wide = 2 * 1000.0 / BINS["percentile"]  # a bin, after the outlier widened the histogram
    np.testing.assert_allclose([low, high], np.quantile(np.concatenate(ticks), [0.005, 0.995]), atol=2 * wide)
    assert measured(RangeMethod(), ticks)[1] == 1000.0


@pytest.mark.parametrize("name", ["percentile", "entropy"])
def test_ranges_are_those_of_onnx_runtime_on_the_same_values(name: str) -> None:
    values = np.random.default_rng(1).standard_t(3, 5000).astype(np.float32)
    collector = HistogramCollector(name, False, BINS[name], 128, 99.9, "same")
    collector.collect({"x": values})
    low, high = collector.compute_collection_result()["x"][:2]
    np.testing.assert_allclose(measured(RangeMethod(name, 99.9), [values]), [low, high], rtol=1e-5)


def test_a_histogram_that_widens_loses_no_count() -> None:
    accumulated = ActivationRange(RangeMethod("percentile"))
    for size in (0.0, 1e-9, 1.0, 3.0, 1e4):
        accumulated.add(np.full(10, size, np.float32), "x")
    assert accumulated.counts.sum() == 40  # all but the zeros of the first tick
    assert 0.999e4 < accumulated.bounds()[1] <= 1e4


def test_a_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ModelError, match="mask"):
        measured(RangeMethod(), [np.float32([0, -np.inf])])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="entropy"):
        RangeMethod("mean")
    with pytest.raises(ValueError, match="100"):
        RangeMethod("percentile", 0)
