from pathlib import Path

import pytest

from fsd.meters.energy_count import READ_EVERY_S, EnergyCount
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay


class Meter:
    """Ten watts on a clock that the test sets; counts how often it is read."""

    name = "rapl"
    covers = "processor only"

    def __init__(self) -> None:
        self.now_s = 100.0
        self.reads = 0
        self.error: OSError | None = None

    def clock(self) -> float:
        return self.now_s

    def joules(self) -> float:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return 10 * self.now_s


def test_joules_are_spread_over_the_ticks() -> None:
    meter = Meter()
    count = EnergyCount([meter], meter.clock)
    meter.now_s += 2.0
    quantity = count.per_tick(40)
    assert (quantity.value, quantity.tag) == (pytest.approx(0.5), "measured")
    assert "rapl, processor only" in quantity.source


def test_a_meter_is_read_about_once_a_second() -> None:
    meter = Meter()
    count = EnergyCount([meter], meter.clock)
    for _ in range(360):
        meter.now_s += 1 / 36
        count.tick()
    assert 9 <= meter.reads <= 1 + 10 / READ_EVERY_S


def test_meters_that_cover_different_parts_add_up() -> None:
    meters = [Meter(), Meter()]
    count = EnergyCount(meters, meters[0].clock)
    for meter in meters:
        meter.now_s += 1.0
    assert count.per_tick(10).value == pytest.approx(2.0)


def test_without_a_meter_there_is_no_quantity() -> None:
    quantity = EnergyCount([]).per_tick(100)
    assert (quantity.value, quantity.tag) == (None, "unavailable")


def test_a_meter_that_fails_makes_the_quantity_unavailable_and_does_not_end_the_run() -> None:
    meter = Meter()
    count = EnergyCount([meter], meter.clock)
    meter.error = OSError("device is lost")
    meter.now_s += 5.0
    count.tick()
    meter.error = None
    quantity = count.per_tick(10)
    assert quantity.tag == "unavailable"
    assert "device is lost" in quantity.source


def test_a_replay_reports_what_the_meter_measured(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stepping(Meter):
        """36 J per reading."""

        def joules(self) -> float:
            self.now_s += 3.6
            return super().joules()

    # The clock stands still, so the meter is read at the start and at the end only, however long the replay takes.
    count = EnergyCount([Stepping()], lambda: 0.0)
    monkeypatch.setattr("fsd.replay.replay.energy_count", lambda: count)
    config = ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, mcap=False, max_ticks=12)
    summary = replay(config, show_progress=False)
    assert summary.joules_per_tick.value == pytest.approx(3.0)
    assert summary.joules_per_tick.tag == "measured"
    assert load_summary(tmp_path / "summary.json", ReplaySummary).joules_per_tick == summary.joules_per_tick
    assert "rapl, processor only" in (tmp_path / "report.html").read_text(encoding="utf-8")
