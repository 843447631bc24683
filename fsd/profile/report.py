"""`report.html` of a profile: one self-contained page."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.data.counted import counted
from fsd.data.frames import RATE_HZ
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import (
    bullets,
    caption,
    columns,
    part,
    prose,
    quantity_tile,
    section,
    stat_tile,
    table,
    toned,
    unavailable_text,
)
from fsd.outputs.cross_check_summary import describe_cross_check, describe_second
from fsd.outputs.profile_scenario import ScenarioSummary
from fsd.outputs.profile_summary import ProfileSummary, Verdict
from fsd.profile import charts
from fsd.profile.descriptions import (
    DEVICE_HEAD,
    LATENCY_HEAD,
    PERCENTILES,
    describe_execution,
    describe_meters,
    describe_network,
    device_row,
    format_ms,
    latency_row,
    module_rows,
    scenario_notes,
)
from fsd.profile.scenarios.samples import TickSamples
from fsd.replay.cross_check_section import divergence_table

MODEL_ONLY = "model-only"
MAX_ROWS = 14


def write_report(path: Path, summary: ProfileSummary, samples: Mapping[str, TickSamples]) -> None:
    """Write the page from the contents of `summary.json` and `samples.parquet`."""
    name, first = next(iter(summary.scenarios.items()))
    limit_ms, is_unknown = first.deadline.deadline_ms, first.latency_ms.p50 is None
    planned = {name: each for name, each in samples.items() if each.is_planned.any()}
    page = Page(
        command="fsd profile",
        heading=f"{summary.model.name} on {summary.clip.name}",
        facts=[
            str(summary.machine),
            f"ONNX Runtime {summary.machine.onnxruntime}",
            f"network threads {summary.config['threads']}, decoder threads {summary.config['decode_workers']}",
            counted(len(summary.clip.cameras), "camera"),
            f"network {summary.network}",
        ],
        banners=[
            *([_verdict(summary.verdict)] if summary.verdict else []),
            *([] if summary.status == "complete" else [Banner(f"Run {summary.status}.")]),
            *([Banner("Slower kernels.", f"{summary.model.kernel_warning}.")] if summary.model.kernel_warning else []),
        ],
        tiles=_tiles(name, first),
        left_out=[
            *([f"No latency: {first.latency_ms.samples} of {first.ticks} ticks were planned."] * is_unknown),
            *unavailable_text("energy per tick", first.energy.joules_per_tick),
        ],
        sections=[
            _gates(summary),
            _latencies(summary),
            _tail(samples, limit_ms) if planned else Markup(),
            *(
                _scenario(name, summary.scenarios[name], each, limit_ms)
                for name, each in planned.items()
                if name != MODEL_ONLY
            ),
            _cross_check(summary),
            _network(summary),
            _power(summary),
        ],
        footer=[f"fsd {summary.fsd_version}", "docs/profile.md describes every value."],
    )
    write_page(path, page)


def _verdict(verdict: Verdict) -> Banner:
    kind, _, text = verdict.text.partition(": ")
    return Banner(f"{kind}.", f"{text}.", tone="good" if verdict.is_valid else "bad")


def _tiles(name: str, scenario: ScenarioSummary) -> list[Markup]:
    latency, deadline = scenario.latency_ms, scenario.deadline
    tail = f"{name} · p99 {format_ms(latency.p99)} · max {format_ms(latency.max)} · n = {latency.samples}"
    return [
        *([] if latency.p50 is None else [stat_tile("latency", format_ms(latency.p50), "ms median", tail)]),
        stat_tile(
            "deadline misses",
            str(deadline.misses),
            f"of {scenario.ticks}",
            f"{name} · deadline {deadline.deadline_ms:.2f} ms",
            "bad" if deadline.misses else "good",
        ),
        quantity_tile("energy", scenario.energy.joules_per_tick, "J per tick"),
    ]


def _gates(summary: ProfileSummary) -> Markup:
    rows = [
        [
            f"--{gate.name} {gate.limit:g}",
            toned(gate.outcome, "" if gate.is_met is None else "good" if gate.is_met else "bad"),
            prose(gate.because),
        ]
        for gate in summary.gates
    ]
    return section("Gates", table(["gate", "", ""], rows)) if rows else Markup()


def _latencies(summary: ProfileSummary) -> Markup:
    rows: list[list[str]] = []
    for name, scenario in summary.scenarios.items():
        row, refused = latency_row(name, scenario), scenario.latency_ms.refused
        for column, each in enumerate(PERCENTILES, start=1):
            if each in refused:
                row[column] = toned(row[column], "", refused[each])
        rows.append(row)
    return section(
        "Latency, ms",
        table(LATENCY_HEAD, rows),
        caption(
            "refused: too few samples for that percentile (early-stopping rule of MLPerf LoadGen, 99% confidence). "
            "Latency runs from when the tick was due to its plan."
        ),
    )


def _tail(samples: Mapping[str, TickSamples], limit_ms: float) -> Markup:
    latencies = {name: np.nan_to_num(each.latency_ms, nan=np.inf) for name, each in samples.items()}
    return section(
        "Tail", charts.tail(latencies, limit_ms), intro="Share of ticks that are slower, skipped ticks included."
    )


def _scenario(name: str, scenario: ScenarioSummary, samples: TickSamples, limit_ms: float) -> Markup:
    latency_ms = samples.latency_ms
    parts = [
        part("Stages of a tick", charts.waterfall(samples, limit_ms)),
        part("Histogram", charts.histogram(latency_ms[samples.is_planned], limit_ms)),
        part("Over time", charts.timeline(latency_ms, limit_ms, float(RATE_HZ))),
    ]
    if growth := scenario.resources.memory_growth:
        parts.append(part("Memory", charts.memory(growth.timeline)))
    if ages := scenario.age_of_information_ms:
        rows = [[camera, *map(format_ms, (age.p50, age.p99, age.max))] for camera, age in ages.items()]
        if len(rows) > 1 and len({tuple(row[1:]) for row in rows}) == 1:
            rows = [["all cameras", *rows[0][1:]]]
        head = ["camera", "p50", "p99", "max"]
        parts.append(part("Age of information, ms, from capture to plan", table(head, rows)))
    return section(name, columns(*parts), caption(f"{'; '.join(scenario_notes(scenario))}."))


def _cross_check(summary: ProfileSummary) -> Markup:
    check = summary.cross_check
    if check is None:
        return Markup()
    intro = f"{describe_second(check.second)}: {describe_cross_check(check)}. Its time is in the stage post."
    return section("Second network", divergence_table(check), intro=intro)


def _network(summary: ProfileSummary) -> Markup:
    operators = [
        [
            each.name[:52],
            each.kind,
            f"{each.median_us:.0f}",
            f"{each.share:.1%}",
            "" if each.peak_share is None else f"{each.peak_share:.0%}",
        ]
        for each in sorted(summary.operators, key=lambda each: -each.median_us)[:MAX_ROWS]
    ]
    return section(
        "The network",
        columns(
            part("Roofline", charts.roofline(summary.operators, summary.peaks)),
            part("By module", table(["module", "ms", "share", "MMAC"], module_rows(summary, MAX_ROWS))),
        ),
        part("Slowest operators", table(["operator", "kind", "µs", "share", "of roofline"], operators)),
        intro=f"{describe_network(summary.network_cost)}. Ran on {describe_execution(summary.execution)}"
        f"{summary.peaks.caveat}.",
    )


def _power(summary: ProfileSummary) -> Markup:
    sources = [
        f"{each.title} ({each.covers}; confidence {each.confidence}): {each.source}." for each in summary.devices
    ]
    return section(
        "Power and other devices",
        part(
            "All values modelled",
            table(DEVICE_HEAD, [device_row(each.title, each, summary) for each in summary.devices]),
        ),
        caption(
            f"Modelled with {summary.assumptions}; power linear in utilisation, and at the maker's maximum where idle "
            "power is not published. `open`: the result depends on the range of the assumptions."
        ),
        bullets(sources, is_note=True),
        intro=f"On this machine: {'; '.join(describe_meters(summary))}.",
    )
