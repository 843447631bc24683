"""Whether a profile meets its limits. A limit that cannot be judged is not met."""

from collections.abc import Mapping, Sequence

from fsd.meters.machine_load import worst_load
from fsd.meters.quantity import Quantity
from fsd.outputs.cross_check_summary import CrossCheckSummary, describe_cross_check
from fsd.outputs.profile_scenario import ScenarioDeadline, ScenarioSummary
from fsd.outputs.profile_summary import DeviceEstimate, Gate, Verdict
from fsd.profile.config import PACED, ProfileConfig
from fsd.profile.stats.percentiles import samples_needed

DEADLINE_RANKS = ("p99.9", "p99")
"""A deadline is judged at the first of these that the samples support."""


def judge(
    config: ProfileConfig,
    scenarios: Mapping[str, ScenarioSummary],
    estimates: Sequence[DeviceEstimate],
    cross_check: CrossCheckSummary | None = None,
) -> tuple[Gate, ...]:
    """Judge the limits of the configuration, on the paced scenario if it was run, and those of a second network."""
    gates = []
    judged = PACED if PACED in scenarios else next(iter(scenarios))
    if config.deadline_ms is not None:
        gates.append(deadline_gate(judged, scenarios[judged], config.deadline_ms))
    if config.budget_watts is not None:
        chosen = next(each for each in estimates if each.device == config.power_device)
        gates.append(power_gate(scenarios[judged].energy.watts, chosen, config.budget_watts))
    if cross_check is not None and any(each.limit is not None for each in cross_check.divergence.values()):
        because = describe_cross_check(cross_check)
        gates.append(Gate(name="cross-check", limit=0.0, is_met=cross_check.alarm_ticks == 0, because=because))
    return tuple(gates)


def deadline_gate(name: str, scenario: ScenarioSummary, limit_ms: float) -> Gate:
    """Compare p99.9, or p99 where there are too few samples, with a deadline; a skipped tick misses any deadline."""
    latency, deadline = scenario.latency_ms, scenario.deadline
    rank = next((rank for rank in DEADLINE_RANKS if latency.value(rank) is not None), None)
    reached_ms = None if rank is None else latency.value(rank)
    if misses_always(deadline):
        return Gate(name="deadline-ms", limit=limit_ms, is_met=False, because=f"{name}: {describe_misses(deadline)}")
    if rank is None or reached_ms is None:
        because = (
            f"{name}: {latency.samples} samples are too few for p99, which needs {samples_needed(99.0)}; raise --ticks"
        )
        return Gate(name="deadline-ms", limit=limit_ms, is_met=False, because=because)
    # Skipped ticks are not in the percentile, but they miss every deadline: count them as well.
    allowed_misses = deadline.ticks * (1 - float(rank[1:]) / 100)
    because = (
        f"{name}: {rank} {reached_ms:.2f} ms measured, n = {latency.samples}, against {limit_ms:g} ms; "
        f"{describe_misses(deadline)}, longest run {deadline.longest_run}"
    )
    if refused := latency.refused.get("p99.9"):
        because += f" (p99.9 {refused})"
    is_met = deadline.misses <= allowed_misses and reached_ms <= limit_ms
    return Gate(name="deadline-ms", limit=limit_ms, is_met=is_met, because=because)


def power_gate(watts: Quantity, estimate: DeviceEstimate, limit_w: float) -> Gate:
    """Compare the measured watts of the paced scenario with a budget.

    Without a meter the high end of an estimate is compared: a limit that it keeps is not broken, and not met either.
    """
    if watts.value is not None:
        because = f"{watts.value:.1f} W measured ({watts.source}) against {limit_w:g} W"
        return Gate(name="budget-watts", limit=limit_w, is_met=watts.value <= limit_w, because=because)
    watts = estimate.watts
    because = (
        f"range {watts.low:.3g} to {watts.high:.3g} W against {limit_w:g} W, not measured: no meter here; "
        f"{estimate.title} at {estimate.rate_hz:g} Hz, {watts.tag}; {estimate.infer_ms}"
    )
    is_met = None if estimate.fits == "yes" else False
    return Gate(name="budget-watts", limit=limit_w, is_met=is_met, fits=estimate.fits, because=because)


def misses_always(deadline: ScenarioDeadline) -> bool:
    """Whether every tick missed: no number of further ones could show that the deadline holds."""
    return deadline.misses == deadline.ticks > 0


def describe_misses(deadline: ScenarioDeadline) -> str:
    """`every one of 80 ticks missed 27.78 ms`, or how many did."""
    which = "every one of" if misses_always(deadline) else f"{deadline.misses} of"
    return f"{which} {deadline.ticks} ticks missed {deadline.deadline_ms:.5g} ms"


def verdict(scenarios: Mapping[str, ScenarioSummary]) -> Verdict:
    """One line over a whole profile: whether it is a measurement, and whether the ticks come in time.

    Source: the result line of MLPerf LoadGen, which is VALID where the run satisfies the scenario's constraints.
    """
    is_measurement, measurement = worst_load({name: each.resources.load for name, each in scenarios.items()})
    name = PACED if PACED in scenarios else next(iter(scenarios))
    latency, deadline = scenarios[name].latency_ms, scenarios[name].deadline
    rank = next((rank for rank in DEADLINE_RANKS if latency.value(rank) is not None), None)
    in_time = rank is not None and deadline.misses <= deadline.ticks * (1 - float(rank[1:]) / 100)
    tail = f"{rank} {latency.value(rank):.2f} ms" if rank else f"no p99 of {latency.samples} samples"
    is_valid = bool(is_measurement) and in_time
    text = f"{'VALID' if is_valid else 'INVALID'}: {name}, {tail}, {describe_misses(deadline)}; {measurement}"
    return Verdict(is_valid=is_valid, is_measurement=is_measurement, in_time=in_time, text=text)
