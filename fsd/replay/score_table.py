"""The table of plan errors: every metric for every planner, plain and latency-charged."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from fsd.html.parts import caption, part, section, table, toned, with_unit
from fsd.outputs.replay_summary import DrivingModes, LatencyChargedScores, PlanScores

PLANNERS = {"network": "network", "constant_velocity": "constant velocity", "hold_last": "hold last"}
DEGREES = 180 / math.pi
UNKNOWN = "–"

METRICS = (
    *((f"ADE@{horizon}s", f"ade_{horizon}s_m", 1.0, "m") for horizon in (1, 2, 3)),
    *((f"FDE@{horizon}s", f"fde_{horizon}s_m", 1.0, "m") for horizon in (1, 2, 3)),
    ("heading@3s", "ahe_3s_rad", DEGREES, "°"),
    ("curvature", "curvature_mae_per_m", 1.0, "1/m"),
    ("acceleration", "acceleration_mae_mps2", 1.0, "m/s²"),
    ("latency adds @3s", "latency_cost_3s_m", 1.0, "m"),
    ("jitter@1s", "jitter_1s_m", 1.0, "m"),
    ("jitter@3s", "jitter_3s_m", 1.0, "m"),
)


def score_section(
    scores: PlanScores | None, charged: LatencyChargedScores | None, modes: DrivingModes | None = None
) -> Markup:
    """The section; nothing where no driven path was recorded."""
    if scores is None or charged is None:
        return Markup()
    columns = [getattr(kind, planner) for kind in (scores, charged) for planner in PLANNERS]
    rows = []
    for name, key, factor, unit in METRICS:
        cells = [_cell(column.get(key), factor, unit) for column in columns]
        if any(cell != UNKNOWN for cell in cells):
            rows.append([_with_best(name, [column.get(key) for column in columns[: len(PLANNERS)]]), *cells])
    if not rows:
        return Markup()
    counts = ", ".join(
        f"{scores.network[ticks]} ({charged.network[ticks]}) at {horizon} s"
        for horizon in (1, 2, 3)
        if scores.network.get(ticks := f"ticks_{horizon}s")
    )
    intro = Markup(
        "Against the driven path. <b>Plain</b>: every plan counts from its own tick. <b>Latency-charged</b>: it counts "
        "from the time at which it is ready ({} latency, median {:.1f} ms). The last two planners use no camera; a "
        "metric is marked where the network beats both. Ticks with a recorded future (and with a plan that is ready): "
        "{}."
    ).format(charged.latency.source, charged.latency.p50_ms, counts)
    head = ["", *PLANNERS.values(), *PLANNERS.values()]
    groups = (("", 1), ("plain", len(PLANNERS)), ("latency-charged", len(PLANNERS)))
    return section("Plan errors", table(head, rows, groups), _apart(modes), intro=intro)


def _apart(modes: DrivingModes | None) -> Markup:
    """Plain errors of manual and of assisted driving; nothing where the recording does not tell."""
    apart = {group: scores for group, scores in modes.scores.items() if scores.network} if modes else {}
    columns = [getattr(scores, planner) for scores in apart.values() for planner in PLANNERS]
    rows = []
    for name, key, factor, unit in METRICS:
        cells = [_cell(column.get(key), factor, unit) for column in columns]
        if any(cell != UNKNOWN for cell in cells):
            rows.append([name, *cells])
    if not rows:
        return Markup()
    head = ["", *(list(PLANNERS.values()) * len(apart))]
    spans = (("", 1), *((f"{group} driving", len(PLANNERS)) for group in apart))
    note = (
        "A tick counts as driven by who drove at its time, also where the 3 s after it were driven otherwise. Ticks: "
    )
    counts = (f"{group} {scores.network['ticks_curvature']}" for group, scores in apart.items())
    return part("Plain errors by driving mode", table(head, rows, spans), caption(note + ", ".join(counts) + "."))


def _with_best(name: str, values: Sequence[float | None]) -> Markup:
    network, *others = values
    known = [value for value in others if value is not None]
    is_best = network is not None and len(known) == len(others) and network < min(known)
    return Markup("{} {}").format(name, toned("best", "good") if is_best else "")


def _cell(value: float | None, factor: float, unit: str) -> str:
    if value is None:
        return UNKNOWN
    shown = value * factor
    digits = 2 if abs(shown) >= 0.1 or shown == 0 else 3 if abs(shown) >= 0.01 else 4
    return with_unit(f"{shown:.{digits}f}", unit)
