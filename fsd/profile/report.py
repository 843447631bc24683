"""`report.html`: one self-contained page for people, light or dark, that asks the network for nothing."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.files import write_text
from fsd.data.frames import RATE_HZ
from fsd.meters.cpu_steal import stolen_words
from fsd.profile import charts
from fsd.profile.config import PACED
from fsd.profile.samples import TickSamples
from fsd.profile.terminal import growth_words, network_words, runs_on, validation_words

STYLE = """
:root { color-scheme: light dark; --ink: #1c2230; --dim: #667085; --paper: #ffffff; --card: #f5f6f8; --rule: #d5d9e0;
  --s0: #2563c9; --s1: #b45309; --s2: #15803d; --s3: #7c3aed; --bad: #c81e1e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --paper: #12151b; --card: #1b2029;
  --rule: #343b48; --s0: #6ea8fe; --s1: #f0a252; --s2: #5fcf8a; --s3: #b79cf7; --bad: #ff6b6b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1080px; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
h3 { font-size: 15px; margin: 12px 0 4px; }
p, small, li { color: var(--dim); } li { font-size: 13px; }
.ok { color: var(--s2); } .bad-word { color: var(--bad); font-weight: 600; }
.grid2 .card { margin: 0; }
.grid2 { margin: 0 0 16px; display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 16px; }
.card { margin: 0 0 16px; background: var(--card); border-radius: 8px; padding: 12px 16px; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--dim); font-weight: 500; }
td.wide { white-space: normal; text-align: left; }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .tick { fill: var(--dim); } .axis { fill: none; stroke: var(--dim); }
.grid { stroke: var(--rule); stroke-width: .6; }
.bar { fill: var(--s0); } rect.bad { fill: var(--bad); } polyline { fill: none; stroke-width: 1.6; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
svg .t0 { fill: var(--s0); } svg .t1 { fill: var(--s1); } svg .t2 { fill: var(--s2); } svg .t3 { fill: var(--s3); }
.limit { stroke: var(--bad); stroke-dasharray: 5 4; } path.dots { fill: none; } path.bad { stroke: var(--bad); }
"""


def write_report(path: Path, summary: Mapping[str, Any], samples: Mapping[str, TickSamples]) -> None:
    """Write the page from what `summary.json` and `samples.parquet` hold."""
    limit_ms = next(iter(summary["scenarios"].values()))["deadline"]["deadline_ms"]
    body = [_head(summary), _gates(summary), _latency_table(summary)]
    if any(each.is_planned.any() for each in samples.values()):
        body.append(_section("Tail", charts.tail(_with_skipped(samples), limit_ms)))
    for name, each in samples.items():
        if each.is_planned.any() and name != "model-only":
            body.append(_scenario(name, summary["scenarios"][name], each, limit_ms))
    body += [_network(summary), _power(summary)]
    write_text(
        path,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>fsd profile: {escape(summary['clip']['name'])}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n",
    )


def _head(summary: Mapping[str, Any]) -> str:
    machine, model, config = summary["machine"], summary["model"], summary["config"]
    virtual = ", virtual machine" if machine["is_virtual"] else ""
    return (
        f"<h1>Profile of {escape(model['name'])} on {escape(summary['clip']['name'])}</h1>"
        f"<p>{escape(machine['processor'])}, {machine['cores']} cores{virtual}; ONNX Runtime {machine['onnxruntime']}, "
        f"{config['threads']} network thread(s), {config['decode_workers']} decoder thread(s); "
        f"{len(summary['clip']['cameras'])} cameras; network {escape(summary['network'])}; "
        f"fsd {summary['fsd_version']}</p>"
    )


def _gates(summary: Mapping[str, Any]) -> str:
    if not summary["gates"]:
        return ""
    rows = "".join(
        f"<tr><td>--{escape(gate['name'])} {gate['limit']:g}</td>"
        f'<td class="{"ok" if gate["met"] else "bad-word"}">{"met" if gate["met"] else "not met"}</td>'
        f'<td class="wide">{escape(gate["because"])}</td></tr>'
        for gate in summary["gates"]
    )
    return _section("Gates", f"<table>{rows}</table>")


def _latency_table(summary: Mapping[str, Any]) -> str:
    names = ("p50", "p90", "p99", "p99.9")
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = []
    for scenario, figures in summary["scenarios"].items():
        latency, deadline = figures["latency_ms"], figures["deadline"]
        cells = "".join(
            f'<td title="{escape(latency.get("refused", {}).get(name, ""))}">{_ms(latency.get(name))}</td>'
            for name in names
        )
        rows.append(
            f"<tr><td>{scenario}</td>{cells}<td>{_ms(latency.get('max'))}</td><td>{latency['samples']}</td>"
            f"<td>{deadline['misses']}</td><td>{deadline['longest_run']}</td>"
            f"<td>{figures['ticks_per_s']:.1f}</td><td>{_number(figures['resources']['cores_used'])}</td></tr>"
        )
    return _section(
        "Latency, ms",
        f"<table><tr><th>scenario</th>{head}<th>max</th><th>n</th><th>misses</th><th>longest run</th><th>ticks/s</th>"
        f"<th>cores</th></tr>{''.join(rows)}</table><small>refused: too few samples for that percentile (MLPerf "
        "LoadGen's early-stopping rule, 99% confidence). Latency runs from when the tick was due to its plan.</small>",
    )


def _scenario(name: str, figures: Mapping[str, Any], samples: TickSamples, limit_ms: float) -> str:
    latency_ms = samples.latency_ms
    planned = latency_ms[samples.is_planned]
    parts = [
        _card("Stages of a tick", charts.waterfall(samples, limit_ms)),
        _card("Histogram", charts.histogram(planned, limit_ms)),
        _card("Over time", charts.timeline(latency_ms, limit_ms, float(RATE_HZ))),
    ]
    ages = figures["age_of_information_ms"]
    if ages:
        rows = "".join(
            f"<tr><td>{camera}</td><td>{_ms(age['p50'])}</td><td>{_ms(age['p99'])}</td><td>{_ms(age['max'])}</td></tr>"
            for camera, age in ages.items()
        )
        table = f"<table><tr><th>camera</th><th>p50</th><th>p99</th><th>max</th></tr>{rows}</table>"
        parts.append(_card("Age of information, ms, from capture to plan", table))
    growth = figures["resources"]["memory_growth"]
    if growth:
        parts.append(_card("Memory", charts.memory(growth["timeline"])))
    return _section(name, f'<div class="grid2">{"".join(parts)}</div>{_notes(name, figures)}')


def _notes(name: str, figures: Mapping[str, Any]) -> str:
    check, resources = figures["stage_check"], figures["resources"]
    notes = [
        f"stages add up to the total within {check['mean_gap']:.2%} ({'ok' if check['ok'] else 'more than 1%'})",
        f"memory {resources['memory_mib']['max']} MiB at most",
    ]
    growth = resources["memory_growth"]
    if growth:
        notes += growth_words(growth)
    if figures.get("dropped_frames"):
        notes.append(f"decoders lagged and dropped {sum(figures['dropped_frames'].values())} frames")
    stolen = stolen_words(figures)
    if stolen:
        notes.append(stolen)
    stalls = figures.get("machine_stalls")
    if name == PACED and stalls:
        notes.append(
            f"the machine itself, watched {stalls['watched_s']:g} s without this program: {stalls['stalls']} stalls "
            f"over {stalls['stalls_over_ms']} ms, longest {stalls['longest_ms']:.1f} ms"
        )
    energy = figures["energy"]
    notes.append(f"joules a tick: {_figure(energy['joules_a_tick'])}")
    return f"<p>{escape('; '.join(notes))}.</p>"


def _network(summary: Mapping[str, Any]) -> str:
    cost = summary["network_cost"]
    modules = "".join(
        f"<tr><td>{escape(row['module'])}</td><td>{row['ms']:.3f}</td><td>{row['share']:.1%}</td>"
        f"<td>{row['mmacs']:.1f}</td></tr>"
        for row in summary["modules"][:14]
    )
    slowest = sorted(summary["operators"], key=lambda each: -each["median_us"])[:14]
    operators = "".join(
        f"<tr><td>{escape(each['name'][:52])}</td><td>{each['kind']}</td><td>{each['median_us']:.0f}</td>"
        f"<td>{each['share']:.1%}</td><td>{_percent(each['peak_share'])}</td></tr>"
        for each in slowest
    )
    text = f"{network_words(cost)}. Ran on {escape(runs_on(summary['execution']))}."
    module_table = f"<table><tr><th>module</th><th>ms</th><th>share</th><th>MMAC</th></tr>{modules}</table>"
    operator_table = (
        "<table><tr><th>operator</th><th>kind</th><th>µs</th><th>share</th><th>of roofline</th></tr>"
        f"{operators}</table>"
    )
    return _section(
        "The network",
        f'<p>{text}</p><div class="grid2">{_card("Roofline", charts.roofline(summary["operators"], summary["peaks"]))}'
        f"{_card('By module', module_table)}</div>{_card('Slowest operators', operator_table)}",
    )


def _power(summary: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each['title'])}</td><td>{_range(each['infer_ms'])}</td>"
        f"<td>{_range(each['joules_a_tick'])}</td><td>{_range(each['watts'])}</td><td>{each['fits']}</td>"
        f"<td>{_fitting(summary['largest_that_fits'][each['device']])}</td></tr>"
        for each in summary["devices"]
    )
    sources = "".join(
        f"<li>{escape(each['title'])} ({escape(each['covers'])}; confidence {escape(each['confidence'])}): "
        f"{escape(each['source'])}.</li>"
        for each in summary["devices"]
    )
    missing = "; ".join([*summary["meters"]["missing"], *map(validation_words, summary["validation"])])
    return _section(
        "Power and other devices",
        f"<p>Meters here: {escape(', '.join(summary['meters']['found']) or 'none')}. {escape(missing)}.</p>"
        '<div class="card"><h3>All figures modelled</h3><table><tr><th>device</th><th>ms a tick</th><th>J a tick</th>'
        f"<th>W at 36 Hz</th><th>fits</th><th>largest budget that fits</th></tr>{rows}</table></div>"
        f"<small>Modelled with {escape(summary['assumptions'])}; power linear in utilisation, and at the maker's "
        "maximum where idle power is not published. `open` means that the range of the assumptions decides.</small>"
        f"<ul>{sources}</ul>",
    )


def _with_skipped(samples: Mapping[str, TickSamples]) -> dict[str, np.ndarray]:
    return {name: np.nan_to_num(each.latency_ms, nan=np.inf) for name, each in samples.items()}


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def _ms(value: float | None) -> str:
    return "refused" if value is None else f"{value:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _range(figure: Mapping[str, Any]) -> str:
    return f"{figure['low']:.3g} to {figure['high']:.3g}"


def _fitting(answer: Mapping[str, Any] | None) -> str:
    return "none" if answer is None else f"{answer['budget']}, up to {answer['max_rate_hz']:g} Hz"


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"unavailable ({figure['source']})"
    return f"{figure['value']:.3g} {figure['unit']} {figure['tag']} ({figure['source']})"
