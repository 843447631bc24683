"""The charts of a profile's report: histogram, tail, timeline, memory, stage waterfall, roofline."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fsd.html.svg import Axis, Chart, thinned
from fsd.profile.samples import STAGES, TickSamples

MOST_POINTS = 3000
BINS = 60


def histogram(latency_ms: np.ndarray, limit_ms: float) -> str:
    """How often which latency; counts on a log scale, because the tail is what matters."""
    high = max(float(latency_ms.max()), limit_ms) * 1.05
    counts, edges = np.histogram(latency_ms, bins=BINS, range=(0.0, high))
    top = 10 ** np.ceil(np.log10(max(int(counts.max()), 2)))
    chart = Chart(
        Axis("latency, ms", 0.0, high), Axis("ticks", 0.7, float(top), is_log=True), "Histogram of latency", height=220
    )
    for count, (left, right) in zip(counts, pairwise(edges), strict=True):
        if count:
            late = "bad" if left > limit_ms else "bar"
            chart.bar(left, right, 0.7, float(count), late, f"{left:.1f} to {right:.1f} ms: {count}")
    chart.rule(x=limit_ms)
    return chart.svg()


def tail(series: dict[str, np.ndarray], limit_ms: float) -> str:
    """Share of ticks slower than x, on a log scale: percentiles are the crossings of the grid.

    Args:
        series: name -> (T,) latencies; skipped ticks as infinity.
    """
    series = {name: values for name, values in series.items() if len(values)}
    finite = np.concatenate([values[np.isfinite(values)] for values in series.values()])
    most = max(len(values) for values in series.values())
    high = max(float(finite.max(initial=0.0)), limit_ms) * 1.05
    low = 10.0 ** np.floor(np.log10(1 / max(most, 10)))
    marks = [(share, f"p{100 * (1 - share):g}") for share in (0.5, 0.1, 0.01, 0.001, 0.0001) if share >= low]
    chart = Chart(
        Axis("latency, ms", 0.0, high), Axis("slower than x", low, 1.0, is_log=True, ticks=marks), "Tail of latency"
    )
    for number, (name, values) in enumerate(series.items()):
        ordered = np.sort(values)
        shares = 1.0 - np.arange(len(ordered)) / len(ordered)
        keep = np.isfinite(ordered)
        xs, ys = _every(ordered[keep], MOST_POINTS), _every(shares[keep], MOST_POINTS)
        chart.line(xs.tolist(), ys.tolist(), f"line s{number}")
        chart.text(high * 0.99, 0.8 / 2.2**number, name, css=f"label t{number}", anchor="end")
    chart.rule(x=limit_ms)
    return chart.svg()


def timeline(latency_ms: np.ndarray, limit_ms: float, rate_hz: float) -> str:
    """Latency over the run; missed and skipped ticks stand out."""
    seconds = np.arange(len(latency_ms)) / rate_hz
    skipped = np.isnan(latency_ms)
    high = max(float(np.nanmax(latency_ms)), limit_ms) * 1.1
    chart = Chart(
        Axis("time, s", 0.0, max(float(seconds[-1]), 1e-3)), Axis("latency, ms", 0.0, high), "Latency over time"
    )
    good = ~skipped & (latency_ms <= limit_ms)
    late = ~skipped & ~good
    xs, ys = thinned(seconds[good], latency_ms[good], MOST_POINTS)
    chart.points(xs.tolist(), ys.tolist(), "dots s0", radius=1.0)
    chart.points(seconds[late].tolist(), latency_ms[late].tolist(), "dots bad", radius=2.0)
    chart.points(seconds[skipped].tolist(), [high] * int(skipped.sum()), "dots bad", radius=2.5)
    chart.rule(y=limit_ms)
    return chart.svg()


def memory(timeline: Mapping[str, Sequence[float]]) -> str:
    """Resident memory over the run; the scale does not begin at zero, and is a few MiB high at least."""
    seconds, mib = timeline["seconds"], timeline["mib"]
    middle, reach = 0.5 * (min(mib) + max(mib)), max(0.6 * (max(mib) - min(mib)), 2.0)
    chart = Chart(
        Axis("time, s", 0.0, max(seconds[-1], 1e-3)),
        Axis("resident, MiB", middle - reach, middle + reach),
        "Resident memory over time",
    )
    chart.line(seconds, mib, "line s0")
    return chart.svg()


def waterfall(samples: TickSamples, limit_ms: float) -> str:
    """The stages one after the other, each as long as its mean; means add up, percentiles do not."""
    means = {stage: float(samples.stage_ms(stage).mean()) for stage in STAGES}
    total = sum(means.values())
    rows = [(len(STAGES) - index - 0.5, stage) for index, stage in enumerate(STAGES)]
    chart = Chart(
        Axis("mean, ms from when the tick was due", 0.0, max(total, limit_ms) * 1.12),
        Axis("", 0.0, float(len(STAGES)), ticks=rows),
        "Stages of a tick",
        height=250,
    )
    start = 0.0
    for middle, stage in rows:
        end = start + means[stage]
        chart.bar(start, end, middle - 0.35, middle + 0.35, "bar", f"{stage}: {means[stage]:.3f} ms")
        chart.text(end + total * 0.01, middle - 0.12, f"{means[stage]:.2f}")
        start = end
    chart.rule(x=limit_ms)
    return chart.svg()


def roofline(operators: Sequence[dict[str, Any]], peaks: dict[str, Any]) -> str:
    """Every operator with multiplications under the machine's measured roofs."""
    working = [each for each in operators if each["macs"] and each["median_us"] and each["bytes"]]
    intensities = [each["macs"] / each["bytes"] for each in working] or [1.0]
    rates = [each["macs"] / each["median_us"] / 1e3 for each in working] or [1.0]
    x_low, x_high = 10 ** np.floor(np.log10(min(intensities))), 10 ** np.ceil(np.log10(max(*intensities, 100)))
    y_low, y_high = 10 ** np.floor(np.log10(min(rates))), 10 ** np.ceil(np.log10(peaks["int8_gmac_s"] * 1.5))
    chart = Chart(
        Axis("multiply-accumulates a byte", float(x_low), float(x_high), is_log=True),
        Axis("GMAC/s", float(y_low), float(y_high), is_log=True),
        "Roofline",
        height=320,
    )
    xs = np.geomspace(x_low, x_high, 60)
    for name, css in (("int8_gmac_s", "s0"), ("fp32_gmac_s", "s1")):
        roof = np.minimum(xs * peaks["copy_gb_s"], peaks[name])
        chart.line(xs.tolist(), roof.tolist(), f"line {css}")
        text = f"{name[:4].upper()} {peaks[name]:.0f} GMAC/s, {peaks['copy_gb_s']:.0f} GB/s"
        chart.text(float(x_high), peaks[name] * 1.15, text, css=f"label t{css[1]}", anchor="end")
    for is_int8, css in ((True, "dots s0"), (False, "dots s1")):
        mine = [(x, y) for x, y, each in zip(intensities, rates, working, strict=False) if each["is_int8"] == is_int8]
        chart.points([x for x, _ in mine], [y for _, y in mine], css, radius=2.5)
    return chart.svg()


def _every(values: np.ndarray, most: int) -> np.ndarray:
    """Thin a sorted curve, keeping all of its last points, where the tail is."""
    if len(values) <= most:
        return values
    head = values[: -most // 2][:: max(1, 2 * len(values) // most)]
    return np.concatenate([head, values[-most // 2 :]])
