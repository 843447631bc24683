"""The table of plan errors: every figure for every planner, plain and latency-charged."""

import math
from typing import Any

from fsd.html.page import section, table, text

PLANNERS = {"network": "network", "constant_velocity": "constant velocity", "hold_last": "hold last"}
DEGREES = 180 / math.pi

FIGURES = (
    ("ADE@1s", "ade_1s_m", 1.0, "m"),
    ("ADE@2s", "ade_2s_m", 1.0, "m"),
    ("ADE@3s", "ade_3s_m", 1.0, "m"),
    ("FDE@1s", "fde_1s_m", 1.0, "m"),
    ("FDE@2s", "fde_2s_m", 1.0, "m"),
    ("FDE@3s", "fde_3s_m", 1.0, "m"),
    ("heading@3s", "ahe_3s_rad", DEGREES, "°"),
    ("curvature", "curvature_mae_per_m", 1.0, "1/m"),
    ("acceleration", "acceleration_mae_mps2", 1.0, "m/s²"),
    ("latency adds @3s", "latency_cost_3s_m", 1.0, "m"),
    ("jitter@1s", "jitter_1s_m", 1.0, "m"),
    ("jitter@3s", "jitter_3s_m", 1.0, "m"),
)


def score_section(summary: dict[str, Any]) -> str:
    """The section, or nothing where no driven path was recorded."""
    scores, charged = summary.get("scores"), summary.get("latency_charged_scores")
    if not scores or not charged:
        return ""
    head = ["", *PLANNERS.values(), *PLANNERS.values()]
    rows = []
    for name, key, factor, unit in FIGURES:
        plain = [_cell(scores[planner].get(key), factor, unit) for planner in PLANNERS]
        late = [_cell(charged[planner].get(key), factor, unit) for planner in PLANNERS]
        if any(cell != "–" for cell in (*plain, *late)):
            rows.append([_best(name, scores, key), *plain, *late])
    if not rows:
        return ""
    counts = ", ".join(
        f"{scores['network'][f'ticks_{horizon}']} ({charged['network'][f'ticks_{horizon}']}) at {horizon[0]} s"
        for horizon in ("1s", "2s", "3s")
        if scores["network"].get(f"ticks_{horizon}")
    )
    latency = charged["latency"]
    intro = (
        "Against the driven path. <b>Plain</b>: every plan counts from its own tick. <b>Latency-charged</b>: it counts "
        f"from the moment it is ready ({text(latency['source'])} latency, median {latency['p50_ms']:.1f} ms), so what "
        "the world did meanwhile is charged. The last two planners look at nothing; a figure is marked where the "
        f"network beats both. Ticks with a recorded future (and a plan that is ready): {counts}."
    )
    groups = (("", 1), ("plain", len(PLANNERS)), ("latency-charged", len(PLANNERS)))
    return section("Plan errors", table(head, rows, groups=groups, name="scores"), intro=intro)


def _best(name: str, scores: dict[str, Any], key: str) -> str:
    values = [scores[planner].get(key) for planner in PLANNERS]
    is_best = None not in values and values[0] < min(values[1:])
    return f"{text(name)}{' <span class=best>best</span>' if is_best else ''}"


def _cell(value: float | None, factor: float, unit: str) -> str:
    if value is None:
        return "–"
    shown = value * factor
    digits = 2 if abs(shown) >= 0.1 or shown == 0 else 3 if abs(shown) >= 0.01 else 4
    return f"{shown:.{digits}f}<small>{text(unit) if unit == '°' else ' ' + text(unit)}</small>"
