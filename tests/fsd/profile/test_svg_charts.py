import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from fsd.html.svg import Axis, Chart, thinned
from fsd.profile import charts
from fsd.profile.samples import TickSamples


def numbers(attribute: str) -> list[float]:
    return [float(word) for word in re.findall(r"-?\d+\.?\d*", attribute)]


def test_a_chart_is_well_formed_and_stays_inside_its_frame() -> None:
    chart = Chart(Axis("x", 0, 10), Axis("y", 1, 1000, is_log=True), "A <test> & more")
    chart.line([0, 5, 20], [1, 10, 5000], "line s0")
    root = ET.fromstring(chart.svg())
    points = numbers(root.find("polyline").get("points"))  # type: ignore[union-attr,arg-type]
    assert max(points[::2]) <= chart.width
    assert min(points[1::2]) >= 0


@pytest.mark.parametrize(("low", "high"), [(0.0, 7.3), (0.0, 1234.0), (-3.0, 3.0), (0.0, 0.002)])
def test_linear_axes_have_a_few_round_marks(low: float, high: float) -> None:
    marks = Axis("x", low, high).marks()
    assert 2 <= len(marks) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value, _ in marks)


def test_log_axes_are_marked_by_decades() -> None:
    assert [text for _, text in Axis("x", 0.1, 1000, is_log=True).marks()] == ["0.1", "1", "10", "100", "1000"]


def test_an_axis_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        Axis("x", 1.0, 1.0)


def test_thinning_keeps_every_peak() -> None:
    ys = np.zeros(10_000)
    ys[[17, 4242, 9999]] = 5.0
    xs, kept = thinned(np.arange(10_000.0), ys, 100)
    assert len(xs) == 100
    assert {17.0, 4242.0, 9999.0} <= set(xs[kept == 5.0])


def samples_of(latency_ms: np.ndarray) -> TickSamples:
    samples = TickSamples(len(latency_ms))
    for tick, value in enumerate(latency_ms):
        if not np.isnan(value):
            due_ns = tick * 28_000_000
            end_ns = due_ns + int(value * 1e6)
            samples.add(tick, due_ns, end_ns, end_ns, (value / 8,) * 8, np.full(8, value))
    return samples


@pytest.mark.parametrize("latency_ms", [np.array([5.0, np.nan, 40.0, 7.0]), np.full(2, 3.0), np.linspace(1, 9, 8000)])
def test_every_chart_of_a_run_can_be_drawn(latency_ms: np.ndarray) -> None:
    planned = latency_ms[~np.isnan(latency_ms)]
    operators = [{"macs": 10, "bytes": 5, "median_us": 3.0, "is_int8": True}, {"macs": 0, "bytes": 5, "median_us": 1.0}]
    peaks = {"copy_gb_s": 30.0, "fp32_gmac_s": 100.0, "int8_gmac_s": 400.0}
    for svg in (
        charts.histogram(planned, 27.78),
        charts.tail({"run": np.nan_to_num(latency_ms, nan=np.inf)}, 27.78),
        charts.timeline(latency_ms, 27.78, 36.0),
        charts.waterfall(samples_of(latency_ms), 27.78),
        charts.roofline(operators, peaks),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")
        assert "nan" not in svg


def test_misses_are_drawn_apart() -> None:
    svg = charts.timeline(np.array([5.0, 40.0, np.nan]), 27.78, 36.0)
    late, skipped = [numbers(path) for path in re.findall(r'class="dots bad" d="([^"]*)"', svg)]
    assert len(late) == len(skipped) == 3  # one dot each: M x y h0
