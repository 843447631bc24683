"""The network's part of a profile: its cost, the rate it reached, and estimates for other devices."""

from collections.abc import Sequence

from fsd.networks.network_cost import NetworkCost
from fsd.outputs.profile_summary import DeviceEstimate, LargestBudget, MachinePeaks, NetworkCostSummary, OperatorSummary
from fsd.profile.energy.budget_costs import budget_costs
from fsd.profile.energy.devices import devices
from fsd.profile.energy.energy_model import estimate


def estimate_all(cost: NetworkCost, deadline_ms: float, budget_w: float | None) -> tuple[DeviceEstimate, ...]:
    """Estimates for every device in the table."""
    return tuple(estimate(cost, each, deadline_ms, budget_w) for each in devices().values())


def largest_that_fits(deadline_ms: float, budget_w: float | None) -> dict[str, LargestBudget | None]:
    """Device -> the driving network's budget profile with the most pixels that fits, and its highest rate."""
    found: dict[str, LargestBudget | None] = {}
    for name, device in devices().items():
        estimates = ((budget, estimate(cost, device, deadline_ms, budget_w)) for budget, cost in budget_costs().items())
        found[name] = next((_fitting(budget, each) for budget, each in estimates if each.fits == "yes"), None)
    return found


def highest_rates(estimates: Sequence[DeviceEstimate]) -> dict[str, LargestBudget | None]:
    """For a network without budget profiles: device -> its highest rate, None if it does not fit."""
    return {each.device: _fitting("as it is", each) if each.fits == "yes" else None for each in estimates}


def _fitting(budget: str, estimate: DeviceEstimate) -> LargestBudget:
    return LargestBudget(budget=budget, max_rate_hz=round(estimate.max_rate_hz, 1))


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
