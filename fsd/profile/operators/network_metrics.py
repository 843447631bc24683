"""The network's part of a summary: its cost, where its time goes, and what other devices would make of it."""

from collections.abc import Sequence
from typing import Any

from fsd.networks.devices import CPU_DEVICES
from fsd.networks.network_cost import NetworkCost
from fsd.profile.energy.budget_costs import budget_costs
from fsd.profile.energy.devices import device, devices
from fsd.profile.energy.energy_model import Assumptions, DeviceEstimate, estimate
from fsd.profile.operators.machine_peaks import MachinePeaks
from fsd.profile.operators.operator_times import OperatorTime, by_module, providers_of, time_operators
from fsd.profile.operators.runtime_trace import OperatorEvent


def network_figures(
    cost: NetworkCost,
    runs: Sequence[Sequence[OperatorEvent]],
    device_name: str,
    peaks: MachinePeaks,
    estimates: Sequence[DeviceEstimate],
) -> dict[str, Any]:
    """Fields of `summary.json`; docs/profile.md describes them.

    Args:
        runs: traced, on the device of this name in `devices.PROVIDERS`.
        peaks: of this machine's processor; a network that runs elsewhere is not held against them.
    """
    here = peaks if device_name in CPU_DEVICES else None
    operators = time_operators(cost, runs, here)
    return {
        "execution": {"device": device_name, "operators": providers_of(runs)},
        "network_cost": _on_roofline(cost, here, operators),
        "modules": by_module(operators),
        "operators": [each.to_dict() for each in operators],
        "devices": [each.to_dict() for each in estimates],
        "assumptions": str(Assumptions()),
    }


def estimate_all(cost: NetworkCost, deadline_ms: float, budget_w: float | None) -> list[DeviceEstimate]:
    """The modelled answer of every device in the table."""
    return [estimate(cost, each, deadline_ms, budget_w) for each in devices().values()]


def largest_that_fits(deadline_ms: float, budget_w: float | None) -> dict[str, Any]:
    """Per device: the driving network's budget profile with the most pixels that fits, and the rate that it leaves."""
    found: dict[str, Any] = {}
    for name in devices():
        answers = (
            (budget, estimate(cost, device(name), deadline_ms, budget_w)) for budget, cost in budget_costs().items()
        )
        fitting = next(((budget, answer) for budget, answer in answers if answer.fits == "yes"), None)
        found[name] = fitting and {
            "budget": fitting[0],
            "max_rate_hz": round(fitting[1].max_rate_hz, 1),
            "tag": "modelled",
        }
    return found


def highest_rates(estimates: Sequence[DeviceEstimate]) -> dict[str, Any]:
    """The same of a network that comes in one size: does it fit as it is, and up to which rate."""
    return {
        each.device.name: {"budget": "as it is", "max_rate_hz": round(each.max_rate_hz, 1), "tag": "modelled"}
        if each.fits == "yes"
        else None
        for each in estimates
    }


def _on_roofline(cost: NetworkCost, peaks: MachinePeaks | None, operators: Sequence[OperatorTime]) -> dict[str, Any]:
    operator_s = sum(each.median_us for each in operators) / 1e6
    share = None
    if peaks is not None and cost.macs and operator_s:
        best_s = cost.int8_macs / peaks.int8_gmac_s / 1e9 + cost.float_macs / peaks.fp32_gmac_s / 1e9
        share = best_s / operator_s
    return {
        "macs": cost.macs,
        "int8_macs": cost.int8_macs,
        "float_macs": cost.float_macs,
        "bytes": cost.bytes,
        "operators": len(cost.operators),
        "macs_per_byte": cost.macs / cost.bytes if cost.bytes else 0.0,
        "operator_ms": operator_s * 1e3,
        "gmac_s": cost.macs / operator_s / 1e9 if operator_s else 0.0,
        "share_of_peak": share,
    }
