"""The beat of cameras, the phase of ticks, and what a jittery camera shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsd.data.cadence import Cadence, measure_cadence, tick_phase_ns
from fsd.data.frames import TICK_NS
from fsd.data.video_probe import probe

MS = 1_000_000


def beat(frames: int = 360, period_ns: float = 27_760_000, jitter_ms: float = 0.0, seed: int = 0) -> np.ndarray:
    stray = np.random.default_rng(seed).uniform(-jitter_ms, jitter_ms, frames) * MS
    return np.rint(np.arange(frames) * period_ns + stray).astype(np.int64)


def test_an_exact_camera_has_no_jitter() -> None:
    cadence = measure_cadence(np.arange(200) * 10**9 // 36)
    assert cadence is not None
    assert cadence.is_tick_rate
    assert (cadence.jitter_ns, cadence.first_late_ns, cadence.missing_frames) == (0, 0, 0)


@pytest.mark.parametrize("jitter_ms", [0.4, 5.0, 13.0])
def test_jitter_is_measured_to_either_side(jitter_ms: float) -> None:
    cadence = measure_cadence(beat(jitter_ms=jitter_ms))
    assert cadence is not None
    assert 0.85 * jitter_ms * MS < cadence.jitter_ns < 1.1 * jitter_ms * MS
    assert cadence.period_ns == pytest.approx(27_760_000, rel=2e-3)


def test_holes_are_counted_and_are_no_jitter() -> None:
    times = beat(jitter_ms=0.4)
    cadence = measure_cadence(np.delete(times, [50, 51, 200]))
    assert cadence is not None
    assert cadence.missing_frames == 3
    assert cadence.jitter_ns < MS


def test_too_few_frames_tell_nothing() -> None:
    assert measure_cadence(beat(17)) is None
    assert measure_cadence(np.zeros(40, np.int64)) is None


@given(offsets=st.lists(st.integers(0, round(TICK_NS)), min_size=1, max_size=8))
def test_exact_cameras_leave_the_ticks_where_they_are(offsets: list[int]) -> None:
    assert tick_phase_ns([(offset, Cadence(TICK_NS)) for offset in offsets]) == 0
    assert tick_phase_ns([(offset, None) for offset in offsets]) == 0


@given(late_ms=st.floats(-4, 4), jitter_ms=st.floats(0.1, 13))
def test_the_phase_of_one_camera_is_its_jitter(late_ms: float, jitter_ms: float) -> None:
    late_ms = max(-jitter_ms, min(jitter_ms, late_ms))
    phase_ns = tick_phase_ns([(0, Cadence(TICK_NS, round(jitter_ms * MS), round(late_ms * MS)))])
    beat_ns = -late_ms * MS
    assert jitter_ms * MS - 2 <= (phase_ns - beat_ns) % TICK_NS <= jitter_ms * MS + 2_000


def jittery_times(jitter: int, frames: int, seed: int, period: float = 277.6, first: int = 0) -> list[int]:
    """Rising times in units of 0.1 ms."""
    random = np.random.default_rng(seed)
    times = [max(0, round(first + k * period + random.uniform(-jitter, jitter))) for k in range(frames)]
    return [max(time, k + times[0]) for k, time in enumerate(times)]


@pytest.mark.parametrize("jitter", [0, 4, 60, 130])
@pytest.mark.parametrize("period", [277.6, 277.8])
def test_a_jittery_camera_repeats_nothing_and_drops_nothing(
    tools: Any, tmp_path: Path, jitter: int, period: float
) -> None:
    from fractions import Fraction

    for name, first in (("front_main", 0), ("rear", 40), ("left_repeater", 210)):
        times = jittery_times(jitter, 216, len(name), period, first)
        tools.write_video(tmp_path / f"{name}.mp4", times, time_base=Fraction(1, 10_000))
    report = tools.replay(tmp_path).report
    for name, counters in report.cameras.items():
        # One picture in 1500 is one too many: the camera is faster than the ticks.
        assert counters.ticks_repeated <= 1, (name, counters)
        assert counters.frames_skipped <= 2, (name, counters)
        assert counters.gaps == 0, (name, counters)
        assert counters.max_age_ns < 3 * TICK_NS


@pytest.mark.parametrize("options", [{"tune": "zerolatency"}, {"bf": "2"}])
def test_a_camera_at_the_tick_rate_loses_no_picture_in_a_container_without_an_index(
    tools: Any, tmp_path: Path, options: dict[str, str]
) -> None:
    times = [round(k * 1000 / 36) for k in range(72)]  # Matroska rounds to whole milliseconds
    path = tools.write_video(tmp_path / "front_main.mkv", times, options=options)
    assert probe(path).cadence is not None
    shown = tools.replay(tmp_path)
    counters = shown.report.cameras["front_main"]
    assert (counters.frames_skipped, counters.ticks_repeated, counters.gaps) == (0, 0, 0)
    assert shown.numbers[:, 0].tolist() == list(range(72))
