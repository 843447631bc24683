"""Time of the network by operator and by module, against the machine's measured peaks."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from fsd.networks.network_cost import NetworkCost, OperatorCost, operator_cost
from fsd.outputs.profile_summary import MachinePeaks, ModuleSummary, NetworkCostSummary, OperatorSummary
from fsd.profile.operators.runtime_trace import OperatorEvent

TOP_MODULE = "(network)"
UNKNOWN_MODULE = "(fused by the runtime)"
FUSED_PREFIX = "fused "
RUNTIME_SUFFIXES = ("_nchwc",)
RUNTIME_KINDS = {"ReorderInput", "ReorderOutput"}


def count_cost(name: str, run: Sequence[OperatorEvent]) -> NetworkCost:
    """Cost of a network from one run of it whose profile holds all shapes (a session without prepacking)."""
    return NetworkCost(name, tuple(operator_cost(each.name, each.kind, each.inputs, each.outputs) for each in run))


def time_operators(
    cost: NetworkCost, runs: Sequence[Sequence[OperatorEvent]], peaks: MachinePeaks | None
) -> tuple[OperatorSummary, ...]:
    """Join costs with times, in the order of execution.

    Args:
        cost: of the same model, counted without prepacking.
        runs: profiled runs, with prepacking as in production. Operators that a device has fused are not in `cost`:
            they come last, with their time and without a cost.
        peaks: of the device that ran them; None if unknown.
    """
    durations: dict[str, list[int]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for run in runs:
        for event in run:
            durations[event.name].append(event.duration_us)
            kinds[event.name] = event.kind
    median_us = {name: float(np.median(values)) for name, values in durations.items()}
    total_us = sum(median_us.values())
    counted = [each for each in cost.operators if each.name in median_us]
    known = {each.name for each in counted}
    fused = [OperatorCost(name, kinds[name], 0, 0, False) for name in median_us if name not in known]
    return tuple(
        OperatorSummary(
            name=each.name,
            kind=each.kind,
            module=module_of(each.name, each.kind) if each.name in known else UNKNOWN_MODULE,
            macs=each.macs,
            bytes=each.bytes,
            is_int8=each.is_int8,
            median_us=median_us[each.name],
            share=median_us[each.name] / total_us if total_us else 0.0,
            peak_share=_peak_share(each, median_us[each.name], peaks),
        )
        for each in counted + fused
    )


def cost_on_roofline(
    cost: NetworkCost, peaks: MachinePeaks | None, operators: Sequence[OperatorSummary]
) -> NetworkCostSummary:
    """Cost of the network, and the rate it reached.

    Args:
        peaks: of the device that it ran on; None if unknown.
    """
    operator_s = sum(each.median_us for each in operators) / 1e6
    share = None
    if peaks is not None and cost.macs and operator_s:
        best_s = cost.int8_macs / peaks.int8_gmac_s / 1e9 + cost.float_macs / peaks.fp32_gmac_s / 1e9
        share = best_s / operator_s
    return NetworkCostSummary(
        macs=cost.macs,
        int8_macs=cost.int8_macs,
        float_macs=cost.float_macs,
        bytes=cost.bytes,
        operators=len(cost.operators),
        macs_per_byte=cost.macs / cost.bytes if cost.bytes else 0.0,
        operator_ms=operator_s * 1e3,
        gmac_s=cost.macs / operator_s / 1e9 if operator_s else 0.0,
        share_of_peak=share,
    )


def by_module(operators: Sequence[OperatorSummary]) -> tuple[ModuleSummary, ...]:
    """Time and multiply-accumulates per top-level module, slowest first."""
    time_us: dict[str, float] = defaultdict(float)
    macs: dict[str, int] = defaultdict(int)
    share: dict[str, float] = defaultdict(float)
    for each in operators:
        module = each.module.partition(".")[0]
        time_us[module] += each.median_us
        macs[module] += each.macs
        share[module] += each.share
    return tuple(
        ModuleSummary(
            module=module,
            ms=round(time_us[module] / 1e3, 4),
            share=round(share[module], 4),
            mmacs=round(macs[module] / 1e6, 3),
        )
        for module in sorted(time_us, key=time_us.__getitem__, reverse=True)
    )


def providers_of(runs: Sequence[Sequence[OperatorEvent]]) -> dict[str, int]:
    """Execution provider -> operators that it ran in the last run, according to the runtime's own profile."""
    return dict(Counter(event.provider for event in runs[-1])) if runs else {}


def module_of(node_name: str, kind: str = "") -> str:
    """The network's module behind a node, `<module path>/<operator>` as the exporter names them.

    Names that the runtime made for its own nodes contain no module.
    """
    if kind in RUNTIME_KINDS or node_name.endswith(RUNTIME_SUFFIXES):
        return UNKNOWN_MODULE
    module, separator, _ = node_name.removeprefix(FUSED_PREFIX).lstrip("/").partition("/")
    # `Slice_6/GatherSliceToSplitFusion` is a rewritten top-level node: operators begin with a capital, modules do not.
    return module if separator and not module[:1].isupper() else TOP_MODULE


def _peak_share(cost: OperatorCost, measured_us: float, peaks: MachinePeaks | None) -> float | None:
    if not cost.macs or not measured_us or peaks is None:
        return None
    rate_gmac_s = peaks.int8_gmac_s if cost.is_int8 else peaks.fp32_gmac_s
    best_us = max(cost.macs / rate_gmac_s, cost.bytes / peaks.copy_gb_s) / 1e3
    return best_us / measured_us
