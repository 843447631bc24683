"""`report.html` of a profile: one self-contained page, light or dark, that asks no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from markupsafe import Markup

from fsd.data.frames import RATE_HZ
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import bullets, caption, columns, part, prose, quantity_tile, section, stat_tile, table, toned
from fsd.outputs.profile_scenario import MemoryGrowth, ScenarioSummary
from fsd.outputs.profile_summary import Execution, MeterValidation, NetworkCostSummary
from fsd.profile import charts
from fsd.profile.config import PACED
from fsd.profile.samples import TickSamples
from fsd.profile.terminal import (
    PERCENTILES,
    describe_cpu_steal,
    describe_execution,
    describe_growth,
    describe_network,
    describe_validation,
)

MODEL_ONLY = "model-only"
MAX_ROWS = 14


def write_report(path: Path, summary: Mapping[str, Any], samples: Mapping[str, TickSamples]) -> None:
    """Write the page from the contents of `summary.json` and `samples.parquet`."""
    first = next(iter(summary["scenarios"].values()))
    limit_ms = first["deadline"]["deadline_ms"]
    planned = {name: each for name, each in samples.items() if each.is_planned.any()}
    page = Page(
        command="fsd profile",
        heading=f"{summary['model']['name']} on {summary['clip']['name']}",
        facts=_facts(summary),
        banners=[] if summary["status"] == "complete" else [Banner(f"Run {summary['status']}.")],
        tiles=_tiles(next(iter(summary["scenarios"])), first),
        sections=[
            _gates(summary),
            _latencies(summary),
            _tail(samples, limit_ms) if planned else Markup(),
            *(
                _scenario(name, summary["scenarios"][name], each, limit_ms)
                for name, each in planned.items()
                if name != MODEL_ONLY
            ),
            _network(summary),
            _power(summary),
        ],
        footer=[f"fsd {summary['fsd_version']}", "Metrics are defined in docs/profile.md."],
    )
    write_page(path, page)


def _facts(summary: Mapping[str, Any]) -> list[str]:
    machine, config = summary["machine"], summary["config"]
    return [
        f"{machine['processor']}, {machine['cores']} cores{', virtual machine' if machine['is_virtual'] else ''}",
        f"ONNX Runtime {machine['onnxruntime']}",
        f"network threads {config['threads']}, decoder threads {config['decode_workers']}",
        f"{len(summary['clip']['cameras'])} cameras",
        f"network {summary['network']}",
    ]


def _tiles(name: str, scenario: Mapping[str, Any]) -> list[Markup]:
    latency, deadline = scenario["latency_ms"], scenario["deadline"]
    return [
        stat_tile(
            "latency",
            _ms(latency.get("p50")),
            "ms median",
            f"{name} · p99 {_ms(latency.get('p99'))} · max {_ms(latency.get('max'))} · n = {latency['samples']}",
        ),
        stat_tile(
            "deadline misses",
            str(deadline["misses"]),
            f"of {scenario['ticks']}",
            f"{name} · deadline {deadline['deadline_ms']:.2f} ms",
            "bad" if deadline["misses"] else "good",
        ),
        quantity_tile("energy", scenario["energy"]["joules_per_tick"], "J per tick"),
    ]


def _gates(summary: Mapping[str, Any]) -> Markup:
    rows = [
        [
            f"--{gate['name']} {gate['limit']:g}",
            toned("met", "good") if gate["is_met"] else toned("not met", "bad"),
            prose(gate["because"]),
        ]
        for gate in summary["gates"]
    ]
    return section("Gates", table(["gate", "", ""], rows)) if rows else Markup()


def _latencies(summary: Mapping[str, Any]) -> Markup:
    rows = []
    for name, scenario in summary["scenarios"].items():
        latency, deadline = scenario["latency_ms"], scenario["deadline"]
        refused = latency.get("refused", {})
        rows.append(
            [
                name,
                *(
                    toned(_ms(latency.get(each)), "", refused[each]) if each in refused else _ms(latency.get(each))
                    for each in PERCENTILES
                ),
                _ms(latency.get("max")),
                latency["samples"],
                deadline["misses"],
                deadline["longest_run"],
                f"{scenario['ticks_per_second']:.1f}",
                _number(scenario["resources"]["cores_used"]),
            ]
        )
    head = ["scenario", *PERCENTILES, "max", "n", "misses", "longest run", "ticks/s", "cores"]
    return section(
        "Latency, ms",
        table(head, rows),
        caption(
            "refused: too few samples for that percentile (early-stopping rule of MLPerf LoadGen, 99% confidence). "
            "Latency runs from when the tick was due to its plan."
        ),
    )


def _tail(samples: Mapping[str, TickSamples], limit_ms: float) -> Markup:
    latencies = {name: np.nan_to_num(each.latency_ms, nan=np.inf) for name, each in samples.items()}
    return section("Tail", charts.tail(latencies, limit_ms), intro="Share of ticks that are slower; skipped ticks too.")


def _scenario(name: str, scenario: Mapping[str, Any], samples: TickSamples, limit_ms: float) -> Markup:
    latency_ms = samples.latency_ms
    parts = [
        part("Stages of a tick", charts.waterfall(samples, limit_ms)),
        part("Histogram", charts.histogram(latency_ms[samples.is_planned], limit_ms)),
        part("Over time", charts.timeline(latency_ms, limit_ms, float(RATE_HZ))),
    ]
    growth = scenario["resources"]["memory_growth"]
    if growth:
        parts.append(part("Memory", charts.memory(growth["timeline"])))
    ages = scenario["age_of_information_ms"]
    if ages:
        rows = [[camera, *(_ms(age[key]) for key in ("p50", "p99", "max"))] for camera, age in ages.items()]
        head = ["camera", "p50", "p99", "max"]
        parts.append(part("Age of information, ms, from capture to plan", table(head, rows)))
    return section(name, columns(*parts), caption(f"{'; '.join(_notes(name, scenario))}."))


def _notes(name: str, scenario: Mapping[str, Any]) -> list[str]:
    check, resources = scenario["stage_check"], scenario["resources"]
    notes = [
        f"stages add up to the total within {check['mean_gap']:.2%} ({'ok' if check['is_ok'] else 'more than 1%'})",
        f"memory {resources['memory_mib']['max']} MiB at most",
    ]
    growth = resources["memory_growth"]
    if growth:
        notes += describe_growth(msgspec.convert(growth, MemoryGrowth))
    if scenario.get("dropped_frames"):
        notes.append(f"decoders lagged and dropped {sum(scenario['dropped_frames'].values())} frames")
    stolen = describe_cpu_steal(msgspec.convert(scenario, ScenarioSummary))
    if stolen:
        notes.append(stolen)
    stalls = scenario.get("machine_stalls")
    if name == PACED and stalls:
        notes.append(
            f"the machine without this program, over {stalls['watched_s']:g} s: {stalls['stalls']} stalls over "
            f"{stalls['stalls_over_ms']} ms, longest {stalls['longest_ms']:.1f} ms"
        )
    notes.append(f"joules per tick: {_quantity(scenario['energy']['joules_per_tick'])}")
    return notes


def _network(summary: Mapping[str, Any]) -> Markup:
    modules = [
        [row["module"], f"{row['ms']:.3f}", f"{row['share']:.1%}", f"{row['mmacs']:.1f}"]
        for row in summary["modules"][:MAX_ROWS]
    ]
    slowest = sorted(summary["operators"], key=lambda each: -each["median_us"])[:MAX_ROWS]
    operators = [
        [
            each["name"][:52],
            each["kind"],
            f"{each['median_us']:.0f}",
            f"{each['share']:.1%}",
            _number(each["peak_share"], ".0%"),
        ]
        for each in slowest
    ]
    cost = describe_network(msgspec.convert(summary["network_cost"], NetworkCostSummary))
    execution = describe_execution(msgspec.convert(summary["execution"], Execution))
    return section(
        "The network",
        columns(
            part("Roofline", charts.roofline(summary["operators"], summary["peaks"])),
            part("By module", table(["module", "ms", "share", "MMAC"], modules)),
        ),
        part("Slowest operators", table(["operator", "kind", "µs", "share", "of roofline"], operators)),
        intro=f"{cost}. Ran on {execution}.",
    )


def _power(summary: Mapping[str, Any]) -> Markup:
    rows = [
        [
            each["title"],
            _range(each["infer_ms"]),
            _range(each["joules_per_tick"]),
            _range(each["watts"]),
            each["fits"],
            _fitting(summary["largest_that_fits"][each["device"]]),
        ]
        for each in summary["devices"]
    ]
    sources = [
        f"{each['title']} ({each['covers']}; confidence {each['confidence']}): {each['source']}."
        for each in summary["devices"]
    ]
    found = ", ".join(summary["meters"]["found"]) or "none"
    missing = "; ".join(
        [
            *summary["meters"]["missing"],
            *map(describe_validation, msgspec.convert(summary["validation"], tuple[MeterValidation, ...])),
        ]
    )
    return section(
        "Power and other devices",
        part(
            "All values modelled",
            table(["device", "ms per tick", "J per tick", "W at 36 Hz", "fits", "largest budget that fits"], rows),
        ),
        caption(
            f"Modelled with {summary['assumptions']}; power linear in utilisation, and at the maker's maximum where "
            "idle power is not published. `open`: the answer depends on the range of the assumptions."
        ),
        bullets(sources, is_note=True),
        intro=f"Meters on this machine: {found}. {missing}.",
    )


def _ms(value: float | None) -> str:
    return _number(value, missing="refused")


def _number(value: float | None, form: str = ".2f", missing: str = "") -> str:
    return missing if value is None else f"{value:{form}}"


def _range(quantity: Mapping[str, Any]) -> str:
    return f"{quantity['low']:.3g} to {quantity['high']:.3g}"


def _fitting(budget: Mapping[str, Any] | None) -> str:
    return "none" if budget is None else f"{budget['budget']}, up to {budget['max_rate_hz']:g} Hz"


def _quantity(quantity: Mapping[str, Any]) -> str:
    if quantity["value"] is None:
        return f"unavailable ({quantity['source']})"
    return f"{quantity['value']:.3g} {quantity['unit']} {quantity['tag']} ({quantity['source']})"
