import os
from pathlib import Path

import numpy as np
import pytest

from fsd.meters.cpu_steal import CpuSteal, NearCpuSteal, cpu_steal, cpu_steal_s, near_cpu_steal
from fsd.meters.quantity import unavailable
from fsd.outputs.profile_scenario import (
    Energy,
    MemoryUse,
    Percentiles,
    Resources,
    ScenarioDeadline,
    ScenarioSummary,
    StageSum,
)
from fsd.profile.charts import memory as memory_chart
from fsd.profile.descriptions import describe_cpu_steal, describe_growth
from fsd.profile.scenarios.machine_stalls import MachineStalls, measure_stalls, merge_stalls
from fsd.profile.scenarios.resources import ResourceTrack, resident_bytes
from fsd.profile.stats.memory_growth import memory_growth


def test_stalls_are_measured_with_every_thread_for_the_time_it_is_given() -> None:
    seen = measure_stalls(0.05, threads=2)
    assert seen.seconds == pytest.approx(0.1)
    assert (seen.stalls_ms > 0.5).all()


def test_several_measurements_are_merged() -> None:
    parts = [MachineStalls(2.0, 2, np.array([1.0])), MachineStalls(2.0, 2, np.array([3.0, 4.0]))]
    stalls = merge_stalls(parts)
    assert stalls.stalls == 3
    assert stalls.longest_ms == 4.0
    assert stalls.stalls_per_second == 0.75
    assert stalls.share_of_time_lost == pytest.approx(0.002)


def test_a_quiet_machine_has_no_stalls() -> None:
    assert merge_stalls([MachineStalls(1.0, 1, np.empty(0))]).longest_ms == 0.0


class FakeMeter:
    """Ten joules at every reading."""

    name = "fake"
    covers = "nothing"
    hardware = ""

    def __init__(self) -> None:
        self.total = 0.0

    def joules(self) -> float:
        self.total += 10.0
        return self.total


def test_energy_is_counted_from_the_first_to_the_last_reading() -> None:
    with ResourceTrack(seconds=0.01, meters=[FakeMeter()]) as track:
        np.ones(10).sum()
    found = track.energy(ticks=5).meters["fake"]
    assert found.joules_per_tick.value == pytest.approx(2.0)
    assert found.joules_per_tick.tag == found.watts.tag == "measured"
    assert "fake" in found.watts.source
    assert track.energy(ticks=5).joules_per_tick.value == found.joules_per_tick.value


def test_cpu_time_is_that_of_the_process() -> None:
    with ResourceTrack(seconds=0.2) as track:
        total = 0
        for number in range(300_000):
            total += number
    found = track.summary()
    assert 0 < found.cpu_s <= found.wall_s * 64
    assert found.memory_growth is None  # too short


def readings(minutes: float) -> tuple[np.ndarray, np.ndarray]:
    """Twice a second: 100 MiB and a page or two of noise."""
    times_s = 50.0 + np.arange(0.0, minutes * 60, 0.5)
    pages = np.random.default_rng(0).integers(0, 3, len(times_s))
    return times_s, 100 * 2.0**20 + 4096.0 * pages


def test_a_pool_that_fills_up_once_is_distinguished_from_a_leak() -> None:
    times_s, memory = readings(10)
    filled = memory_growth(times_s, memory + np.where(times_s > 170.0, 5e6, 0.0))
    leaking = memory_growth(times_s, memory + (times_s - 50.0) * 1000.0)
    assert filled is not None
    assert leaking is not None
    assert not filled.is_zero_within_noise
    assert filled.second_half.is_zero_within_noise
    assert filled.second_half.seconds == pytest.approx(300.0, abs=1.0)
    for part in (leaking, leaking.second_half):
        assert not part.is_zero_within_noise
        assert part.kib_per_minute == pytest.approx(1000 * 60 / 1024, rel=0.1)
    assert leaking.peak_mib.second_half - leaking.peak_mib.first_half == pytest.approx(0.29, abs=0.01)
    assert abs(filled.peak_mib.second_half - filled.peak_mib.first_half) <= 2 * 4096 / 2**20
    assert any("peak +2" in text for text in describe_growth(leaking))


