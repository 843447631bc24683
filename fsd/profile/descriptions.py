"""Texts and table rows of a profile that the terminal and the page share."""

from fsd.meters.quantity import Quantity
from fsd.outputs.profile_scenario import Growth, MemoryGrowth, ScenarioSummary
from fsd.outputs.profile_summary import DeviceEstimate, Execution, MeterValidation, NetworkCostSummary, ProfileSummary

PERCENTILES = ("p50", "p90", "p99", "p99.9")
LATENCY_HEAD = ("scenario", *PERCENTILES, "max", "n", "misses", "longest run", "ticks/s", "cores")
DEVICE_HEAD = ("device", "ms per tick", "J per tick", "W at 36 Hz", "fits", "largest budget that fits")


def format_ms(value: float | None) -> str:
    """A percentile; `refused` if the samples do not support it."""
    return "refused" if value is None else f"{value:.2f}"


def latency_row(name: str, scenario: ScenarioSummary) -> list[str]:
    """One scenario, below `LATENCY_HEAD`."""
    latency, deadline, cores = scenario.latency_ms, scenario.deadline, scenario.resources.cores_used
    return [
        name,
        *(format_ms(latency.value(each)) for each in (*PERCENTILES, "max")),
        *map(str, (latency.samples, deadline.misses, deadline.longest_run)),
        f"{scenario.ticks_per_second:.1f}",
        "" if cores is None else f"{cores:.2f}",
    ]


def module_rows(summary: ProfileSummary, count: int) -> list[list[str]]:
    """The slowest modules: name, ms, share, 1e6 multiply-accumulates."""
    return [
        [each.module, f"{each.ms:.3f}", f"{each.share:.1%}", f"{each.mmacs:.1f}"] for each in summary.modules[:count]
    ]


def device_row(name: str, estimate: DeviceEstimate, summary: ProfileSummary) -> list[str]:
    """One device, below `DEVICE_HEAD`."""
    largest = summary.largest_that_fits[estimate.device]
    return [
        name,
        *map(_format_range, (estimate.infer_ms, estimate.joules_per_tick, estimate.watts)),
        estimate.fits,
        "none" if largest is None else f"{largest.budget}, up to {largest.max_rate_hz:g} Hz",
    ]


def scenario_notes(scenario: ScenarioSummary) -> list[str]:
    """Everything about a scenario that is not in a table."""
    check, resources, stalls = scenario.stage_check, scenario.resources, scenario.machine_stalls
    notes = [
        f"stages add up to the total within {check.mean_gap:.2%} ({'ok' if check.is_ok else 'MORE THAN 1%'})",
        f"memory {resources.memory_mib.max} MiB at most",
    ]
    if resources.memory_growth:
        notes += describe_growth(resources.memory_growth)
    if scenario.dropped_frames:
        notes.append(f"decoders were late and DROPPED {sum(scenario.dropped_frames.values())} FRAMES")
    if resources.load is not None:
        parts = ", ".join(f"{stage} {share:.0%}" for stage, share in resources.load.processor_share.items())
        notes.append(f"{resources.load.verdict}{f' (by stage: {parts})' if parts else ''}")
    if steal := describe_cpu_steal(scenario):
        notes.append(steal)
    if stalls:
        notes.append(
            f"the machine without this program, over {stalls.watched_s:g} s: {stalls.stalls} stalls over "
            f"{stalls.stalls_over_ms} ms, longest {stalls.longest_ms:.1f} ms"
        )
    return [*notes, f"energy per tick: {scenario.energy.joules_per_tick}"]


def describe_execution(execution: Execution) -> str:
    """Where the operators ran, according to the runtime's own profile."""
    counts = ", ".join(f"{name} {count} operator(s)" for name, count in execution.operators.items())
    return f"--device {execution.device}: {counts or 'no operator was traced'}"


def describe_meters(summary: ProfileSummary) -> list[str]:
    """Meters of this machine, why others are missing, and how measured power compares with the model."""
    found = ", ".join(summary.meters.found) or "none"
    return [f"meters: {found}", *summary.meters.missing, *map(_describe_validation, summary.validation)]


def describe_network(cost: NetworkCostSummary) -> str:
    """Size of a network, and its share of the measured peak where that is known."""
    text = f"{cost.macs / 1e6:.3g} million multiply-accumulates per tick"
    if cost.macs:
        text += f" ({cost.int8_macs / cost.macs:.0%} INT8)"
    text += f", {cost.bytes / 1e6:.3g} MB moved, {cost.gmac_s:.3g} GMAC/s"
    if cost.share_of_peak is not None:
        text += f" = {cost.share_of_peak:.0%} of this machine's measured peak"
    return text


def describe_growth(growth: MemoryGrowth) -> list[str]:
    """Growth of memory over the run and over its second half, and of its peak."""
    peak_kib = (growth.peak_mib.second_half - growth.peak_mib.first_half) * 1024
    second_half = [f"in the second half {_format_slope(growth.second_half)}"] if growth.second_half else []
    return [f"growth {_format_slope(growth)}", *second_half, f"peak {peak_kib:+.0f} KiB from first to second half"]


def describe_cpu_steal(scenario: ScenarioSummary) -> str | None:
    """CPU time taken by the hypervisor; None if there was none, or if the system does not report it."""
    steal, near, misses = scenario.resources.cpu_steal, scenario.deadline.near_cpu_steal, scenario.deadline.misses
    if not steal or not steal.seconds:
        return None
    text = f"the hypervisor took {steal.seconds:.2f} s ({steal.share:.2%} of the time of all cores)"
    if near and misses:
        text += (
            f", during or just before {near.ticks / scenario.ticks:.0%} of the ticks and "
            f"{near.misses / misses:.0%} of the misses"
        )
    return text


def _describe_validation(entry: MeterValidation) -> str:
    return (
        f"{entry.hardware}: {entry.measured_w:.3g} W measured ({entry.meter}), {entry.modelled_low_w:.3g} to "
        f"{entry.modelled_high_w:.3g} W modelled: {'agrees' if entry.agrees else 'DOES NOT AGREE'}"
    )


def _format_range(quantity: Quantity) -> str:
    return f"{quantity.low:.3g} to {quantity.high:.3g}"


def _format_slope(growth: Growth) -> str:
    verdict = "zero within noise" if growth.is_zero_within_noise else "NOT zero"
    return f"{growth.kib_per_minute:+.1f} KiB/min (95%: {growth.low_95:+.1f} to {growth.high_95:+.1f}, {verdict})"
