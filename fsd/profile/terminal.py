"""A profile on the terminal: the tables that a person reads at the end of `fsd profile`."""

from pathlib import Path

from fsd.meters.quantity import Quantity
from fsd.outputs.compare_summary import ProfileComparison
from fsd.outputs.profile_scenario import Growth, MemoryGrowth, ScenarioSummary
from fsd.outputs.profile_summary import Execution, MeterValidation, NetworkCostSummary, ProfileSummary
from fsd.profile.scenarios.samples import STAGES

PERCENTILES = ("p50", "p90", "p99", "p99.9")


def print_profile(summary: ProfileSummary, out: Path) -> None:
    """Print what matters of `summary.json`."""
    _print_head(summary)
    _print_latency(summary)
    _print_stages(summary)
    _print_notes(summary)
    _print_network(summary)
    _print_power(summary)
    for gate in summary.gates:
        print(f"gate --{gate.name} {gate.limit:g}: {'met' if gate.is_met else 'NOT MET'} ({gate.because})")
    print(f"written: {out}/summary.json samples.parquet trace.json report.html (trace: open in ui.perfetto.dev)")


def print_comparison(comparison: ProfileComparison) -> None:
    """Print the result of `--compare`."""
    print("changed around the runs:")
    for line in comparison.changed or ("nothing",):
        print(f"  {line}")
    print(f"machine itself (its measured peaks): differs by up to {comparison.machine_drift:.2f}x")
    for name, scenario in comparison.scenarios.items():
        print(f"{name} (n = {scenario.samples[0]} and {scenario.samples[1]})")
        if not scenario.percentiles:
            print("  too few samples to compare")
        for row in scenario.percentiles:
            print(
                f"  {row.percentile:<5} {row.old_ms:8.2f} -> {row.new_ms:8.2f} ms   x{row.ratio:.3f} "
                f"(95%: {row.low_95:.3f} to {row.high_95:.3f})   {row.verdict}"
            )


def _print_head(summary: ProfileSummary) -> None:
    machine, peaks, cold = summary.machine, summary.peaks, summary.cold_start_ms
    virtual = ", virtual" if machine.is_virtual else ""
    print(f"{summary.model.name} on {summary.clip.name}; network {summary.network}")
    print(f"  machine      {machine.processor}, {machine.cores} cores{virtual}")
    print(f"  runs on      {describe_execution(summary.execution)}")
    print(
        f"  roofline     {peaks.int8_gmac_s:.0f} GMAC/s INT8, {peaks.fp32_gmac_s:.0f} FP32, copy "
        f"{peaks.copy_gb_s:.0f} GB/s, measured with {peaks.threads} thread(s)"
    )
    print(
        f"  cold start   {cold.process:.0f} ms to the first plan: imports {cold.imports:.0f}, "
        f"load {cold.load:.0f}, first tick {cold.first_tick:.0f}"
    )


def _print_latency(summary: ProfileSummary) -> None:
    limit_ms = next(iter(summary.scenarios.values())).deadline.deadline_ms
    print(f"\nlatency, ms, from when the tick was due to its plan (deadline {limit_ms:.2f} ms)")
    print(
        f"{'':<16}" + "".join(f"{name:>9}" for name in (*PERCENTILES, "max", "n", "missed", "run", "ticks/s", "cores"))
    )
    for name, scenario in summary.scenarios.items():
        latency, deadline = scenario.latency_ms, scenario.deadline
        cells = [_cell(latency.value(each)) for each in (*PERCENTILES, "max")]
        cells += [f"{latency.samples:>9}", f"{deadline.misses:>9}", f"{deadline.longest_run:>9}"]
        cells += [_cell(scenario.ticks_per_second), _cell(scenario.resources.cores_used)]
        print(f"{name:<16}" + "".join(cells))
    refused = {
        f"{name} {reason}"
        for scenario in summary.scenarios.values()
        for name, reason in scenario.latency_ms.refused.items()
    }
    for line in sorted(refused):
        print(f"  refused: {line}")


def _print_stages(summary: ProfileSummary) -> None:
    print("\nstages, p50 ms (share of all time)")
    print(f"{'':<16}" + "".join(f"{stage:>15}" for stage in STAGES))
    for name, scenario in summary.scenarios.items():
        cells = []
        for stage in STAGES:
            times = scenario.stages_ms.get(stage)
            text = "-" if times is None or times.p50 is None else f"{times.p50:.3f} ({times.share:4.0%})"
            cells.append(f"{text:>15}")
        print(f"{name:<16}" + "".join(cells))


