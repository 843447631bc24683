import os
from pathlib import Path

import pytest

from fsd.meters.machine_load import LoadWatch, MachineLoad, _judged, _Reading, worst_load

STEPS_PER_S = os.sysconf("SC_CLK_TCK")


def write_stat(path: Path, other_s: float, stolen_s: float) -> None:
    steps = (int(other_s * STEPS_PER_S), int(stolen_s * STEPS_PER_S))
    path.write_text(f"cpu  {steps[0]} 0 0 999999 0 0 0 {steps[1]} 0 0\n")


def watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: float, stolen: float, stages: dict[str, tuple[float, float]]
) -> MachineLoad:
    """Ten seconds in which other programs and the hypervisor take these shares of all cores."""
    cores, stat = os.cpu_count() or 1, tmp_path / "stat"
    write_stat(stat, 0, 0)
    watch = LoadWatch(stat)
    start = watch._start
    write_stat(stat, other * 10 * cores, stolen * 10 * cores)
    real = watch._read()
    monkeypatch.setattr(watch, "_read", lambda: real._replace(wall_s=start.wall_s + 10, own_s=start.own_s))
    return watch.load(stages)


@pytest.mark.parametrize(
    ("other", "stolen", "planning", "is_valid", "fact"),
    [
        (0.02, 0.0, 0.99, True, "other programs took 2%"),
        (0.60, 0.0, 0.99, False, "other programs took 60% of the cores"),
        (0.02, 0.10, 0.99, False, "the hypervisor took 10%"),
        (0.02, 0.0, 0.50, False, "planning had a core for 50%"),
    ],
)
def test_a_busy_machine_makes_no_measurement(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: float,
    stolen: float,
    planning: float,
    is_valid: bool,
    fact: str,
) -> None:
    load = watched(tmp_path, monkeypatch, other, stolen, {"infer": (planning, 1.0)})
    assert load.is_valid is is_valid
    assert load.verdict.startswith("valid" if is_valid else "NOT VALID")
    assert fact in load.verdict
    assert load.processor_share == {"infer": planning}


def test_a_system_that_tells_nothing_gives_no_verdict(tmp_path: Path) -> None:
    watch = LoadWatch(tmp_path / "no stat")
    watch._start = _Reading(watch._start.wall_s - 1, *watch._start[1:])
    assert watch.load().is_valid is None


def test_the_worst_scenario_decides() -> None:
    good, bad = _judged(1.0, 0.5, 0.01, 0.0, {}, 0.99), _judged(1.0, 0.5, 0.6, 0.0, {}, 0.99)
    assert worst_load({"a": good, "b": None}) == (True, good.verdict)
    is_valid, verdict = worst_load({"a": good, "b": bad})
    assert is_valid is False
    assert "b: other programs took 60%" in verdict
    both = worst_load({"a": bad, "b": bad})[1]
    assert both.count("other programs took") == 1
    assert both.endswith("nor are b")
