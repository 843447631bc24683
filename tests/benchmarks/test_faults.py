"""The fault benchmark: how it reads names, what it compares, and that it goes on after a kill."""

import re
import shlex
import time
from pathlib import Path
from typing import Any

import _fault_jobs
import pytest
from _fault_drives import CLEAN, PLACEBO, Case, CaseRunner, DriveSettings, Outcome, named_cameras
from _fault_jobs import JobJournal, settings_digest
from _fault_moments import LEAD_TICKS, Moment, find_moment
from _fault_table import Result, Results, fault_table, figures, goal_lines
from faults import last_line, parse

HERE = Moment("turn", "S4", 100_001, tick=238, end_tick=614)
THERE = Moment("pedestrian", "S7", 100_017, tick=621, end_tick=1100)


def result(
    fault: str,
    camera: str,
    score: float,
    unmasked: float | None = None,
    moment: Moment = HERE,
    hit_after: int | None = None,
    names: dict[str, int] | None = None,
) -> Result:
    masked = Outcome(score=score, hit_after=hit_after, names=names or {}, ticks=500)
    return Result(
        Case("drive", fault, camera, moment), masked, Outcome(score=score if unmasked is None else unmasked, ticks=500)
    )


def test_names_are_read_from_the_health_of_a_plan() -> None:
    health = "missing=rear;frozen=left_pillar,front_main;masked=front_main;no_ego;plan=held"
    assert list(named_cameras(health)) == [
        ("missing", "rear"),
        ("frozen", "left_pillar"),
        ("frozen", "front_main"),
        ("masked", "front_main"),
    ]


def test_a_name_before_the_fault_or_of_a_healthy_camera_is_a_false_alarm() -> None:
    case, outcome = Case("drive", "frozen", "rear", HERE), Outcome()
    for after, health in ((-3, "frozen=rear"), (2, "glare=rear"), (9, "frozen=rear,front_main;masked=rear")):
        outcome.watch(case, after, health)
    assert outcome.false_alarms == {"frozen=rear": -3, "frozen=front_main": 9}
    assert outcome.names == {"glare": 2, "frozen": 9}
    assert outcome.masks == {"rear": 9}
    assert outcome.named_after("frozen") == 9


def test_every_name_in_a_drive_without_fault_is_a_false_alarm() -> None:
    for fault in (CLEAN, PLACEBO):
        outcome = Outcome()
        outcome.watch(Case("drive", fault, "rear", HERE), 5, "frozen=rear")
        assert outcome.false_alarms == {"frozen=rear": 5}


def test_a_late_start_is_there_from_the_first_tick() -> None:
    assert Case("drive", "late_start", "rear", HERE).begin_tick == HERE.tick - LEAD_TICKS
    assert Case("drive", "frozen", "rear", HERE).begin_tick == HERE.tick


def results() -> Results:
    return Results(
        [
            result(CLEAN, "front_main", 0.9),
            result(CLEAN, "front_main", 0.5, moment=THERE),
            result(PLACEBO, "rear", 0.8),
            result("frozen", "rear", 0.9, unmasked=0.6, names={"frozen": 9}),
            result("frozen", "rear", 0.4, moment=THERE, names={"noise": 3}),
            result("noise", "front_main", 0.5, unmasked=0.7, hit_after=20),
        ]
    )


def test_losses_are_against_the_same_route_without_fault() -> None:
    found = figures(results())
    assert found["worst_side_camera_loss"] == pytest.approx((0.0 + 0.1) / 2)
    assert found["worst_side_camera_loss_unmasked"] == pytest.approx((0.3 + 0.1) / 2)
    assert found["worst_front_camera_loss"] == pytest.approx(0.4)
    assert found["worst_placebo_loss"] == pytest.approx(0.1)
    assert (found["faults_tried"], found["faults_named"]) == (3, 1)
    assert found["cells_where_masking_is_worse"] == 1


def test_a_hit_counts_only_if_the_drive_without_fault_has_none() -> None:
    assert figures(results())["hits_in_first_second"] == 1
    also_clean = Results([result(CLEAN, "front_main", 0.5, hit_after=21), result("noise", "rear", 0.5, hit_after=20)])
    late = Results([result(CLEAN, "front_main", 0.5), result("noise", "rear", 0.5, hit_after=37)])
    assert [figures(each)["hits_in_first_second"] for each in (also_clean, late)] == [0, 0]


