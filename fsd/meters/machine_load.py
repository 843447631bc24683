"""Whether a measurement of time is one: who used the processor meanwhile.

Other programs and the hypervisor slow a run down without a trace in its own times. This compares processor time with
wall time, for the whole machine (Linux) and for the stages of the thread that plans.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

MAX_OTHER_SHARE = 0.10
"""Of the time of all cores: an idle desktop or server takes 1 to 3%."""

MAX_STOLEN_SHARE = 0.02
MIN_STAGE_SHARE = 0.90
"""Processor time over wall time of stages that neither wait nor sleep."""

MIN_WALL_S = 0.3
"""The system counts processor time in steps of 10 ms."""

PLANNING = ("compress", "infer", "post")


class MachineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Who used the processor during a measurement.

    Attributes:
        wall_s: its length.
        own_share, other_share, stolen_share: of the time of all cores, by this program, by others, and taken by the
            hypervisor; None where the system does not tell.
        processor_share: stage -> processor time of the planning thread over wall time; empty where nothing was planned,
            or another device than the processor does it.
        is_valid: whether times measured meanwhile are those of this program; None where that cannot be told.
        verdict: the same in a line, with the reason.
    """

    wall_s: float
    own_share: float | None
    other_share: float | None
    stolen_share: float | None
    processor_share: dict[str, float] = {}
    is_valid: bool | None
    verdict: str


class _Reading(NamedTuple):
    wall_s: float
    own_s: float
    busy_s: float
    stolen_s: float


class LoadWatch:
    """Watches the machine from its construction on."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._start = self._read()
        self._end: _Reading | None = None

    def stop(self) -> None:
        """End the measurement; without it, it lasts until `load`."""
        self._end = self._read()

    def load(self, stages_s: Mapping[str, tuple[float, float]] | None = None) -> MachineLoad:
        """The load until `stop`, or until now.

        Args:
            stages_s: stage -> (processor time of the planning thread, wall time), summed over all ticks.
        """
        end, cores = self._end or self._read(), os.cpu_count() or 1
        own_s, wall_s = end.own_s - self._start.own_s, end.wall_s - self._start.wall_s
        all_s = max(wall_s, 1e-9) * cores
        known = end.busy_s == end.busy_s  # NaN where the system does not tell
        shares = {stage: round(cpu_s / spent_s, 3) for stage, (cpu_s, spent_s) in (stages_s or {}).items() if spent_s}
        planning = [(stages_s or {}).get(stage, (0.0, 0.0)) for stage in PLANNING]
        spent_s = sum(spent for _, spent in planning)
        return _judged(
            wall_s,
            own_s / all_s if known else None,
            max(0.0, end.busy_s - self._start.busy_s - own_s) / all_s if known else None,
            (end.stolen_s - self._start.stolen_s) / all_s if known else None,
            shares,
            sum(cpu for cpu, _ in planning) / spent_s if spent_s else None,
        )

    def _read(self) -> _Reading:
        own = os.times()
        own_s = own.user + own.system + own.children_user + own.children_system
        try:
            with self._stat.open(encoding="utf-8") as lines:
                # cpu user nice system idle iowait irq softirq steal; `user` includes guests. Source: proc_stat(5).
                user, nice, system, _, _, irq, softirq, steal = map(int, lines.readline().split()[1:9])
        except (OSError, ValueError):
            return _Reading(time.perf_counter(), own_s, float("nan"), float("nan"))
        per_s = float(os.sysconf("SC_CLK_TCK"))
        return _Reading(time.perf_counter(), own_s, (user + nice + system + irq + softirq) / per_s, steal / per_s)


def _judged(
    wall_s: float,
    own: float | None,
    other: float | None,
    stolen: float | None,
    stages: dict[str, float],
    planning: float | None,
) -> MachineLoad:
    reasons = []
    if other is not None and other > MAX_OTHER_SHARE:
        reasons.append(f"other programs took {other:.0%} of the cores")
    if stolen is not None and stolen > MAX_STOLEN_SHARE:
        reasons.append(f"the hypervisor took {stolen:.0%} of the cores")
    if planning is not None and planning < MIN_STAGE_SHARE:
        reasons.append(f"planning had a core for {planning:.0%} of its time only")
    is_valid: bool | None = not reasons
    if wall_s < MIN_WALL_S:
        is_valid, verdict = None, f"validity unknown: {wall_s:.2f} s are too short to tell who used the processor"
    elif reasons:
        verdict = f"NOT VALID: {', '.join(reasons)}"
    elif other is None and planning is None:
        is_valid, verdict = None, "validity unknown: this system does not tell who used the processor"
    else:
        facts = [] if other is None else [f"other programs took {other:.0%} of the cores"]
        facts += [] if stolen is None else [f"the hypervisor {stolen:.0%}"]
        facts += [] if planning is None else [f"planning had a core for {planning:.0%} of its time"]
        verdict = f"valid: {', '.join(facts)}"
    rounded = (None if share is None else round(share, 4) for share in (own, other, stolen))
    own, other, stolen = rounded
    return MachineLoad(
        wall_s=round(wall_s, 3),
        own_share=own,
        other_share=other,
        stolen_share=stolen,
        processor_share=stages,
        is_valid=is_valid,
        verdict=verdict,
    )


def worst_load(loads: Mapping[str, MachineLoad | None]) -> tuple[bool | None, str]:
    """Verdict over several measurements by name: of those not valid the most disturbed, else one not known."""
    known = [(name, load) for name, load in loads.items() if load is not None]
    bad = sorted((pair for pair in known if pair[1].is_valid is False), key=lambda pair: -(pair[1].other_share or 0.0))
    if bad:
        others = ", ".join(name for name, _ in bad[1:])
        found = f"{bad[0][0]}: {bad[0][1].verdict.removeprefix('NOT VALID: ')}"
        return False, f"NOT VALID: {found}{others and f'; nor are {others}'}"
    unknown = next((load for _, load in known if load.is_valid is None), None)
    if unknown is not None or not known:
        return None, unknown.verdict if unknown else "validity unknown: not measured"
    most = max(known, key=lambda pair: pair[1].other_share or 0.0)[1]
    return True, most.verdict
