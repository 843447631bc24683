"""Does the profile meet what was asked of it? A gate that cannot be judged has not been passed."""

from dataclasses import dataclass
from typing import Any

from fsd.profile.energy.energy_model import DeviceEstimate
from fsd.profile.stats.percentiles import samples_needed

DEADLINE_RANKS = ("p99.9", "p99")
"""A deadline is judged at the first of these that the samples support; nothing lower says anything about a tail."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One demand and its answer. `because` is a sentence for people, with the tag of every figure in it."""

    name: str
    limit: float
    is_met: bool
    because: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, "limit": self.limit, "met": self.is_met, "because": self.because}


def deadline_gate(scenario: str, figures: dict[str, Any], limit_ms: float) -> Gate:
    """Hold p99.9, or p99 where there are too few samples, against a deadline; a skipped tick breaks any deadline.

    Args:
        figures: of the scenario, as `scenario_summary` makes them.
    """
    latency, deadline = figures["latency_ms"], figures["deadline"]
    count = latency["samples"]
    name = next((name for name in DEADLINE_RANKS if latency.get(name) is not None), None)
    if name is None:
        because = f"{scenario}: {count} samples say nothing about p99, which needs {samples_needed(99.0)}; use --ticks"
        return Gate("deadline-ms", limit_ms, False, because)
    # Skipped ticks are above every limit: they push the percentile up by their share.
    allowed_misses = deadline["ticks"] * (1 - float(name[1:]) / 100)
    is_met = deadline["misses"] <= allowed_misses and latency[name] <= limit_ms
    because = (
        f"{scenario}: {name} {latency[name]:.2f} ms measured, n = {count}, against {limit_ms:g} ms; "
        f"{deadline['misses']} of {deadline['ticks']} ticks missed, longest run {deadline['longest_run']}"
    )
    refused = latency.get("refused", {}).get("p99.9")
    if refused:
        because += f" (p99.9 {refused})"
    return Gate("deadline-ms", limit_ms, is_met, because)


def power_gate(measured_w: dict[str, Any], estimate: DeviceEstimate, limit_w: float) -> Gate:
    """Hold measured watts against a budget; without a meter, the modelled ones of a device, at their high end.

    Args:
        measured_w: the `watts` figure of the paced scenario.
        estimate: for the device that was asked about.
    """
    if measured_w["tag"] == "measured":
        watts = measured_w["value"]
        because = f"{watts:.1f} W measured ({measured_w['source']}) against {limit_w:g} W"
        return Gate("budget-watts", limit_w, watts <= limit_w, because)
    because = (
        f"no meter here; {estimate.device.title} at {estimate.rate_hz:g} Hz: {estimate.watts} against {limit_w:g} W, "
        f"{estimate.infer_ms}: fits {estimate.fits}"
    )
    return Gate("budget-watts", limit_w, estimate.fits == "yes", because)
