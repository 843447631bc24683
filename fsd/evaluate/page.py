"""The page of a network over a data set: errors beside baselines, what it sees, bins, and its uncertainty."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.data.counted import counted
from fsd.evaluate.card import NETWORK
from fsd.evaluate.measures import HORIZONS_S
from fsd.html.axes import Axis
from fsd.html.bars import bars
from fsd.html.charts import Colour, Series, line_chart
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import bullets, caption, columns, part, section, stat_tile, table, toned
from fsd.outputs.evaluate_summary import (
    BinScores,
    DatasetReplaySummary,
    DatasetRun,
    Estimate,
    EvaluateSummary,
    Scores,
    WithheldScores,
)
from fsd.outputs.run_info import describe_simulated
from fsd.runtime.health import describe_replaced
from fsd.runtime.planner import SIMULATION_TRAINED

_COLOURS: dict[str, Colour] = {
    NETWORK: "blue",
    "constant_velocity": "orange",
    "hold_last": "green",
    "mean_path": "grey",
}
_UNITS = {"m": "m", "per_m": "1/m", "mps2": "m/s²", "rad": "rad"}
_MAIN = ("ade_3s_m", "fde_3s_m", "curvature_mae_per_m", "acceleration_mae_mps2", "steering_wheel_rmse_rad")
_TILES = (
    ("ade_3s_m", "plan error, ADE@3s", "m"),
    ("curvature_mae_per_m", "curvature error, mean", "1/m"),
    ("acceleration_mae_mps2", "acceleration error, mean", "m/s²"),
    ("steering_wheel_rmse_rad", "steering wheel error, RMS", "rad"),
)
_INTERVALS = "In brackets: 95% intervals over drives"


def write_card_page(path: Path, summary: DatasetRun) -> None:
    """Write the page of an evaluation, or of a replay of a data set."""
    data = summary.data
    sections = [_errors(summary), _beside_baselines(summary)]
    if isinstance(summary, EvaluateSummary):
        sections += [_withheld(summary), _binned(summary), _uncertainty(summary)]
    page = Page(
        command="fsd replay" if isinstance(summary, DatasetReplaySummary) else "fsd evaluate",
        heading=f"{summary.model.name} on {data.name}",
        facts=[
            f"part {data.part}",
            f"{counted(data.drives, 'drive')}, {data.hours:.3g} h",
            f"{data.scored_rows:,} rows scored",
            summary.status,
        ],
        banners=_banners(summary),
        tiles=_tiles(summary),
        sections=[*sections, _data(summary)],
        footer=[f"fsd {summary.fsd_version}", "docs/evaluation.md describes every value."],
    )
    write_page(path, page)


def _banners(summary: DatasetRun) -> list[Banner]:
    found = [Banner(f"{summary.status}.", summary.error)] if summary.error else []
    if summary.network.startswith("untrained"):
        found.append(Banner("Untrained.", "The network has random weights: its plans mean nothing."))
    if SIMULATION_TRAINED in summary.network and not summary.data.simulated_clips:
        found.append(
            Banner("Simulation-trained.", "The network learned in a simulator and is no driver of real roads.")
        )
    simulated = describe_simulated(summary.data.simulated_clips, summary.data.clips)
    found += [Banner("Simulated.", simulated)] if simulated else []
    if summary.data.part not in ("test", "validation"):
        found.append(
            Banner(
                f"Part {summary.data.part}.",
                "A network that was trained on this data set has learned from these drives.",
            )
        )
    if summary.data.drives < 2:
        found.append(Banner("One drive.", "There is no interval, and nothing can be said about other drives."))
    if summary.replaced_outputs:
        found.append(
            Banner("Replaced plans.", describe_replaced(summary.replaced_outputs, summary.health, summary.data.rows))
        )
    return [*found, Banner("Approximate.", items=summary.approximate, tone="")]


def _tiles(summary: DatasetRun) -> list[Markup]:
    network = summary.planners.get(NETWORK, {})
    tiles = []
    for metric, name, unit in _TILES:
        if metric in network:
            beside = _best_baseline(summary, metric)
            tiles.append(
                stat_tile(
                    name, _number(network[metric].value), unit, f"{_bracket(network[metric])}{beside}".strip("; ")
                )
            )
    if summary.ticks_per_s is not None:
        note = f"{summary.times_real_time:.3g}x real time, {summary.workers} at a time"
        tiles.append(stat_tile("speed", f"{summary.ticks_per_s:.3g}", "ticks/s", note))
    return tiles


def _best_baseline(summary: DatasetRun, metric: str) -> str:
    others = {name: scores[metric].value for name, scores in summary.planners.items() if metric in scores}
    others.pop(NETWORK, None)
    if not others:
        return ""
    best = min(others, key=lambda name: others[name])
    return f"; best baseline: {_name(best)} {_number(others[best])}"


def _errors(summary: DatasetRun) -> Markup:
    metrics = list(summary.planners.get(NETWORK, {}))
    rows = [
        [_title(metric), *(_cell(scores.get(metric)) for scores in summary.planners.values()), _count(summary, metric)]
        for metric in metrics
    ]
    head = ["", *map(_name, summary.planners), "ticks"]
    parts = [table(head, rows)] if rows else [caption("No tick has a known path or curvature.")]
    if any(f"fde_{horizon}s_m" in summary.planners.get(NETWORK, {}) for horizon in HORIZONS_S):
        parts.insert(0, _by_horizon(summary))
    intro = f"All planners over the same ticks. {_INTERVALS}; with one drive there are none."
    return section("Errors", *parts, intro=intro)


def _by_horizon(summary: DatasetRun) -> Markup:
    lines = [
        Series(
            _name(planner),
            _COLOURS.get(planner, "ink"),
            np.array([scores[f"fde_{h}s_m"].value if f"fde_{h}s_m" in scores else np.nan for h in HORIZONS_S]),
            is_dashed=planner != NETWORK,
        )
        for planner, scores in summary.planners.items()
    ]
    return line_chart(np.array(HORIZONS_S, float), lines, "distance, m", "time ahead, s")


def _beside_baselines(summary: DatasetRun) -> Markup:
    metrics = [name for name in _MAIN if any(name in scores for scores in summary.gains.values())]
    rows = [
        [_title(metric), *(_difference(scores.get(metric)) for scores in summary.gains.values())] for metric in metrics
    ]
    if not rows:
        return Markup()
    return section(
        "Network minus baseline",
        table(["", *map(_name, summary.gains)], rows),
        intro="Below 0 the network is better; coloured where the whole interval is on one side.",
    )


def _withheld(summary: EvaluateSummary) -> Markup:
    if not summary.withheld:
        return Markup()
    metrics = [name for name in _MAIN if name in summary.planners.get(NETWORK, {})]
    rows = [
        ["nothing", *(_cell(summary.planners[NETWORK].get(metric)) for metric in metrics)],
        *([_name(name), *(_loss(each, metric) for metric in metrics)] for name, each in summary.withheld.items()),
    ]
    notes = [f"{_name(name)}: withheld are {each.description}." for name, each in summary.withheld.items()]
    return section(
        "What the plans rest on",
        table(["withheld", *map(_title, metrics)], rows),
        bullets(notes, is_note=True),
        intro="The same network again without some inputs, memory included. A network that sees is much worse without "
        "pictures; one that is not continues the motion it is told. After the sign: what is lost.",
    )


def _loss(each: WithheldScores, metric: str) -> str:
    score, loss = each.scores.get(metric), each.losses.get(metric)
    if score is None:
        return "–"
    return _number(score.value) if loss is None else f"{_number(score.value)} ({loss.value:+.3g}{_bracket(loss, ' ')})"


def _binned(summary: EvaluateSummary) -> Markup:
    parts = [
        part(f"by {name}", _bin_table(bins, unit))
        for name, unit, bins in (
            ("speed", "m/s", summary.speed_bins),
            ("curvature of either side", "1/m", summary.curvature_bins),
        )
        if bins
    ]
    return section("Where the errors are", *parts, intro=f"{_INTERVALS}.") if parts else Markup()


def _bin_table(bins: Sequence[BinScores], unit: str) -> Markup:
    rivals = ("constant_velocity", "hold_last")
    head = [unit, "ticks", "drives"]
    groups = [("", 3)]
    metrics = [
        m for m in ("ade_3s_m", "curvature_mae_per_m", "acceleration_mae_mps2") if any(m in _of(b) for b in bins)
    ]
    for metric in metrics:
        head += ["network", *map(_name, rivals)]
        groups.append((_title(metric), 1 + len(rivals)))
    rows = []
    for each in bins:
        until = "or more" if each.high is None else f"to {each.high:g}"
        cells = [
            _cell(each.planners.get(planner, {}).get(metric)) for metric in metrics for planner in (NETWORK, *rivals)
        ]
        rows.append([f"{each.low:g} {until}", f"{each.ticks:,}", each.drives, *cells])
    return table(head, rows, groups)


def _of(each: BinScores) -> Scores:
    return each.planners.get(NETWORK, {})


def _uncertainty(summary: EvaluateSummary) -> Markup:
    if not summary.uncertainty:
        return Markup()
    nominal = np.array([0.0, *summary.nominal, 1.0])
    colours: tuple[Colour, ...] = ("blue", "azure", "orange", "amber", "green", "violet")
    lines = [
        Series(_output(name), colour, np.array([0.0, *each.covered, 1.0]))
        for colour, (name, each) in zip(colours, summary.uncertainty.items(), strict=False)
    ]
    ideal = Series("as stated", "grey", nominal, is_dashed=True)
    chart = line_chart(
        nominal,
        [*lines, ideal],
        "share of errors inside",
        "share that should be",
        y_axis=Axis("share of errors inside", 0, 1),
    )
    shown = (0.5, 0.9, 0.95)
    rows = [
        [_output(name), *(f"{each.covered[summary.nominal.index(p)]:.0%}" for p in shown), _cell(each.mean_ratio)]
        for name, each in summary.uncertainty.items()
    ]
    return section(
        "Stated uncertainty",
        chart,
        table(["", *(f"{p:.0%} interval holds" for p in shown), "mean error over scale"], rows),
        intro="The network states the scale of a Laplace distribution for each output. A mean of 1 is right; above 1 "
        "it is too sure.",
    )


def _data(summary: DatasetRun) -> Markup:
    data = summary.data
    cameras = [(name.replace("_", " "), share, f"{share:.0%}") for name, share in data.cameras.items()]
    weights = summary.model.weights_sha256[:16] or "unknown"
    facts = [
        f"budget {data.budget}, one tick in {data.every_ticks} recorded, {counted(data.clips, 'clip')}",
        "curvature from "
        + ", ".join(f"{source} ({counted(count, 'clip')})" for source, count in data.curvature_from.items()),
        f"index {data.index_sha256[:16]}; equal ones hold the same rows",
        f"network {summary.model.name} {summary.model.precision}, weights {weights}",
        f"each row was run {summary.runs} times" if summary.runs > 1 else "each row was run once",
    ]
    return section(
        "What was run", columns(part("rows with a picture", bars(cameras, "azure")), part("data set", bullets(facts)))
    )


def _count(summary: DatasetRun, metric: str) -> str:
    return f"{summary.planners[NETWORK][metric].ticks:,}"


def _cell(each: Estimate | None) -> str:
    return "–" if each is None else f"{_number(each.value)}{_bracket(each, ' ')}"


def _difference(each: Estimate | None) -> str | Markup:
    if each is None:
        return "–"
    text = f"{each.value:+.3g}{_bracket(each, ' ')}"
    if each.low is None or each.high is None or each.low <= 0 <= each.high:
        return text
    return toned(text, "good" if each.high < 0 else "bad")


def _bracket(each: Estimate, before: str = "") -> str:
    return "" if each.low is None or each.high is None else f"{before}[{_number(each.low)}, {_number(each.high)}]"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _name(planner: str) -> str:
    return planner.replace("_", " ")


def _title(metric: str) -> str:
    """`ADE@3s, m` of `ade_3s_m`."""
    name, unit = next(
        (metric.removesuffix(f"_{end}"), text)
        for end, text in sorted(_UNITS.items(), key=_longest)
        if metric.endswith(f"_{end}")
    )
    kind, _, horizon = name.partition("_")
    name = f"{kind.upper()}@{horizon}" if kind in ("ade", "fde") else name.replace("_", " ")
    return f"{name.replace(' mae', ', mean').replace(' rmse', ', RMS')}, {unit}"


def _longest(item: tuple[str, str]) -> int:
    return -len(item[0])


def _output(name: str) -> str:
    """`across at 3 s` of `across_3s_m`."""
    axis, _, rest = name.partition("_")
    return f"{axis} at {rest[0]} s" if rest.endswith("s_m") else axis


def describe_scores(scores: Mapping[str, Scores], metric: str) -> list[str]:
    """One line per planner that has the metric."""
    found = [(planner, each[metric]) for planner, each in scores.items() if metric in each]
    return [
        f"{_name(planner)} {_cell(each)} (n = {each.ticks}, {counted(each.drives, 'drive')})" for planner, each in found
    ]
