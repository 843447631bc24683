"""Event-to-gaze latency counts from an event to the first patch of its block."""

from types import SimpleNamespace

import numpy as np

from fsd.compress.gaze_latency import EVENT_SURPRISE, EventDetector, GazeLatency
from fsd.compression.budget import ALL_BLOCKS
from fsd.compression.keyframes import GAP, SURPRISE

NOTHING = np.zeros(0, np.int64)


def at(*blocks: int) -> np.ndarray:
    is_event = np.zeros(ALL_BLOCKS, bool)
    is_event[list(blocks)] = True
    return is_event


def test_a_block_that_is_read_at_once_waited_no_tick() -> None:
    latency = GazeLatency()
    latency.add(7, at(5), np.array([5, 6]))
    assert latency.ticks == {0: 1}


def test_an_event_waits_from_its_first_tick_on() -> None:
    latency = GazeLatency()
    latency.add(0, at(5), NOTHING)
    latency.add(1, at(5), NOTHING)
    latency.add(4, at(), np.array([5]))
    assert latency.ticks == {4: 1}
    assert latency.waiting == 0


def test_what_was_never_read_counts_as_later_than_all_that_was() -> None:
    latency = GazeLatency()
    latency.add(0, at(5, 9), np.array([9]))
    result = latency.summary()
    assert (result.events, result.read, result.not_read_before_the_end, result.max_ticks) == (2, 1, 1, 0)
    assert (result.p50_ticks, result.p99_ticks, result.never_read) == (0, None, "50% never read")


def test_no_event_gives_no_percentile() -> None:
    assert GazeLatency().summary().p99_ticks is None


def telemetry(surprise: np.ndarray, reasons: list[int]) -> SimpleNamespace:
    return SimpleNamespace(block_surprise=surprise.reshape(8, 15, 20), keyframe_reasons=np.array(reasons))


def test_a_block_that_stays_surprising_is_one_event() -> None:
    events, surprise = EventDetector(), np.zeros(ALL_BLOCKS, np.int64)
    surprise[42] = EVENT_SURPRISE
    told = telemetry(surprise, [0] * 8)
    assert np.flatnonzero(events.blocks(told)).tolist() == [42]  # type: ignore[arg-type]
    assert not events.blocks(told).any()  # type: ignore[arg-type]


def test_a_surprise_keyframe_points_to_its_most_surprising_block() -> None:
    surprise = np.zeros(ALL_BLOCKS, np.int64)
    surprise[[310, 320, 620]] = 5, 9, 7
    told = telemetry(surprise, [0, SURPRISE | GAP, GAP, 0, 0, 0, 0, 0])
    assert np.flatnonzero(EventDetector.keyframes(told)).tolist() == [320]  # type: ignore[arg-type]
