"""Where the network's time goes: a table by operator and by module, against the machine's measured peaks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsd.profile.machine_peaks import MachinePeaks
from fsd.profile.network_cost import NetworkCost, OperatorCost, operator_cost
from fsd.profile.runtime_trace import OperatorEvent

TOP_MODULE = "(network)"
UNKNOWN_MODULE = "(fused by the runtime)"
FUSED_PREFIX = "fused "
RUNTIME_SUFFIXES = ("_nchwc",)
RUNTIME_KINDS = {"ReorderInput", "ReorderOutput"}


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One operator: what it costs, how long it takes, and how near it comes to the machine's roofline.

    Attributes:
        module: of the network, from the node's name (`retina.trunk.0`).
        median_us: over the profiled runs.
        share: of the time of all operators.
        peak_share: the roofline's time for it over its measured time, 1 being perfect; None where it does no
            multiplications. A value above 1 means that its operands came from a cache, not from memory.
    """

    cost: OperatorCost
    module: str
    median_us: float
    share: float
    peak_share: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "name": self.cost.name,
            "kind": self.cost.kind,
            "module": self.module,
            "macs": self.cost.macs,
            "bytes": self.cost.bytes,
            "is_int8": self.cost.is_int8,
            "median_us": round(self.median_us, 2),
            "share": round(self.share, 5),
            "peak_share": None if self.peak_share is None else round(self.peak_share, 4),
        }


def count_cost(name: str, run: Sequence[OperatorEvent]) -> NetworkCost:
    """Cost of a network from one run of it whose profile holds all shapes (a session without prepacking)."""
    return NetworkCost(name, tuple(operator_cost(each.name, each.kind, each.inputs, each.outputs) for each in run))


def time_operators(
    cost: NetworkCost, runs: Sequence[Sequence[OperatorEvent]], peaks: MachinePeaks
) -> list[OperatorTime]:
    """Join costs with times, in the order of execution.

    Args:
        cost: of the same model, counted without prepacking.
        runs: profiled runs as it runs in earnest.
    """
    durations: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        for event in run:
            durations[event.name].append(event.duration_us)
    median_us = {name: float(np.median(values)) for name, values in durations.items()}
    total_us = sum(median_us.values())
    return [
        OperatorTime(
            cost=each,
            module=module_of(each.name, each.kind),
            median_us=median_us[each.name],
            share=median_us[each.name] / total_us if total_us else 0.0,
            peak_share=_peak_share(each, median_us[each.name], peaks),
        )
        for each in cost.operators
        if each.name in median_us
    ]


def by_module(operators: Sequence[OperatorTime], depth: int = 1) -> list[dict[str, Any]]:
    """Time and multiply-accumulates per module, slowest first; `depth` is how many parts of its path to keep."""
    time_us: dict[str, float] = defaultdict(float)
    macs: dict[str, int] = defaultdict(int)
    share: dict[str, float] = defaultdict(float)
    for each in operators:
        module = ".".join(each.module.split(".")[:depth])
        time_us[module] += each.median_us
        macs[module] += each.cost.macs
        share[module] += each.share
    return [
        {
            "module": module,
            "ms": round(time_us[module] / 1e3, 4),
            "share": round(share[module], 4),
            "mmacs": round(macs[module] / 1e6, 3),
        }
        for module in sorted(time_us, key=time_us.__getitem__, reverse=True)
    ]


def module_of(node_name: str, kind: str = "") -> str:
    """The network's module behind a node, `<module path>/<operator>` as the exporter names them.

    Names that the runtime made up for its own nodes tell no module.
    """
    if kind in RUNTIME_KINDS or node_name.endswith(RUNTIME_SUFFIXES):
        return UNKNOWN_MODULE
    module, separator, _ = node_name.removeprefix(FUSED_PREFIX).lstrip("/").partition("/")
    # `Slice_6/GatherSliceToSplitFusion` is a rewritten top-level node: operators begin with a capital, modules do not.
    return module if separator and not module[:1].isupper() else TOP_MODULE


def _peak_share(cost: OperatorCost, measured_us: float, peaks: MachinePeaks) -> float | None:
    if not cost.macs or not measured_us:
        return None
    rate_gmac_s = peaks.int8_gmac_s if cost.is_int8 else peaks.fp32_gmac_s
    best_us = max(cost.macs / rate_gmac_s, cost.bytes / peaks.copy_gb_s) / 1e3
    return best_us / measured_us
