"""The charts of a profile's report: histogram, tail, timeline, memory, stages, roofline."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis, thinned
from fsd.html.charts import Chart, Colour, Key, Series, line_chart
from fsd.outputs.profile_scenario import MemoryTimeline
from fsd.outputs.profile_summary import MachinePeaks, OperatorSummary
from fsd.profile.scenarios.samples import STAGES, TickSamples

MAX_DOTS = 3000
TAIL_POINTS = 600
BINS = 60
COLOURS: tuple[Colour, ...] = ("blue", "orange", "green", "violet")


def histogram(latency_ms: np.ndarray, limit_ms: float) -> Markup:
    """How often each latency occurred; counts on a log scale, because the tail matters."""
    high = max(float(latency_ms.max()), limit_ms) * 1.05
    counts, edges = np.histogram(latency_ms, bins=BINS, range=(0.0, high))
    top = float(10 ** np.ceil(np.log10(max(int(counts.max()), 2))))
    chart = Chart(Axis("latency, ms", 0.0, high), Axis("ticks", 0.7, top, is_log=True), "Histogram of latency")
    for count, (left, right) in zip(counts, pairwise(edges), strict=True):
        if count:
            colour: Colour = "red" if left > limit_ms else "blue"
            chart.bar(left, right, 0.7, float(count), colour, f"{left:.1f} to {right:.1f} ms: {count}")
    chart.limit(x=limit_ms)
    return chart.html()


def tail(series: Mapping[str, np.ndarray], limit_ms: float) -> Markup:
    """Share of ticks slower than x, on a log scale: percentiles are the crossings of the grid.

    Args:
        series: name -> (T,) latencies; skipped ticks as infinity.
    """
    series = {name: values for name, values in series.items() if len(values)}
    finite = np.concatenate([values[np.isfinite(values)] for values in series.values()])
    most = max(len(values) for values in series.values())
    high = max(float(finite.max(initial=0.0)), limit_ms) * 1.05
    low = float(10.0 ** np.floor(np.log10(1 / max(most, 10))))
    ticks = [(share, f"p{100 * (1 - share):g}") for share in (0.5, 0.1, 0.01, 0.001, 0.0001) if share >= low]
    y_axis = Axis("percentile", low, 1.0, is_log=True, ticks=ticks)
    chart = Chart(Axis("latency, ms", 0.0, high), y_axis, "Tail of latency", height_px=260)
    for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
        ordered = np.sort(values)[::-1]
        # Ranks from the slowest, evenly spaced on the log axis: the last points of the tail are all drawn.
        ranks = np.unique(np.geomspace(1, len(ordered), TAIL_POINTS).round().astype(int))[::-1]
        slowest = ordered[ranks - 1]
        chart.line(np.where(np.isfinite(slowest), slowest, np.nan), Series(name, colour, ranks / len(ordered)))
    chart.limit(x=limit_ms)
    return chart.html()


def timeline(latency_ms: np.ndarray, limit_ms: float, rate_hz: float) -> Markup:
    """Latency over the run; missed and skipped ticks stand out."""
    seconds = np.arange(len(latency_ms)) / rate_hz
    is_skipped = np.isnan(latency_ms)
    is_good = ~is_skipped & (latency_ms <= limit_ms)
    is_late = ~is_skipped & ~is_good
    y_axis = Axis.from_zero("ms", max(float(np.nanmax(latency_ms)), limit_ms) * 1.1)
    chart = Chart(Axis("time, s", 0.0, max(float(seconds[-1]), 1e-3)), y_axis, "Latency over time")
    good_s, good_ms = thinned(seconds[is_good], MAX_DOTS), thinned(latency_ms[is_good], MAX_DOTS, keep_peaks=True)
    chart.points(good_s, good_ms, "blue", radius_px=1.2)
    chart.points(seconds[is_late], latency_ms[is_late], "red", radius_px=2.0)
    chart.points(seconds[is_skipped], np.full(int(is_skipped.sum()), y_axis.high), "red", radius_px=2.5)
    chart.limit(y=limit_ms, label="deadline")
    chart.keys.append(Key("in time", "blue", is_line=False))
    if not is_good.all():
        chart.keys.append(Key("late; skipped ticks at the top", "red", is_line=False))
    return chart.html()


def memory(timeline: MemoryTimeline) -> Markup:
    """Resident memory over the run; the axis does not begin at zero and spans at least 4 MiB."""
    mib = np.array(timeline.mib, np.float64)
    middle, reach = 0.5 * (mib.min() + mib.max()), max(0.6 * float(np.ptp(mib)), 2.0)
    axis = Axis("MiB", float(middle - reach), float(middle + reach))
    return line_chart(np.array(timeline.seconds), [Series("resident", "blue", mib)], "MiB", y_axis=axis)


def waterfall(samples: TickSamples, limit_ms: float) -> Markup:
    """Mean duration of each stage, in order; means add up, percentiles do not."""
    means = {stage: float(samples.stage_ms(stage).mean()) for stage in STAGES}
    total_ms = sum(means.values())
    rows = [(len(STAGES) - index - 0.5, stage) for index, stage in enumerate(STAGES)]
    chart = Chart(
        Axis("mean, ms from when the tick was due", 0.0, max(total_ms, limit_ms) * 1.2),
        Axis("", 0.0, float(len(STAGES)), ticks=rows),
        "Stages of a tick",
    )
    start_ms = 0.0
    for middle, stage in rows:
        end_ms = start_ms + means[stage]
        chart.bar(start_ms, end_ms, middle - 0.35, middle + 0.35, "blue", f"{stage}: {means[stage]:.3f} ms")
        chart.label(end_ms, middle, f"{means[stage]:.2f}")
        start_ms = end_ms
    chart.limit(x=limit_ms)
    return chart.html()


def roofline(operators: Sequence[OperatorSummary], peaks: MachinePeaks) -> Markup:
    """Every operator with multiplications, and the machine's measured limits."""
    working = [each for each in operators if each.macs and each.median_us and each.bytes]
    is_int8 = np.array([each.is_int8 for each in working], bool)
    intensity = np.array([each.macs / each.bytes for each in working])
    rate = np.array([each.macs / each.median_us / 1e3 for each in working])
    x_low, x_high = _decades(intensity.min(initial=1.0), intensity.max(initial=100.0))
    y_low, y_high = _decades(rate.min(initial=1.0), peaks.int8_gmac_s * 1.5)
    chart = Chart(
        Axis("multiply-accumulates per byte", x_low, x_high, is_log=True),
        Axis("GMAC/s", y_low, y_high, is_log=True),
        "Roofline",
        height_px=300,
    )
    x = np.geomspace(x_low, x_high, 60)
    kinds: tuple[tuple[str, float, Colour, np.ndarray], ...] = (
        ("INT8", peaks.int8_gmac_s, "blue", is_int8),
        ("FP32", peaks.fp32_gmac_s, "orange", ~is_int8),
    )
    for kind, peak, colour, is_kind in kinds:
        chart.line(x, Series("", colour, np.minimum(x * peaks.copy_gb_s, peak)))
        chart.points(intensity[is_kind], rate[is_kind], colour, radius_px=2.5)
        chart.keys.append(Key(f"{kind}, {peak:.0f} GMAC/s at {peaks.copy_gb_s:.0f} GB/s", colour))
    return chart.html()


def _decades(low: float, high: float) -> tuple[float, float]:
    """The powers of ten around two values."""
    return float(10 ** np.floor(np.log10(low))), float(10 ** np.ceil(np.log10(high)))