def _print_notes(summary: ProfileSummary) -> None:
    print()
    for name, scenario in summary.scenarios.items():
        check, growth, stalls = scenario.stage_check, scenario.resources.memory_growth, scenario.machine_stalls
        words = [f"stages add up within {check.mean_gap:.2%}{'' if check.is_ok else ' (MORE THAN 1%)'}"]
        words.append(f"memory {scenario.resources.memory_mib.max} MiB")
        if growth:
            words += describe_growth(growth)
        if scenario.dropped_frames:
            words.append(f"decoders lagged: {sum(scenario.dropped_frames.values())} FRAMES DROPPED")
        if steal := describe_cpu_steal(scenario):
            words.append(steal)
        if stalls:
            words.append(
                f"machine's own stalls over {stalls.stalls_over_ms} ms: {stalls.stalls} in "
                f"{stalls.watched_s:g} s, longest {stalls.longest_ms:.1f} ms"
            )
        print(f"  {name:<16}{'; '.join(words)}")
        ages = scenario.age_of_information_ms
        p50s = [age.p50 for age in ages.values() if age.p50 is not None]
        if p50s:
            worst_ms, camera = max((age.max or 0.0, camera) for camera, age in ages.items())
            print(
                f"  {'':<16}age of information: p50 {min(p50s):.1f} to {max(p50s):.1f} ms by camera, "
                f"worst {worst_ms:.1f} ms ({camera})"
            )


def _print_network(summary: ProfileSummary) -> None:
    print(f"\nnetwork: {describe_network(summary.network_cost)}")
    for row in summary.modules[:8]:
        print(f"  {row.module:<28}{row.ms:8.3f} ms {row.share:7.1%} {row.mmacs:9.1f} MMAC")


def describe_execution(execution: Execution) -> str:
    """Where the operators ran, according to the runtime's own profile."""
    counts = ", ".join(f"{name} {count} operator(s)" for name, count in execution.operators.items())
    return f"--device {execution.device}: {counts or 'no operator was traced'}"


def describe_validation(entry: MeterValidation) -> str:
    """One device of the table, modelled and measured."""
    return (
        f"{entry.hardware}: {entry.measured_w:.3g} W measured ({entry.meter}), {entry.modelled_low_w:.3g} to "
        f"{entry.modelled_high_w:.3g} W modelled: {'agrees' if entry.agrees else 'DOES NOT AGREE'}"
    )


def describe_network(cost: NetworkCostSummary) -> str:
    """Size of a network, and how near it comes to the measured peak, where that is known."""
    words = f"{cost.macs / 1e6:.3g} million multiply-accumulates per tick"
    if cost.macs:
        words += f" ({cost.int8_macs / cost.macs:.0%} INT8)"
    words += f", {cost.bytes / 1e6:.3g} MB moved, {cost.gmac_s:.3g} GMAC/s"
    if cost.share_of_peak is not None:
        words += f" = {cost.share_of_peak:.0%} of this machine's measured peak"
    return words


def describe_growth(growth: MemoryGrowth) -> list[str]:
    """Growth of memory over the run and over its second half, and of its peak."""
    words = [f"growth {_format_slope(growth)}"]
    if growth.second_half:
        words.append(f"in the second half {_format_slope(growth.second_half)}")
    peak = growth.peak_mib
    words.append(f"its peak {(peak.second_half - peak.first_half) * 1024:+.0f} KiB over that of the first half")
    return words


def describe_cpu_steal(scenario: ScenarioSummary) -> str | None:
    """CPU time taken by the hypervisor; None if there was none, or if the system does not report it."""
    steal, near, misses = scenario.resources.cpu_steal, scenario.deadline.near_cpu_steal, scenario.deadline.misses
    if not steal or not steal.seconds:
        return None
    words = f"the hypervisor took {steal.seconds:.2f} s ({steal.share:.2%} of all cores' time)"
    if near and misses:
        words += (
            f", in or just before {near.ticks / scenario.ticks:.0%} of the ticks and "
            f"{near.misses / misses:.0%} of the misses"
        )
    return words


def format_quantity(quantity: Quantity) -> str:
    """`0.53 J measured (source)`."""
    if quantity.value is None:
        return f"unavailable ({quantity.source})"
    return f"{quantity.value:.3g} {quantity.unit} {quantity.tag} ({quantity.source})"


def format_range(quantity: Quantity) -> str:
    """`low - high` of a modelled quantity."""
    return f"{quantity.low:.3g} - {quantity.high:.3g}"


def _format_slope(growth: Growth) -> str:
    verdict = "zero within noise" if growth.is_zero_within_noise else "NOT zero"
    return f"{growth.kib_per_minute:+.1f} KiB/min (95%: {growth.low_95:+.1f} to {growth.high_95:+.1f}, {verdict})"


def _print_power(summary: ProfileSummary) -> None:
    judged = next(iter(summary.scenarios.values())).energy
    print(f"\njoules per tick here: {format_quantity(judged.joules_per_tick)}")
    for line in (*summary.meters.missing, *map(describe_validation, summary.validation)):
        print(f"  {line}")
    print("other devices, all modelled (pessimistic ends decide):")
    print(f"  {'':<28}{'ms per tick':>18}{'J per tick':>18}{'W at 36 Hz':>16}  fits  largest budget that fits")
    for each in summary.devices:
        largest = summary.largest_that_fits[each.device]
        fitting = "none" if largest is None else f"{largest.budget} up to {largest.max_rate_hz:g} Hz"
        print(
            f"  {each.device:<28}{format_range(each.infer_ms):>18}{format_range(each.joules_per_tick):>18}"
            f"{format_range(each.watts):>16}  {each.fits:<5} {fitting}"
        )


def _cell(value: float | None) -> str:
    text = "refused" if value is None else f"{value:.2f}"
    return f"{text:>9}"
