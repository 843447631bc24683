"""Estimate whether a network keeps 36 Hz on a device, and its power: a roofline, and power linear in utilisation.

All values are modelled from published peaks and a range for the share of them that a network reaches at batch size one.
An operator takes the longer of its arithmetic and its memory traffic, plus its start-up time; the device draws its
maximum while it works and its idle power otherwise. The result is `yes` or `no` if both ends of the range agree, else
`open`.

Sources: Williams, Waterman, Patterson, Roofline, CACM 52(4), 2009; Fan, Weber, Barroso, Power Provisioning for a
Warehouse-sized Computer, ISCA 2007 (power is close to linear in utilisation).
"""

from dataclasses import dataclass

from fsd.data.frames import RATE_HZ
from fsd.meters.quantity import modelled
from fsd.networks.network_cost import NetworkCost
from fsd.outputs.profile_summary import DeviceEstimate, Fits, LargestBudget
from fsd.profile.energy.budget_costs import budget_costs
from fsd.profile.energy.devices import Device, devices


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Pessimistic and optimistic share of the published peaks that a network reaches at batch size one.

    Attributes:
        compute: of the arithmetic peak; small layers leave most of a wide processor idle.
        bandwidth: of the memory peak.
        start_us: time to start one operator.
    """

    compute: tuple[float, float] = (0.05, 0.6)
    bandwidth: tuple[float, float] = (0.4, 0.9)
    start_us: tuple[float, float] = (10.0, 0.0)

    def __str__(self) -> str:
        return (
            f"{self.compute[0]:.0%} to {self.compute[1]:.0%} of peak arithmetic, "
            f"{self.bandwidth[0]:.0%} to {self.bandwidth[1]:.0%} of peak bandwidth, "
            f"{self.start_us[1]:g} to {self.start_us[0]:g} us to start an operator"
        )


def estimate(
    cost: NetworkCost,
    device: Device,
    deadline_ms: float,
    budget_w: float | None = None,
    rate_hz: float = float(RATE_HZ),
    assumptions: Assumptions | None = None,
) -> DeviceEstimate:
    """Estimate one device.

    Args:
        cost: of one tick of the network.
        deadline_ms: limit of the time per tick.
        budget_w: limit of the mean power; None for no limit.
        rate_hz: ticks per second.
    """
    assumptions = assumptions or Assumptions()
    slow_s, fast_s = (_tick_s(cost, device, assumptions, end) for end in (0, 1))
    low_w = _average_w(device.idle_w or 0.0, device.max_w, fast_s * rate_hz)
    # Without a published idle power, the pessimistic end is the maker's maximum all the time.
    idle_high_w = device.max_w if device.idle_w is None else device.idle_w
    high_w = _average_w(idle_high_w, device.max_w, slow_s * rate_hz)
    source = f"roofline over {device.name}"
    in_time = _fits(fast_s * 1e3, slow_s * 1e3, deadline_ms)
    in_power = None if budget_w is None else _fits(low_w, high_w, budget_w)
    return DeviceEstimate(
        device=device.name,
        title=device.title,
        covers=device.covers,
        confidence=device.confidence,
        source=device.source,
        network=cost.name,
        rate_hz=rate_hz,
        infer_ms=modelled(fast_s * 1e3, slow_s * 1e3, "ms", source),
        joules_per_tick=modelled(low_w / rate_hz, high_w / rate_hz, "J", source),
        watts=modelled(low_w, high_w, "W", source),
        in_time=in_time,
        in_power=in_power,
        fits=_fits_both(in_time, in_power or "yes"),
        max_rate_hz=_max_rate_hz(slow_s, idle_high_w, device.max_w, deadline_ms, budget_w),
    )


def estimate_all(cost: NetworkCost, deadline_ms: float, budget_w: float | None) -> tuple[DeviceEstimate, ...]:
    """Estimates for every device in the table."""
    return tuple(estimate(cost, each, deadline_ms, budget_w) for each in devices().values())


def largest_that_fits(deadline_ms: float, budget_w: float | None) -> dict[str, LargestBudget | None]:
    """Device -> the driving network's budget profile with the most pixels that fits, and its highest rate."""
    found: dict[str, LargestBudget | None] = {}
    for budget, cost in reversed(budget_costs().items()):
        for each in estimate_all(cost, deadline_ms, budget_w):
            found[each.device] = if_it_fits(budget, each) or found.get(each.device)
    return found


def if_it_fits(budget: str, estimate: DeviceEstimate) -> LargestBudget | None:
    """The highest rate of a budget; None if the estimate is not that it fits."""
    is_fit = estimate.fits == "yes"
    return LargestBudget(budget=budget, max_rate_hz=round(estimate.max_rate_hz, 1)) if is_fit else None


def _tick_s(cost: NetworkCost, device: Device, assumptions: Assumptions, end: int) -> float:
    """Seconds per tick at one end of the assumptions: 0 pessimistic, 1 optimistic."""
    bandwidth = device.bandwidth_gb_s * 1e9 * assumptions.bandwidth[end]
    int8_macs_s = device.int8_tops * 1e12 / 2 * assumptions.compute[end]
    float_macs_s = device.float_tops * 1e12 / 2 * assumptions.compute[end]
    arithmetic_or_memory = sum(
        max(each.macs / (int8_macs_s if each.is_int8 else float_macs_s), each.bytes / bandwidth)
        for each in cost.operators
    )
    return arithmetic_or_memory + len(cost.operators) * assumptions.start_us[end] * 1e-6


def _average_w(idle_w: float, max_w: float, utilisation: float) -> float:
    return idle_w + (max_w - idle_w) * min(utilisation, 1.0)


def _fits(low: float, high: float, limit: float) -> Fits:
    if high <= limit:
        return "yes"
    return "no" if low > limit else "open"


def _fits_both(one: Fits, other: Fits) -> Fits:
    if "no" in (one, other):
        return "no"
    return "open" if "open" in (one, other) else "yes"


def _max_rate_hz(slow_s: float, idle_w: float, max_w: float, deadline_ms: float, budget_w: float | None) -> float:
    if slow_s * 1e3 > deadline_ms or (budget_w is not None and idle_w > budget_w):
        return 0.0
    rate_hz = 1 / slow_s
    if budget_w is not None and max_w > budget_w:
        rate_hz *= (budget_w - idle_w) / (max_w - idle_w)
    return rate_hz
