import html
import json
import re

import numpy as np
import pytest
from markupsafe import Markup

from fsd.html.axes import Axis, thinned
from fsd.html.bars import STRIP_POINTS, bars, stacked_bar, strips
from fsd.html.charts import Chart, Mark, Series, line_chart
from fsd.html.svg import element
from tests.fsd._pages import outline


def test_long_series_keep_their_peaks_when_asked() -> None:
    values = np.zeros(10_000)
    values[[17, 4242, 7777, 9999]] = 50
    assert (thinned(values, points=100, keep_peaks=True) == 50).sum() == 4
    assert thinned(values, points=100).max() == pytest.approx(0.5)
    assert len(thinned(values, points=100, keep_peaks=True)) == 100


@pytest.mark.parametrize("ticks", [240, 241, 396, 479, 480, 481, 721])
def test_a_keyframe_has_one_shade_wherever_it_falls(ticks: int) -> None:
    """A strip of 396 ticks once mixed parts of one tick and of two: the same keyframe was twice as bright in some."""
    shades = np.array([thinned(lone, STRIP_POINTS).max() for lone in np.eye(ticks)])
    assert thinned(np.ones(ticks), STRIP_POINTS).size <= STRIP_POINTS
    assert (shades != np.median(shades)).mean() < 0.02  # a part that takes the ticks left over
    assert shades.min() >= np.median(shades) * 0.66


def test_one_lost_image_in_an_hour_still_shows() -> None:
    lost = np.zeros(36 * 3600, bool)
    lost[77_777] = True
    assert thinned(lost, STRIP_POINTS, keep_peaks=True).max() == 1


def test_a_line_is_as_smooth_on_its_left_as_on_its_right() -> None:
    assert thinned(np.tile([0.0, 1.0], 300)) == pytest.approx(np.full(300, 0.5))


@pytest.mark.parametrize("top", [0.0007, 0.3, 1.0, 7.2, 27.8, 1e5])
def test_ticks_of_an_axis_from_zero_are_round_and_reach_the_top(top: float) -> None:
    ticks = [value for value, _ in Axis.from_zero("x", top).marks()]
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-9)
    assert 3 <= len(ticks) <= 7
    assert float(f"{ticks[1]:.0e}") == pytest.approx(ticks[1])


@pytest.mark.parametrize(("low", "high"), [(0.0, 7.3), (0.0, 1234.0), (-3.0, 3.0), (0.0, 0.002), (11.3, 12.9)])
def test_linear_axes_have_a_few_round_marks_within_their_range(low: float, high: float) -> None:
    marks = Axis("x", low, high).marks()
    assert 2 <= len(marks) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value, _ in marks)


def test_log_axes_are_marked_by_decades() -> None:
    assert [text for _, text in Axis("x", 0.1, 1000, is_log=True).marks()] == ["0.1", "1", "10", "100", "1000"]


def test_an_axis_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="'x'"):
        Axis("x", 1.0, 1.0)


def test_what_lies_outside_the_axes_is_clipped_to_the_frame() -> None:
    chart = Chart(Axis("x", 0, 10), Axis("y", 1, 1000, is_log=True), "test")
    chart.line(np.array([0.0, 5.0, 20.0]), Series("line", "blue", np.array([1.0, 10.0, 5000.0])))
    chart.bar(-5, 20, 0.1, 1e6, "red")
    path = re.search(r'class="line blue" d="([^"]*)"', chart.html())
    assert path is not None
    assert path[1] == "M0.00 100.00L50.00 66.67L100.00 0.00"
    assert 'x="0.00" y="0.00" width="100.00" height="100.00"' in chart.html()


def test_a_line_has_a_gap_where_values_are_nan() -> None:
    chart = line_chart(np.arange(5.0), [Series("error", "blue", np.array([1.0, 2.0, np.nan, 1.0, 2.0]))], "m")
    path = re.search(r'class="line blue" d="([^"]*)"', chart)
    assert path is not None
    assert path[1].count("M") == 2
    assert "nan" not in chart.lower()


def test_the_script_gets_the_values_under_the_pointer() -> None:
    values = np.array([1.0, np.nan, 2.23456789])
    chart = line_chart(np.array([0.0, 0.5, 12345.0]), [Series("<b>", "blue", values)], "m", x_label="step")
    data = re.search(r'data-chart="([^"]*)"', chart)
    assert data is not None
    content = json.loads(html.unescape(data[1]))
    assert content["x"] == [0.0, 0.5, 12345.0]
    assert content["lines"] == [{"name": "<b>", "values": [1.0, None, 2.235]}]
    assert (content["low"], content["high"], content["xName"], content["unit"]) == (0.0, 12345.0, "step", "m")


def test_every_name_in_a_chart_is_escaped() -> None:
    name = "<script>'\""
    x = np.arange(2.0)
    drawn = [
        line_chart(x, [Series(name, "blue", x)], name, name, limit=(1.0, name), marks=[Mark(0, 0, name, name)]),
        bars([(name, 1.0, name)], "blue"),
        stacked_bar([(name, 1.0, "blue")], name),
        strips([(name, x)], (1, 2, 3), 1.0, lambda top: name),
        element("text", name, css=name),
    ]
    for markup in drawn:
        assert isinstance(markup, Markup)
        found = outline(markup)
        assert "<script" not in markup
        assert name in found.text
        assert found.open == found.mismatches == []


def test_bars_and_pieces_have_the_lengths_of_their_values() -> None:
    assert re.findall(r"width:([\d.]+)%", bars([("a", 5.0, ""), ("b", 10.0, "")], "blue")) == ["50.0", "100.0"]
    assert re.findall(r"width:([\d.]+)%", stacked_bar([("a", 1.0, "blue"), ("b", 3.0, "red")], "ms")) == [
        "25.00",
        "75.00",
    ]
