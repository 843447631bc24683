"""Tables and figures of the fault benchmark, from the outcomes of its cases. Drives nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from _fault_drives import CLEAN, FIRST_SECOND_TICKS, PLACEBO, Case, Outcome

from fsd.drive.table import bootstrap

FRONT = "front_main"
GOAL_FRONT, GOAL_SIDE = 0.15, 0.02
"""Largest loss of driving score that a fault of one camera may cost: of `front_main`, and of a side or rear camera."""


@dataclass(frozen=True)
class Result:
    """A case with its outcome with masking and without it."""

    case: Case
    masked: Outcome
    unmasked: Outcome


class Results:
    """All results, with the fault-free one of every moment to compare with; those that lack it are left out."""

    def __init__(self, results: Iterable[Result]) -> None:
        everything = list(results)
        self.clean = {(each.case.how, each.case.moment): each for each in everything if each.case.fault == CLEAN}
        compared = [each for each in everything if (each.case.how, each.case.moment) in self.clean]
        self.placebo = [each for each in compared if each.case.fault == PLACEBO]
        self.faulty = [each for each in compared if each.case.fault not in (CLEAN, PLACEBO)]

    def of(self, how: str, fault: str | None = None, camera: str | None = None) -> list[Result]:
        """The results with a fault of one kind and camera; None: any."""
        return [
            each
            for each in self.faulty
            if each.case.how == how and fault in (None, each.case.fault) and camera in (None, each.case.camera)
        ]

    def loss(self, result: Result, is_masking: bool = True) -> float:
        """Driving score, or plan error, that the fault costs; negative where the drive with the fault was better."""
        clean = self.clean[result.case.how, result.case.moment].unmasked
        outcome = result.masked if is_masking else result.unmasked
        if result.case.how == "drive":
            assert clean.score is not None
            assert outcome.score is not None
            return clean.score - outcome.score
        assert clean.ade_m is not None
        assert outcome.ade_m is not None
        return outcome.ade_m - clean.ade_m

    def new_hit(self, result: Result) -> bool:
        """Whether the car hit something in the second after the moment, and did not without the fault."""
        clean = self.clean[result.case.how, result.case.moment].masked
        return _hit_at_once(result.masked) and not _hit_at_once(clean)

    def cells(self) -> list[tuple[str, str]]:
        """Every (fault, camera), in the order of the cases."""
        return list(dict.fromkeys((each.case.fault, each.case.camera) for each in self.faulty))


def _hit_at_once(outcome: Outcome) -> bool:
    return outcome.hit_after is not None and outcome.hit_after <= FIRST_SECOND_TICKS


COLUMNS = (
    "named as",
    "named",
    "after",
    "masked",
    "after",
    "loss",
    "unmasked",
    "hit <1s",
    "ADE +m",
    "unmasked",
    "blamed",
)
WIDTHS = (26, 7, 7, 8, 7, 8, 10, 9, 8, 10, 8)


def fault_table(results: Results) -> str:
    """One line per fault and camera, over all moments.

    Named and masked count the moments; `after` is the median number of ticks; `loss` is of driving score and `ADE +m`
    of plan error, each with masking and without. `<` marks where masking makes the drives worse, `<<` the plans of the
    replays too, `(<)` the replays alone. Names are those of the drives, or of the replays where there are none.
    """
    head = "fault".ljust(18) + "camera".ljust(14)
    lines = [head + "".join(name.rjust(width) for name, width in zip(COLUMNS, WIDTHS, strict=True))]
    for fault, camera in results.cells():
        named = results.of("drive", fault, camera) or results.of("replay", fault, camera)
        cells = (*_named(named), *_costs(results, fault, camera))
        line = "".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))
        lines.append(f"{fault:18}{camera:14}{line}  {_mark(results, fault, camera)}".rstrip())
    return "\n".join(lines)


def _named(drives: Sequence[Result]) -> tuple[str, ...]:
    """Names given, how often the right one, after how long; how often masked, after how long."""
    case = drives[0].case
    given = sorted({name for each in drives for name in each.masked.names})
    named = [after for each in drives if (after := each.masked.named_after(case.fault)) is not None]
    masked = [after for each in drives if (after := masked_after(each)) is not None]
    return (
        ",".join(given)[: WIDTHS[0] - 1] or "-",
        f"{len(named)}/{len(drives)}",
        f"{median(named):g}" if named else "-",
        f"{len(masked)}/{len(drives)}",
        f"{median(masked):g}" if masked else "-",
    )


def _costs(results: Results, fault: str, camera: str) -> tuple[str, ...]:
    """Loss of driving score, hits, growth of plan error, and cases in which healthy cameras were blamed."""
    drives, replays = results.of("drive", fault, camera), results.of("replay", fault, camera)
    return (
        _signed(drives, results.loss),
        _signed(drives, lambda each: results.loss(each, False)),
        str(sum(map(results.new_hit, drives))) if drives else "-",
        _signed(replays, results.loss),
        _signed(replays, lambda each: results.loss(each, False)),
        str(sum(bool(each.masked.false_alarms) for each in drives + replays)),
    )


def _signed(results: Sequence[Result], value: Callable[[Result], float]) -> str:
    return f"{mean(map(value, results)):+.3f}" if results else "-"


def masked_after(result: Result) -> int | None:
    """When the faulty camera, or one of two that are swapped, was masked."""
    ticks = [after for camera, after in result.masked.masks.items() if camera in result.case.cameras]
    return min(ticks, default=None)


def _mark(results: Results, fault: str, camera: str) -> str:
    drives, replays = (is_masking_worse(results, how, fault, camera) for how in ("drive", "replay"))
    return {(True, True): "<<", (True, False): "<", (False, True): "(<)", (False, False): ""}[drives, replays]


def is_masking_worse(results: Results, how: str, fault: str, camera: str) -> bool:
    """Whether the mean loss with masking is larger than without it."""
    cases = results.of(how, fault, camera)
    return bool(cases) and mean(map(results.loss, cases)) > mean(results.loss(each, False) for each in cases) + 1e-9


def camera_table(results: Results) -> str:
    """Mean loss of driving score by camera with its 95% interval over drives, and what the placebo costs."""
    lines = ["camera".ljust(16) + "drives".rjust(8) + "loss (95% interval)".rjust(28) + "unmasked".rjust(28)]
    for camera in dict.fromkeys(camera for _, camera in results.cells()):
        drives = results.of("drive", camera=camera)
        if drives:
            lines.append(camera.ljust(16) + _intervals(results, drives))
    placebo = [each for each in results.placebo if each.case.how == "drive"]
    if placebo:
        lines.append("placebo".ljust(16) + _intervals(results, placebo))
    return "\n".join(lines)


def _intervals(results: Results, drives: Sequence[Result]) -> str:
    cells = [str(len(drives)).rjust(8)]
    for is_masking in (True, False):
        interval = bootstrap([results.loss(each, is_masking) for each in drives])
        cells.append(f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})".rjust(28))
    return "".join(cells)


def false_alarm_lines(results: Results) -> list[str]:
    """Every name that a healthy camera was given, with the case and the tick."""
    everything = [*results.clean.values(), *results.placebo, *results.faulty]
    return [
        f"{each.case.key}: {alarm} at {after:+d}"
        for each in everything
        for alarm, after in sorted(each.masked.false_alarms.items())
    ]


def worst_loss(results: Results, is_front: bool, is_masking: bool = True) -> float | None:
    """The largest mean loss of driving score over the moments: of faults of `front_main`, or of the other cameras."""
    losses = [
        mean(results.loss(each, is_masking) for each in results.of("drive", fault, camera))
        for fault, camera in results.cells()
        if (camera == FRONT) == is_front and results.of("drive", fault, camera)
    ]
    return max(losses, default=None)


def figures(results: Results) -> dict[str, float | None]:
    """The figures of the last line that come from the cases."""
    drives, replays = results.of("drive"), results.of("replay")
    placebo = [results.loss(each) for each in results.placebo if each.case.how == "drive"]
    clean = [*results.clean.values(), *results.placebo]
    return {
        "faults_tried": len(drives),
        "faults_named": sum(each.masked.named_after(each.case.fault) is not None for each in drives),
        "replays_tried": len(replays),
        "replays_named": sum(each.masked.named_after(each.case.fault) is not None for each in replays),
        "false_alarms": sum(len(each.masked.false_alarms) for each in clean),
        "cases_that_blame_healthy_cameras": sum(bool(each.masked.false_alarms) for each in drives + replays),
        "worst_side_camera_loss": worst_loss(results, is_front=False),
        "worst_front_camera_loss": worst_loss(results, is_front=True),
        "worst_side_camera_loss_unmasked": worst_loss(results, is_front=False, is_masking=False),
        "worst_front_camera_loss_unmasked": worst_loss(results, is_front=True, is_masking=False),
        "worst_placebo_loss": max(placebo, default=None),
        "hits_in_first_second": sum(map(results.new_hit, drives)),
        "cells_where_masking_is_worse": sum(is_masking_worse(results, "drive", *cell) for cell in results.cells()),
        "replay_cells_where_masking_is_worse": sum(
            is_masking_worse(results, "replay", *cell) for cell in results.cells()
        ),
    }


def goal_lines(results: Results) -> list[str]:
    """Which goals are met, and by how much they are missed."""
    lines = []
    for text, worst, goal in (
        ("side or rear camera", worst_loss(results, is_front=False), GOAL_SIDE),
        (FRONT, worst_loss(results, is_front=True), GOAL_FRONT),
    ):
        if worst is not None:
            verdict = "met" if worst <= goal else f"missed by {worst - goal:.3f}"
            lines.append(f"worst loss, one fault on a {text}: {worst:+.3f}, goal {goal:g}: {verdict}")
    hits = [each.case.key for each in results.of("drive") if results.new_hit(each)]
    if results.of("drive"):
        lines.append("hit in the second after a fault: " + (", ".join(hits) if hits else "never, goal met"))
    return lines
