"""How a second network compares with the first, in a summary: `CrossCheckSummary`, and the record behind it."""

import math
from array import array
from collections import Counter

import msgspec
import numpy as np

from fsd.outputs.run_info import TimePercentiles, time_percentiles
from fsd.runtime.divergence import UNITS, CrossCheckSettings, Part, TickDivergence

PLAN_QUANTITIES = ("waypoint_3s_m", "curvature_per_m", "acceleration_mps2")
"""Differences that the result states in one line."""


class SecondNetworkInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The second network and where it ran."""

    model: str
    precision: str
    device: str
    threads: int


class DivergenceSpread(msgspec.Struct, frozen=True, kw_only=True):
    """One difference over all ticks.

    Attributes:
        limit: largest one without an alarm; None if none was set.
        max: None if a number of either network was not finite; worst_tick: where it was first reached.
    """

    unit: str
    limit: float | None
    mean: float | None
    p99: float | None
    max: float | None
    worst_tick: int


class FirstAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """The first tick with an alarm, and the first output or state array there that differs by more than is allowed."""

    tick: int
    part: Part
    output: str


class CrossCheckSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Comparison of two networks on the same ticks.

    Attributes:
        kind: what the two have in common, see `divergence.PairKind`; is_exact: no difference at all is allowed.
        divergence: name of `divergence.UNITS` -> spread; without what the two do not share.
        ticks: compared; alarm_ticks: with a difference over its limit.
        first_alarm: None without one; first_tick: part -> first tick at which it differed by more than is allowed.
        alarms: `part:output` -> ticks.
        second_ms, compare_ms: time of the second network, and of the comparison; None before the first tick.
        share_of_tick: of both in the time from frame set to checked plan.
    """

    second: SecondNetworkInfo
    kind: str
    is_exact: bool
    ticks: int
    alarm_ticks: int
    first_alarm: FirstAlarm | None
    first_tick: dict[Part, int]
    alarms: dict[str, int]
    divergence: dict[str, DivergenceSpread]
    second_ms: TimePercentiles | None
    compare_ms: TimePercentiles | None
    share_of_tick: float | None


def describe_second(second: SecondNetworkInfo) -> str:
    """`f100 fp32 on cpu, 2 threads`."""
    threads = f"{second.threads} thread{'s' if second.threads != 1 else ''}"
    return f"{' '.join(filter(None, (second.model, second.precision)))} on {second.device}, {threads}"


def describe_cross_check(check: CrossCheckSummary) -> str:
    """The result in one line: alarms, or how far the two networks differ; and the cost."""
    if check.first_alarm is not None:
        first = check.first_alarm
        result = (
            f"ALARM at {check.alarm_ticks} of {check.ticks} ticks, first at tick {first.tick} in {first.output} "
            f"({first.part})"
        )
    elif check.is_exact:
        result = f"the same bits at all {check.ticks} ticks"
    else:
        plan = [check.divergence[name] for name in PLAN_QUANTITIES if name in check.divergence]
        apart = ", ".join(f"{each.max:.2g} {each.unit}" for each in plan if each.max is not None)
        has_limit = any(each.limit is not None for each in check.divergence.values())
        result = (
            f"no alarm at {check.ticks} ticks{'' if has_limit else ' (no tolerance set)'}, plans at most {apart} apart"
        )
    if check.second_ms is None or check.share_of_tick is None:
        return result
    return f"{result}; {check.second_ms.p50:.1f} ms median, {check.share_of_tick:.0%} of the tick"


class CrossCheckRecord:
    """Collects the divergence of every tick; grows by 48 bytes per tick."""

    def __init__(self, settings: CrossCheckSettings) -> None:
        self._settings = settings
        self._ticks = array("q")
        self._values = array("f")
        self._times_ms = array("f")
        self._alarms: Counter[str] = Counter()
        self._alarm_ticks = 0
        self._first: FirstAlarm | None = None
        self._first_tick: dict[Part, int] = {}

    def add(self, tick: int, divergence: TickDivergence, plan_ms: float) -> None:
        """Count one tick; `plan_ms` is the time of the first network's plan."""
        self._ticks.append(tick)
        self._values.extend(math.nan if value is None else value for value in map(divergence.values.get, UNITS))
        self._times_ms.extend((plan_ms, divergence.second_ms, divergence.compare_ms))
        if not divergence.alarms:
            return
        self._alarm_ticks += 1
        self._alarms.update(map(str, divergence.alarms))
        for part, output in divergence.alarms:
            self._first_tick.setdefault(part, tick)
            self._first = self._first or FirstAlarm(tick=tick, part=part, output=output)

    def summary(self) -> CrossCheckSummary:
        """The comparison until now."""
        settings = self._settings
        values = np.array(self._values, np.float64).reshape(-1, len(UNITS))
        plan_ms, second_ms, compare_ms = np.array(self._times_ms, np.float64).reshape(-1, 3).T
        checked_ms = float((plan_ms + second_ms + compare_ms).sum())
        return CrossCheckSummary(
            second=SecondNetworkInfo(
                model=settings.model, precision=settings.precision, device=settings.device, threads=settings.threads
            ),
            kind=settings.kind,
            is_exact=settings.is_exact,
            ticks=len(self._ticks),
            alarm_ticks=self._alarm_ticks,
            first_alarm=self._first,
            first_tick=dict(self._first_tick),
            alarms=dict(self._alarms),
            divergence={
                name: self._spread(name, column)
                for name, column in zip(UNITS, values.T, strict=True)
                if len(column) and not np.isnan(column).all()
            },
            second_ms=time_percentiles(second_ms) if len(second_ms) else None,
            compare_ms=time_percentiles(compare_ms) if len(compare_ms) else None,
            share_of_tick=float((second_ms + compare_ms).sum()) / checked_ms if checked_ms else None,
        )

    def _spread(self, name: str, values: np.ndarray) -> DivergenceSpread:
        known = np.nan_to_num(values, nan=0.0, posinf=np.inf)
        return DivergenceSpread(
            unit=UNITS[name],
            limit=self._settings.limits.get(name),
            mean=_finite(known.mean()),
            p99=_finite(np.percentile(known, 99)),
            max=_finite(known.max()),
            worst_tick=self._ticks[int(known.argmax())],
        )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
