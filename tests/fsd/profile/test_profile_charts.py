import re

import numpy as np
import pytest

from fsd.outputs.profile_summary import MachinePeaks, OperatorSummary
from fsd.profile import charts
from fsd.profile.scenarios.samples import TickSamples, TickTimes
from tests.fsd._pages import outline


def operator(macs: int, is_int8: bool) -> OperatorSummary:
    return OperatorSummary(
        name="a",
        kind="Conv",
        module="m",
        macs=macs,
        bytes=5,
        is_int8=is_int8,
        median_us=3.0,
        share=0.5,
        peak_share=None,
    )


def samples_of(latency_ms: np.ndarray) -> TickSamples:
    samples = TickSamples(len(latency_ms))
    for tick, value in enumerate(latency_ms):
        if not np.isnan(value):
            due_ns = tick * 28_000_000
            end_ns = due_ns + int(value * 1e6)
            samples.add(tick, TickTimes(due_ns, end_ns, end_ns, (value / 8,) * 8), np.full(8, value))
    return samples


@pytest.mark.parametrize("latency_ms", [np.array([5.0, np.nan, 40.0, 7.0]), np.full(2, 3.0), np.linspace(1, 9, 8000)])
def test_every_chart_of_a_run_can_be_drawn(latency_ms: np.ndarray) -> None:
    planned = latency_ms[~np.isnan(latency_ms)]
    operators = [operator(macs=10, is_int8=True), operator(macs=0, is_int8=False)]
    peaks = MachinePeaks(
        threads=1, copy_gb_s=30.0, fp32_gmac_s=100.0, int8_gmac_s=400.0, fp32_kernel="Conv", int8_kernel="Conv"
    )
    for chart in (
        charts.histogram(planned, 27.78),
        charts.tail({"run": np.nan_to_num(latency_ms, nan=np.inf)}, 27.78),
        charts.timeline(latency_ms, 27.78, 36.0),
        charts.waterfall(samples_of(latency_ms), 27.78),
        charts.roofline(operators, peaks),
    ):
        assert outline(chart).open == outline(chart).mismatches == []
        assert "<svg" in chart
        assert "nan" not in chart


def test_misses_are_drawn_apart() -> None:
    chart = charts.timeline(np.array([5.0, 40.0, np.nan]), 27.78, 36.0)
    late, skipped = re.findall(r'class="dots red" [^>]*d="([^"]*)"', chart)
    assert late.count("M") == skipped.count("M") == 1
    assert skipped.endswith(" 0.00h0")  # at the top


def test_the_last_points_of_the_tail_are_all_drawn() -> None:
    latency_ms = np.r_[np.linspace(1, 2, 100_000), 50.0, 70.0, 100.0]
    path = re.search(r'class="line blue" d="([^"]*)"', charts.tail({"run": latency_ms}, 27.78))
    assert path is not None
    x = [float(point.split()[0]) for point in re.split("[ML]", path[1])[1:]]
    assert x[-3:] == pytest.approx([50 / 1.05, 70 / 1.05, 100 / 1.05], abs=0.01)
