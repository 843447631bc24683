"""A profile on the terminal: the tables that a person reads at the end of `fsd profile`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsd.meters.cpu_steal import stolen_words
from fsd.profile.samples import STAGES

PERCENTILES = ("p50", "p90", "p99", "p99.9")


def print_profile(summary: Mapping[str, Any], out: Path) -> None:
    """Print what matters of `summary.json`."""
    _print_head(summary)
    _print_latency(summary)
    _print_stages(summary)
    _print_notes(summary)
    _print_network(summary)
    _print_power(summary)
    for gate in summary["gates"]:
        print(f"gate --{gate['name']} {gate['limit']:g}: {'met' if gate['met'] else 'NOT MET'} ({gate['because']})")
    print(f"written: {out}/summary.json samples.parquet trace.json report.html (trace: open in ui.perfetto.dev)")


def print_comparison(comparison: Mapping[str, Any]) -> None:
    """Print the answer of `--compare`."""
    print("changed around the runs:")
    for line in comparison["changed"] or ["nothing"]:
        print(f"  {line}")
    print(f"machine itself (its measured peaks): differs by up to {comparison['machine_drift']:.2f}x")
    for name, scenario in comparison["scenarios"].items():
        print(f"{name} (n = {scenario['samples'][0]} and {scenario['samples'][1]})")
        if not scenario["percentiles"]:
            print("  too few samples to compare")
        for row in scenario["percentiles"]:
            print(
                f"  {row['percentile']:<5} {row['old_ms']:8.2f} -> {row['new_ms']:8.2f} ms   x{row['ratio']:.3f} "
                f"(95%: {row['low_95']:.3f} to {row['high_95']:.3f})   {row['verdict']}"
            )


def _print_head(summary: Mapping[str, Any]) -> None:
    machine, peaks, cold = summary["machine"], summary["peaks"], summary["cold_start_ms"]
    virtual = ", virtual" if machine["is_virtual"] else ""
    print(f"{summary['model']['name']} on {summary['clip']['name']}; network {summary['network']}")
    print(f"  machine      {machine['processor']}, {machine['cores']} cores{virtual}")
    print(f"  runs on      {runs_on(summary['execution'])}")
    print(
        f"  roofline     {peaks['int8_gmac_s']:.0f} GMAC/s INT8, {peaks['fp32_gmac_s']:.0f} FP32, copy "
        f"{peaks['copy_gb_s']:.0f} GB/s, measured with {peaks['threads']} thread(s)"
    )
    print(
        f"  cold start   {cold['process']:.0f} ms to the first plan: imports {cold['imports']:.0f}, "
        f"load {cold['load']:.0f}, first tick {cold['first_tick']:.0f}"
    )


def _print_latency(summary: Mapping[str, Any]) -> None:
    limit_ms = next(iter(summary["scenarios"].values()))["deadline"]["deadline_ms"]
    print(f"\nlatency, ms, from when the tick was due to its plan (deadline {limit_ms:.2f} ms)")
    print(
        f"{'':<16}" + "".join(f"{name:>9}" for name in (*PERCENTILES, "max", "n", "missed", "run", "ticks/s", "cores"))
    )
    for name, figures in summary["scenarios"].items():
        latency, deadline = figures["latency_ms"], figures["deadline"]
        cells = [_cell(latency.get(each)) for each in (*PERCENTILES, "max")]
        cells += [f"{latency['samples']:>9}", f"{deadline['misses']:>9}", f"{deadline['longest_run']:>9}"]
        cells += [_cell(figures["ticks_per_s"]), _cell(figures["resources"]["cores_used"])]
        print(f"{name:<16}" + "".join(cells))
    refused = {
        f"{name} {reason}"
        for figures in summary["scenarios"].values()
        for name, reason in figures["latency_ms"].get("refused", {}).items()
    }
    for line in sorted(refused):
        print(f"  refused: {line}")


def _print_stages(summary: Mapping[str, Any]) -> None:
    print("\nstages, p50 ms (share of all time)")
    print(f"{'':<16}" + "".join(f"{stage:>15}" for stage in STAGES))
    for name, figures in summary["scenarios"].items():
        cells = []
        for stage in STAGES:
            values = figures["stages_ms"].get(stage, {})
            p50 = values.get("p50")
            text = "-" if p50 is None else f"{p50:.3f} ({values['share']:4.0%})"
            cells.append(f"{text:>15}")
        print(f"{name:<16}" + "".join(cells))


def _print_notes(summary: Mapping[str, Any]) -> None:
    print()
    for name, figures in summary["scenarios"].items():
        check, resources = figures["stage_check"], figures["resources"]
        words = [f"stages add up within {check['mean_gap']:.2%}{'' if check['ok'] else ' (MORE THAN 1%)'}"]
        words.append(f"memory {resources['memory_mib']['max']} MiB")
        growth = resources["memory_growth"]
        if growth:
            words += growth_words(growth)
        if figures.get("dropped_frames"):
            words.append(f"decoders lagged: {sum(figures['dropped_frames'].values())} FRAMES DROPPED")
        stolen = stolen_words(figures)
        if stolen:
            words.append(stolen)
        stalls = figures.get("machine_stalls")
        if stalls:
            words.append(
                f"machine's own stalls over {stalls['stalls_over_ms']} ms: {stalls['stalls']} in "
                f"{stalls['watched_s']:g} s, longest {stalls['longest_ms']:.1f} ms"
            )
        print(f"  {name:<16}{'; '.join(words)}")
        ages = figures["age_of_information_ms"]
        if ages:
            oldest = max(ages, key=lambda camera: ages[camera]["max"])
            p50s = [age["p50"] for age in ages.values() if age["p50"] is not None]
            if p50s:
                print(
                    f"  {'':<16}age of information: p50 {min(p50s):.1f} to {max(p50s):.1f} ms by camera, "
                    f"worst {ages[oldest]['max']:.1f} ms ({oldest})"
                )


def _print_network(summary: Mapping[str, Any]) -> None:
    cost = summary["network_cost"]
    print(f"\nnetwork: {network_words(cost)}")
    for row in summary["modules"][:8]:
        print(f"  {row['module']:<28}{row['ms']:8.3f} ms {row['share']:7.1%} {row['mmacs']:9.1f} MMAC")


def runs_on(execution: Mapping[str, Any]) -> str:
    """Where the operators ran, as the runtime's own profile tells."""
    counts = ", ".join(f"{name} {count} operator(s)" for name, count in execution["operators"].items())
    return f"--device {execution['device']}: {counts or 'no operator was traced'}"


