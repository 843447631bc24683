"""The memory is bounded, its poses are relative to now, and standing still fills nothing."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsd.compression.memory import OdometerMemory
from fsd.compression.odometry import Odometer
from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.ego import EgoSample

TICK_NS = 27_777_778


def drive(
    memory: OdometerMemory, odometer: Odometer, ticks: int, ego: EgoSample | None, start: int = 0
) -> list[set[int]]:
    """The slots that each tick commits."""
    commits = []
    for tick in range(start, start + ticks):
        odometer.step(tick * TICK_NS, ego)
        memory.recall_poses(odometer, tick * TICK_NS)
        memory.commit(odometer, tick * TICK_NS)
        commits.append({int(slot) for slot in memory.commits if slot >= 0})
    return commits


def test_time_queue_commits_every_fourth_tick_and_wraps() -> None:
    commits = drive(OdometerMemory(), Odometer(), 130, None)
    assert [slots for slots in commits if slots] == [{index % 32} for index in range(33)]
    assert all(bool(slots) == (tick % 4 == 0) for tick, slots in enumerate(commits))


def test_distance_queues_commit_every_metre_and_every_four() -> None:
    commits = drive(OdometerMemory(), Odometer(), 361, EgoSample(10.0, 0.0))
    near = [slot for slots in commits for slot in slots if 32 <= slot < 64]
    far = [slot for slots in commits for slot in slots if 64 <= slot < 96]
    assert len(near) in (100, 101)
    assert len(far) in (25, 26)
    assert near[:40] == [32 + index % 32 for index in range(40)]


def test_standstill_freezes_the_distance_queues() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    drive(memory, odometer, 100, EgoSample(8.0, 0.0))
    commits = drive(memory, odometer, 400, EgoSample(0.05, 0.01), start=100)[1:]
    assert not any(32 <= slot < 96 for slots in commits for slot in slots)


def test_without_ego_only_time_commits() -> None:
    commits = drive(OdometerMemory(), Odometer(), 40, None)
    assert all(slot < 32 for slots in commits for slot in slots)


def test_a_slot_is_attended_to_from_the_next_tick_on() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    drive(memory, odometer, 1, None)
    assert memory.commits[0] == 0
    assert not memory.valid.any()
    memory.recall_poses(odometer, TICK_NS)
    assert np.flatnonzero(memory.valid).tolist() == [0]


def test_slot_poses_are_relative_to_the_present_ego_frame() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    memory.commit(odometer, 0)  # at the origin, looking along x
    odometer.x_m, odometer.y_m, odometer.yaw_rad = 3.0, 1.0, math.pi / 2
    memory.recall_poses(odometer, 2_000_000_000)
    # The origin lies 1 m behind and 3 m to the left of an ego at (3, 1) that looks along y.
    np.testing.assert_allclose(memory.pose[0], [-1.0, 3.0, -1.0, 0.0, 2.0, 0.0], atol=1e-6)


def test_an_overwritten_slot_shows_its_old_place_for_the_tick_that_overwrites_it() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    drive(memory, odometer, 129, EgoSample(9.0, 0.0))  # tick 128 commits to slot 0 again
    assert memory.commits[0] == 0
    assert memory.pose[0, 4] > 3.0


def test_events_end_after_a_minute_and_make_room() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    memory.commit(odometer, 0, surprise=7)
    assert memory.commits[3] == 96
    memory.recall_poses(odometer, 60_000_000_000)
    assert memory.valid[96] == 1
    memory.recall_poses(odometer, 60_000_000_001)
    assert memory.valid[96] == 0
    assert not memory.pose[96, :5].any()


def test_the_least_surprising_event_goes_first() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    for second in range(16):
        memory.commit(odometer, second * 10**9, surprise=10 + second)
    memory.commit(odometer, 16 * 10**9, surprise=9)
    assert memory.commits[3] == -1
    memory.commit(odometer, 17 * 10**9, surprise=50)
    assert memory.commits[3] == 96


def test_one_event_takes_one_slot_and_keeps_its_most_surprising_moment() -> None:
    memory, odometer = OdometerMemory(), Odometer()
    commits = []
    for tick, surprise in enumerate([30, 20, 40, 10]):
        memory.commit(odometer, tick * TICK_NS, surprise)
        commits.append(int(memory.commits[3]))
    assert commits == [96, -1, 96, -1]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(st.floats(-5, 60), st.floats(-1, 1), st.integers(0, 9), st.booleans()), min_size=1, max_size=120
    )
)
def test_never_more_than_the_slots_there_are(steps: list[tuple[float, float, int, bool]]) -> None:
    memory, odometer = OdometerMemory(), Odometer()
    for tick, (speed_mps, yaw_rate_rps, surprise, has_ego) in enumerate(steps):
        odometer.step(tick * TICK_NS, EgoSample(speed_mps, yaw_rate_rps) if has_ego else None)
        memory.recall_poses(odometer, tick * TICK_NS)
        memory.commit(odometer, tick * TICK_NS, surprise)
        used = memory.commits[memory.commits >= 0]
        assert len(set(used.tolist())) == len(used)
        assert ((used >= 0) & (used < MEMORY_SLOTS)).all()
        assert np.isfinite(memory.pose).all()
        assert not memory.pose[memory.valid == 0, :5].any()
