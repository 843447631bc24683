"""Print a profile, or the comparison of two, on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from fsd.outputs.compare_summary import ProfileComparison
from fsd.outputs.cross_check_summary import describe_cross_check, describe_second
from fsd.outputs.profile_summary import ProfileSummary
from fsd.profile.descriptions import (
    DEVICE_HEAD,
    LATENCY_HEAD,
    describe_execution,
    describe_meters,
    describe_network,
    device_row,
    latency_row,
    module_rows,
    scenario_notes,
)
from fsd.profile.scenarios.samples import STAGES

MAX_MODULES = 8


def print_profile(summary: ProfileSummary, out: Path) -> None:
    """Print the main results of `summary.json`."""
    _print_head(summary)
    _print_latency(summary)
    _print_stages(summary)
    if summary.cross_check is not None:
        print(
            f"\ncross-check: {describe_second(summary.cross_check.second)}: {describe_cross_check(summary.cross_check)}"
        )
    print(f"\nnetwork: {describe_network(summary.network_cost)}")
    _print_table(["module", "ms", "share", "MMAC"], module_rows(summary, MAX_MODULES))
    print("\npower")
    for line in describe_meters(summary):
        print(f"  {line}")
    print("other devices, all modelled (the pessimistic end decides)")
    _print_table(DEVICE_HEAD, [device_row(each.device, each, summary) for each in summary.devices])
    for gate in summary.gates:
        print(f"gate --{gate.name} {gate.limit:g}: {gate.outcome} ({gate.because})")
    print(f"written: {out}/summary.json samples.parquet trace.json report.html (trace: open in ui.perfetto.dev)")


def print_comparison(comparison: ProfileComparison) -> None:
    """Print the result of `--compare`."""
    print("differences in settings and machine:")
    for line in comparison.changed or ("none",):
        print(f"  {line}")
    print(f"the machine's measured peaks differ by up to {comparison.machine_drift:.2f}x")
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
    peaks, cold = summary.peaks, summary.cold_start_ms
    if summary.verdict is not None:
        print(f"result  {summary.verdict.text}")
    print(f"{summary.model.name} on {summary.clip.name}; network {summary.network}")
    print(f"  machine      {summary.machine}")
    if summary.model.kernel_warning:
        print(f"  WARNING      {summary.model.kernel_warning}")
    for note in summary.model.notes:
        print(f"  model        {note}")
    print(f"  runs on      {describe_execution(summary.execution)}")
    if summary.clip.decoder:
        print(f"  decoded by   {summary.clip.decoder}")
    print(
        f"  roofline     {peaks.int8_gmac_s:.0f} GMAC/s INT8, {peaks.fp32_gmac_s:.0f} FP32, copy "
        f"{peaks.copy_gb_s:.0f} GB/s, measured with {peaks.threads} thread(s){peaks.caveat}"
    )
    print(
        f"  cold start   {cold.process:.0f} ms to the first plan: imports {cold.imports:.0f}, "
        f"load {cold.load:.0f}, first tick {cold.first_tick:.0f}"
    )


def _print_latency(summary: ProfileSummary) -> None:
    scenarios = summary.scenarios
    limit_ms = next(iter(scenarios.values())).deadline.deadline_ms
    print(f"\nlatency, ms, from when the tick was due to its plan (deadline {limit_ms:.2f} ms)")
    _print_table(LATENCY_HEAD, [latency_row(name, each) for name, each in scenarios.items()])
    for line in sorted(
        {f"{rank} {why}" for each in scenarios.values() for rank, why in each.latency_ms.refused.items()}
    ):
        print(f"  refused: {line}")


def _print_stages(summary: ProfileSummary) -> None:
    print("\nstages, p50 ms (share of all time)")
    rows = []
    for name, scenario in summary.scenarios.items():
        stages = [scenario.stages_ms.get(stage) for stage in STAGES]
        rows.append(
            [
                name,
                *("-" if each is None or each.p50 is None else f"{each.p50:.3f} ({each.share:.0%})" for each in stages),
            ]
        )
    _print_table(["scenario", *STAGES], rows)
    print()
    for name, scenario in summary.scenarios.items():
        print(f"  {name}: {'; '.join(scenario_notes(scenario))}")
        ages = scenario.age_of_information_ms
        if p50s := [age.p50 for age in ages.values() if age.p50 is not None]:
            worst_ms, camera = max((age.max or 0.0, camera) for camera, age in ages.items())
            print(
                f"    age of information: p50 {min(p50s):.1f} to {max(p50s):.1f} ms by camera, "
                f"worst {worst_ms:.1f} ms ({camera})"
            )


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column is left-aligned, the others are right-aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for name, *cells in (head, *rows):
        aligned = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join(["", f"{name:<{widths[0]}}", *aligned]).rstrip())
