"""The table of plan errors: every metric for every planner, plain and latency-charged."""

import math
from typing import Any

from markupsafe import Markup

from fsd.html.parts import section, table, toned, with_unit

PLANNERS = {"network": "network", "constant_velocity": "constant velocity", "hold_last": "hold last"}
DEGREES = 180 / math.pi
UNKNOWN = "–"

METRICS = (
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


def score_section(summary: dict[str, Any]) -> Markup:
    """The section; nothing where no driven path was recorded."""
    scores, charged = summary.get("scores"), summary.get("latency_charged_scores")
    if not scores or not charged:
        return Markup()
    rows = []
    for name, key, factor, unit in METRICS:
        cells = [_cell(kind[planner].get(key), factor, unit) for kind in (scores, charged) for planner in PLANNERS]
        if any(cell != UNKNOWN for cell in cells):
            rows.append([_with_best(name, scores, key), *cells])
    if not rows:
        return Markup()
    counts = ", ".join(
        f"{scores['network'][f'ticks_{horizon}']} ({charged['network'][f'ticks_{horizon}']}) at {horizon[0]} s"
        for horizon in ("1s", "2s", "3s")
        if scores["network"].get(f"ticks_{horizon}")
    )
    latency = charged["latency"]
    intro = Markup(
        "Against the driven path. <b>Plain</b>: every plan counts from its own tick. <b>Latency-charged</b>: it counts "
        "from the moment it is ready ({} latency, median {:.1f} ms), so the world moves on meanwhile. The last two "
        "planners see no image; a metric is marked where the network beats both. Ticks with a recorded future (and "
        "with a plan that is ready): {}."
    ).format(latency["source"], latency["p50_ms"], counts)
    head = ["", *PLANNERS.values(), *PLANNERS.values()]
    groups = (("", 1), ("plain", len(PLANNERS)), ("latency-charged", len(PLANNERS)))
    return section("Plan errors", table(head, rows, groups), intro=intro)


def _with_best(name: str, scores: dict[str, Any], key: str) -> Markup:
    values = [scores[planner].get(key) for planner in PLANNERS]
    is_best = None not in values and values[0] < min(values[1:])
    return Markup("{} {}").format(name, toned("best", "good") if is_best else "")


def _cell(value: float | None, factor: float, unit: str) -> str:
    if value is None:
        return UNKNOWN
    shown = value * factor
    digits = 2 if abs(shown) >= 0.1 or shown == 0 else 3 if abs(shown) >= 0.01 else 4
    return with_unit(f"{shown:.{digits}f}", unit)
