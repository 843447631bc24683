"""The section of a replay's report on a second network: how far the two differ over time, and the alarms."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from fsd.html.charts import Colour, Series, line_chart
from fsd.html.parts import bullets, columns, part, section, table, toned
from fsd.outputs.cross_check_summary import CrossCheckSummary, describe_cross_check, describe_second
from fsd.outputs.run_folder import Run
from fsd.replay.run_metrics import RunMetrics

MAX_ALARMS = 12

_CHARTS: Sequence[tuple[str, str, Sequence[tuple[str, Colour, str]]]] = (
    ("Waypoints, m", "m", (("largest", "blue", "waypoints_m"), ("at 3 s", "azure", "waypoint_3s_m"))),
    ("Curvature, 1/m", "1/m", (("curvature", "orange", "curvature_per_m"),)),
    ("Acceleration, m/s²", "m/s²", (("acceleration", "violet", "acceleration_mps2"),)),
    ("Recurrent state", "of its RMS", (("state", "green", "state_rms"),)),
)


def cross_check(check: CrossCheckSummary | None, run: Run, metrics: RunMetrics) -> Markup:
    """Divergence over time with its limits, and where the alarms were; nothing without a second network."""
    if check is None or not check.ticks:
        return Markup()
    charts = [
        part(heading, _chart(check, run.ticks, metrics, unit, [line for line in lines if line[2] in check.divergence]))
        for heading, unit, lines in _CHARTS
        if any(name in check.divergence for *_, name in lines)
    ]
    return section(
        "Second network",
        bullets(_alarms(check, run.ticks)),
        columns(*charts),
        divergence_table(check),
        intro=f"{describe_second(check.second)}, on the same compressed ticks, with its own recurrent state: "
        f"{describe_cross_check(check)}.",
    )


def _chart(
    check: CrossCheckSummary, ticks: pa.Table, metrics: RunMetrics, unit: str, lines: Sequence[tuple[str, Colour, str]]
) -> Markup:
    series = [Series(name, colour, _column(ticks, quantity)) for name, colour, quantity in lines]
    limit = check.divergence[lines[0][2]].limit
    shown = None if not limit else (limit, f"limit {limit:g}")
    return line_chart(metrics.time_s, series, unit, limit=shown, keep_peaks=True, height_px=150, run=metrics.run)


def _column(ticks: pa.Table, quantity: str) -> np.ndarray:
    """(T,) one difference; NaN where it is not known or not finite."""
    values = ticks[f"cross_check_{quantity}"].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _alarms(check: CrossCheckSummary, ticks: pa.Table) -> list[str]:
    """One sentence per tick with an alarm, the first ones only."""
    rows = [
        (tick, alarms)
        for tick, alarms in zip(ticks["tick"].to_pylist(), ticks["cross_check_alarms"].to_pylist(), strict=True)
        if alarms
    ]
    found = [f"Tick {tick}: {', '.join(alarms)}" for tick, alarms in rows[:MAX_ALARMS]]
    if len(rows) > MAX_ALARMS:
        found.append(f"and {check.alarm_ticks - MAX_ALARMS} more ticks (column cross_check_alarms of ticks.parquet)")
    return found


def divergence_table(check: CrossCheckSummary) -> Markup:
    """Every difference with its limit."""
    rows: list[list[object]] = []
    for name, each in check.divergence.items():
        is_over = each.limit is not None and (each.max is None or each.max > each.limit)
        largest = "not finite" if each.max is None else f"{each.max:.3g}"
        numbers = ["" if value is None else f"{value:.3g}" for value in (each.mean, each.p99)]
        limit = "none" if each.limit is None else f"{each.limit:g}"
        rows.append([name, each.unit, *numbers, toned(largest, "bad") if is_over else largest, each.worst_tick, limit])
    return table(["difference", "unit", "mean", "p99", "max", "at tick", "limit"], rows)