def validation_words(entry: Mapping[str, Any]) -> str:
    """One device of the table held against this machine's meter."""
    low_w, high_w = entry["modelled_low_w"], entry["modelled_high_w"]
    return (
        f"{entry['hardware']}: {entry['measured_w']:.3g} W measured ({entry['meter']}), {low_w:.3g} to {high_w:.3g} W "
        f"modelled: {'agrees' if entry['agrees'] else 'DOES NOT AGREE'}"
    )


def network_words(cost: Mapping[str, Any]) -> str:
    """Size of a network, and how near it comes to the measured peak, where that is known."""
    words = f"{cost['macs'] / 1e6:.3g} million multiply-accumulates a tick"
    if cost["macs"]:
        words += f" ({cost['int8_macs'] / cost['macs']:.0%} INT8)"
    words += f", {cost['bytes'] / 1e6:.3g} MB moved, {cost['gmac_s']:.3g} GMAC/s"
    if cost["share_of_peak"] is not None:
        words += f" = {cost['share_of_peak']:.0%} of this machine's measured peak"
    return words


def growth_words(growth: Mapping[str, Any]) -> list[str]:
    """How memory grew over all of a run, over its second half where that is known, and what became of its peak."""
    words = [f"growth {_slope_words(growth)}"]
    if growth["second_half"]:
        words.append(f"in the second half {_slope_words(growth['second_half'])}")
    peak = growth["peak_mib"]
    words.append(f"its peak {(peak['second_half'] - peak['first_half']) * 1024:+.0f} KiB over that of the first half")
    return words


def _slope_words(growth: Mapping[str, Any]) -> str:
    verdict = "zero within noise" if growth["zero_within_noise"] else "NOT zero"
    return (
        f"{growth['kib_per_minute']:+.1f} KiB/min (95%: {growth['low_95']:+.1f} to {growth['high_95']:+.1f}, {verdict})"
    )


def _print_power(summary: Mapping[str, Any]) -> None:
    judged = next(iter(summary["scenarios"].values()))["energy"]
    print(f"\njoules a tick here: {_figure(judged['joules_a_tick'])}")
    for reason in summary["meters"]["missing"]:
        print(f"  {reason}")
    for line in map(validation_words, summary["validation"]):
        print(f"  {line}")
    print("other devices, all modelled (pessimistic ends decide):")
    print(f"  {'':<28}{'ms a tick':>18}{'J a tick':>18}{'W at 36 Hz':>16}  fits  largest budget that fits")
    for each in summary["devices"]:
        largest = summary["largest_that_fits"][each["device"]]
        fitting = "none" if largest is None else f"{largest['budget']} up to {largest['max_rate_hz']:g} Hz"
        print(
            f"  {each['device']:<28}{_range(each['infer_ms']):>18}{_range(each['joules_a_tick']):>18}"
            f"{_range(each['watts']):>16}  {each['fits']:<5} {fitting}"
        )


def _cell(value: float | None) -> str:
    text = "refused" if value is None else f"{value:.2f}"
    return f"{text:>9}"


def _range(figure: Mapping[str, Any]) -> str:
    return f"{figure['low']:.3g} - {figure['high']:.3g}"


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"unavailable ({figure['source']})"
    return f"{figure['value']:.3g} {figure['unit']} {figure['tag']} ({figure['source']})"
