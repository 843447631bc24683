"""What a stall explains of the time without pictures."""

import threading

from fsd.data.live.stall_watch import StallWatch
from tests.data.live._cameras import Clock

MS = 1_000_000


def watch_of(clock: Clock) -> StallWatch:
    return StallWatch(clock, threading.Event())


def test_a_stall_explains_its_length_and_as_long_again_for_what_arrived_meanwhile() -> None:
    clock = Clock()
    watch = watch_of(clock)
    watch.add(100 * MS)
    end_ns = clock.now_ns
    assert watch.explained_ns(end_ns - 300 * MS, end_ns) == 100 * MS
    assert watch.explained_ns(end_ns - 300 * MS, end_ns + 400 * MS) == 200 * MS
    assert watch.explained_ns(end_ns + 100 * MS, end_ns + 400 * MS) == 0
    assert (watch.stalls, watch.stalled_ns, watch.longest_ns) == (1, 100 * MS, 100 * MS)


def test_two_stalls_explain_no_more_than_the_span() -> None:
    clock = Clock()
    watch = watch_of(clock)
    for _ in range(2):
        clock.now_ns += 100 * MS
        watch.add(100 * MS)
    assert watch.explained_ns(clock.now_ns - 150 * MS, clock.now_ns) == 150 * MS


def test_old_stalls_are_forgotten() -> None:
    clock = Clock()
    watch = watch_of(clock)
    watch.add(100 * MS)
    began_ns = clock.now_ns
    clock.now_ns += 60_000 * MS
    watch.add(60 * MS)
    assert watch.explained_ns(began_ns - 200 * MS, began_ns) == 0
