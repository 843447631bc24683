"""Would this network keep 36 Hz on that device, and for how many watts? A roofline, and power linear in utilisation.

Everything here is modelled: published peaks, and a range for how much of them a network reaches one tick at a time. An
operator takes the longer of its arithmetic and its memory traffic, plus the cost of starting it; the device draws its
maximum while it works and its idle power otherwise. The range of the assumptions is carried through to the answer:
`yes` and `no` hold at both ends of it, `open` does not.

Sources: Williams, Waterman, Patterson, Roofline, CACM 52(4), 2009; Fan, Weber, Barroso, Power Provisioning for a
Warehouse-sized Computer, ISCA 2007 (power is close to linear in utilisation).
"""

from dataclasses import dataclass
from typing import Any, Literal

from fsd.data.frames import RATE_HZ
from fsd.meters.quantity import Figure, modelled
from fsd.networks.network_cost import NetworkCost
from fsd.profile.energy.devices import Device

Answer = Literal["yes", "no", "open"]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Pessimistic and optimistic share of the published peaks that a network reaches at batch size one.

    Attributes:
        compute: of the arithmetic peak; small layers leave most of a wide machine idle.
        bandwidth: of the memory peak.
        start_us: what starting one operator costs.
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


@dataclass(frozen=True, slots=True)
class DeviceEstimate:
    """The modelled answer for one device and one network.

    Attributes:
        infer_ms: of one tick. joules_a_tick, watts: at `rate_hz`.
        in_time, in_power: does it fit; `None` where no limit was asked for.
        max_rate_hz: ticks a second that fit both limits even with the pessimistic assumptions; 0 if none do.
    """

    device: Device
    network: str
    rate_hz: float
    infer_ms: Figure
    joules_a_tick: Figure
    watts: Figure
    in_time: Answer
    in_power: Answer | None
    max_rate_hz: float

    @property
    def fits(self) -> Answer:
        """Both limits together."""
        answers = {self.in_time, self.in_power or "yes"}
        if "no" in answers:
            return "no"
        return "open" if "open" in answers else "yes"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "device": self.device.name,
            "title": self.device.title,
            "covers": self.device.covers,
            "confidence": self.device.confidence,
            "source": self.device.source,
            "network": self.network,
            "rate_hz": self.rate_hz,
            "infer_ms": self.infer_ms.to_dict(),
            "joules_a_tick": self.joules_a_tick.to_dict(),
            "watts": self.watts.to_dict(),
            "in_time": self.in_time,
            "in_power": self.in_power,
            "fits": self.fits,
            "max_rate_hz": self.max_rate_hz,
        }


def estimate(
    cost: NetworkCost,
    device: Device,
    deadline_ms: float,
    budget_w: float | None = None,
    rate_hz: float = float(RATE_HZ),
    assumptions: Assumptions | None = None,
) -> DeviceEstimate:
    """Answer for one device.

    Args:
        cost: of one tick of the network.
        deadline_ms: that a tick may take.
        budget_w: that the device may draw, on average over a tick; None for no limit.
        rate_hz: ticks a second.
    """
    assumptions = assumptions or Assumptions()
    slow_s, fast_s = (_tick_s(cost, device, assumptions, end) for end in (0, 1))
    low_w = _average_w(device.idle_w or 0.0, device.max_w, fast_s * rate_hz)
    # Nobody publishes idle power: without it the pessimistic end is the maker's maximum all the time.
    idle_high_w = device.max_w if device.idle_w is None else device.idle_w
    high_w = _average_w(idle_high_w, device.max_w, slow_s * rate_hz)
    source = f"roofline over {device.name}"
    return DeviceEstimate(
        device=device,
        network=cost.name,
        rate_hz=rate_hz,
        infer_ms=modelled(fast_s * 1e3, slow_s * 1e3, "ms", source),
        joules_a_tick=modelled(low_w / rate_hz, high_w / rate_hz, "J", source),
        watts=modelled(low_w, high_w, "W", source),
        in_time=_answer(fast_s * 1e3, slow_s * 1e3, deadline_ms),
        in_power=None if budget_w is None else _answer(low_w, high_w, budget_w),
        max_rate_hz=_max_rate_hz(slow_s, idle_high_w, device.max_w, deadline_ms, budget_w),
    )


def _tick_s(cost: NetworkCost, device: Device, assumptions: Assumptions, end: int) -> float:
    """Seconds a tick at one end of the assumptions: 0 pessimistic, 1 optimistic."""
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


def _answer(low: float, high: float, limit: float) -> Answer:
    if high <= limit:
        return "yes"
    return "no" if low > limit else "open"


def _max_rate_hz(slow_s: float, idle_w: float, max_w: float, deadline_ms: float, budget_w: float | None) -> float:
    if slow_s * 1e3 > deadline_ms or (budget_w is not None and idle_w > budget_w):
        return 0.0
    rate_hz = 1 / slow_s
    if budget_w is not None and max_w > budget_w:
        rate_hz *= (budget_w - idle_w) / (max_w - idle_w)
    return rate_hz