def test_the_table_has_a_line_per_fault_and_camera_and_marks_masking_that_is_worse() -> None:
    _, frozen, noise = fault_table(results()).splitlines()
    assert frozen.split() == [
        *("frozen", "rear", "frozen,noise", "1/2", "9", "0/2", "-", "+0.050", "+0.200", "0", "-", "-", "0")
    ]
    assert noise.split() == [
        *("noise", "front_main", "-", "0/1", "-", "0/1", "-", "+0.400", "+0.200", "1", "-", "-", "0", "<")
    ]


def test_replays_alone_are_named_and_marked_too() -> None:
    def replay(fault: str, ade_m: float, unmasked_m: float, names: dict[str, int]) -> Result:
        case = Case("replay", fault, "rear", HERE)
        return Result(case, Outcome(ade_m=ade_m, names=names), Outcome(ade_m=unmasked_m))

    only = Results([replay(CLEAN, 0.2, 0.2, {}), replay("frozen", 0.6, 0.4, {"frozen": 8})])
    _, line = fault_table(only).splitlines()
    assert line.split() == [
        *("frozen", "rear", "frozen", "1/1", "8", "0/1", "-", "-", "-", "-", "+0.400", "+0.200", "0", "(<)")
    ]
    assert figures(only)["replay_cells_where_masking_is_worse"] == 1
    assert goal_lines(only) == []


def test_goals_that_are_missed_say_by_how_much() -> None:
    side, front, hits = goal_lines(results())
    assert side.endswith("missed by 0.030")
    assert front.endswith("missed by 0.250")
    assert "noise/front_main" in hits


def test_a_journal_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out" / "cases.jsonl"
    first, second = (Case("drive", "frozen", camera, HERE) for camera in ("rear", "front_main"))
    JobJournal(path, "a").append(first, {"masked": {}})
    path.write_bytes(path.read_bytes() + b'{"key": "dri')
    JobJournal(path, "a").append(second, {"masked": {"ticks": 1}})
    assert JobJournal(path, "a").done == {first.key: {"masked": {}}, second.key: {"masked": {"ticks": 1}}}
    assert not JobJournal(path, "b").done


def test_other_settings_or_models_make_other_results(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    digests = set()
    for content, draw_every in ((b"a", 1), (b"b", 1), (b"b", 2)):
        model.write_bytes(content)
        digests.add(settings_digest(DriveSettings(model, draw_every, None, 216, tmp_path)))
    assert len(digests) == 3


def test_a_moment_comes_after_the_lead_and_before_the_end_of_a_route_that_the_expert_completes() -> None:
    assert find_moment("turn", "S4", HERE.seed) == HERE
    assert HERE.takeover_tick >= 0


def test_the_commands_that_the_documentation_prints_are_understood() -> None:
    root = Path(__file__).resolve().parents[2]
    text = "".join((root / name).read_text(encoding="utf-8") for name in ("docs/benchmarks.md", "benchmarks/faults.py"))
    commands = re.findall(r"python benchmarks/faults\.py(.*)", text)
    assert len(commands) == 4
    for command in commands:
        assert parse(shlex.split(command, comments=True)).workers > 0


@pytest.mark.parametrize(
    ("program", "figures_of_it", "reason"),
    [
        ("""print('note'); print('{"figures": {"kills": 3}, "samples": 1}')""", {"kills": 3}, "not among its figures"),
        ("""print('{"fuzzed": 9, "hangs": 1}')""", {"fuzzed": 9, "hangs": 1}, "not among its figures"),
        ("raise SystemExit(3)", {}, "it printed no figures and ended with exit code 3"),
    ],
)
def test_figures_of_other_programs_come_from_their_last_line(
    program: str, figures_of_it: dict[str, float], reason: str
) -> None:
    assert last_line(["-S", "-c", program]) == (figures_of_it, reason)


def test_a_job_without_a_tick_for_long_is_a_hang_and_other_errors_are_tracebacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Runner(CaseRunner):
        def run(self, case: Case) -> dict[str, dict[str, Any]]:
            if case.camera == "rear":
                raise ValueError("not a hang")
            time.sleep(30)
            return {}

    monkeypatch.setattr(_fault_jobs, "FIRST_TICK_S", 1)
    monkeypatch.setattr(
        _fault_jobs, "_runner", Runner(DriveSettings(None, 1, None, 216, tmp_path), on_tick=lambda: None)
    )
    results = [_fault_jobs.work(Case("drive", "frozen", camera, HERE)) for camera in ("rear", "front_main")]
    assert [each["hang"] for each in results] == [False, True]
    assert "not a hang" in results[0]["error"]