def test_the_timeline_shows_when_memory_grew() -> None:
    times_s, memory = readings(10)
    growth = memory_growth(times_s, memory + np.where(times_s > 170.0, 5e6, 0.0))
    assert growth is not None
    seconds, mib = np.array(growth.timeline.seconds), np.array(growth.timeline.mib)
    assert len(seconds) == len(mib) <= 240
    assert (seconds[0], seconds[-1]) == (0.0, 599.5)
    assert np.array_equal(mib > 102.0, seconds > 120.0)
    assert "<svg" in memory_chart(growth.timeline)


def test_growth_over_a_short_run_or_without_readings_is_unknown() -> None:
    times_s, memory = readings(1.5)
    growth = memory_growth(times_s, memory)
    assert growth is not None
    assert growth.second_half is None
    assert memory_growth(times_s[:100], memory[:100]) is None
    assert memory_growth(times_s, np.full_like(memory, np.nan)) is None


def test_resident_memory_is_read_in_bytes(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("900 256 30 1 0 80 0\n")
    assert resident_bytes(statm) == 256 * 4096
    assert np.isnan(resident_bytes(tmp_path / "absent"))


def test_cpu_steal_is_read_as_linux_writes_it(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 0 50 900 3 0 1 250 0 0\ncpu0 50 0 25 450 1 0 1 125 0 0\n")
    (tmp_path / "old").write_text("cpu  100 0 50 900\n")
    assert cpu_steal_s(tmp_path / "stat") == 250 / os.sysconf("SC_CLK_TCK")
    assert np.isnan(cpu_steal_s(tmp_path / "old"))
    assert np.isnan(cpu_steal_s(tmp_path / "nothing"))


def test_cpu_steal_is_a_share_of_all_cores() -> None:
    times_s = np.array([10.0, 12.0, 20.0])
    assert cpu_steal(times_s, np.array([5.0, 5.5, 6.0]), cores=2) == CpuSteal(1.0, 0.05)
    assert cpu_steal(times_s, np.full(3, np.nan), cores=2) is None


def test_a_tick_is_near_cpu_steal_in_its_half_second_and_the_next() -> None:
    times_s = np.arange(0.0, 3.1, 0.5)
    steal_s = np.array([1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.2])  # between 1.0 and 1.5 s
    at_s = np.array([0.9, 1.0, 1.4, 1.6, 1.99, 2.0, 9.0])
    assert near_cpu_steal(times_s, steal_s, at_s).tolist() == [False, True, True, True, True, False, False]
    assert not near_cpu_steal(times_s[:1], steal_s[:1], at_s).any()
    assert not near_cpu_steal(times_s, np.full(7, np.nan), at_s).any()


def scenario(steal: CpuSteal | None, misses: int, near: NearCpuSteal | None) -> ScenarioSummary:
    nothing, none = Percentiles(samples=0), unavailable("J", "no meter")
    return ScenarioSummary(
        ticks=200,
        planned=200,
        warm_up_ticks=0,
        ticks_per_second=36.0,
        times_real_time=1.0,
        latency_ms=nothing,
        total_ms=nothing,
        stages_ms={},
        stage_check=StageSum(mean_gap=0.0, worst_gap=0.0, is_ok=True),
        deadline=ScenarioDeadline(
            deadline_ms=27.8, ticks=200, late=misses, skipped=0, misses=misses, longest_run=1, near_cpu_steal=near
        ),
        age_of_information_ms={},
        resources=Resources(
            wall_s=6.0,
            cpu_s=6.0,
            cores_used=1.0,
            cpu_steal=steal,
            memory_mib=MemoryUse(start=1.0, end=1.0, max=1.0),
            memory_growth=None,
        ),
        energy=Energy(joules_per_tick=none, watts=none),
    )


def test_cpu_steal_is_described_only_where_there_is_some() -> None:
    steal, near = CpuSteal(3.5, 0.0125), NearCpuSteal(50, 6)
    text = describe_cpu_steal(scenario(steal, 8, near))
    assert text is not None
    for number in ("3.50 s", "1.25%", "25%", "75%"):
        assert number in text
    assert "75%" not in str(describe_cpu_steal(scenario(steal, 0, near)))
    assert describe_cpu_steal(scenario(CpuSteal(0.0, 0.0), 8, near)) is None
    assert describe_cpu_steal(scenario(None, 8, None)) is None
