"""Which frame shows at which tick: 0 wrong, by reading the numbers back from the pixels."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T90K, MS = Fraction(1, 90_000), Fraction(1, 1000)


def exact_times(rate_hz: Fraction, count: int, start: int = 0, time_base: Fraction = T90K) -> list[int]:
    """Frame times in units of `time_base`, rounded down."""
    return [start + int(k / rate_hz / time_base) for k in range(count)]


def framed(tools: Any, times: list[int], time_base: Fraction = T90K) -> list[tuple[int, int]]:
    """(time in ns, number) of frames numbered from 0."""
    return list(zip(tools.floor_times_ns(times, time_base), itertools.count(), strict=False))


def assert_none_wrong(tools: Any, folder: Path, cameras: dict[str, list[tuple[int, int]]], **source: Any) -> None:
    shown, expected = tools.replay(folder, **source).numbers, tools.expected_numbers(cameras)
    assert shown.shape == expected.shape
    assert int((shown != expected).sum()) == 0


@pytest.mark.parametrize("start", [0, 1, 22_500, 22_501, 123_457], ids=lambda s: f"start_{s}")
def test_a_36_hz_stream_shows_frame_k_at_tick_k_whatever_its_start(tools: Any, tmp_path: Path, start: int) -> None:
    tools.write_video(tmp_path / "front_main.mp4", exact_times(Fraction(36), 60, start), T90K)
    assert tools.replay(tmp_path).numbers[:, 0].tolist() == list(range(60))


def test_a_stream_that_starts_250_ms_late_is_masked_until_then_and_right_afterwards(tools: Any, tmp_path: Path) -> None:
    times = {"front_main": exact_times(Fraction(36), 60), "rear": exact_times(Fraction(36), 60, 22_500)}
    for name, camera_times in times.items():
        tools.write_video(tmp_path / f"{name}.mp4", camera_times, T90K)
    shown = tools.replay(tmp_path)
    assert shown.numbers[:10, 7].tolist() == [-1] * 9 + [0]
    assert shown.is_valid[:10, 7].tolist() == [False] * 9 + [True]
    assert np.array_equal(shown.numbers, tools.expected_numbers({n: framed(tools, t) for n, t in times.items()}))


@pytest.mark.parametrize("rate", ["20", "25", "30", "30000/1001", "60", "10"])
def test_other_rates_show_the_newest_frame_not_later_than_the_tick(tools: Any, tmp_path: Path, rate: str) -> None:
    times = exact_times(Fraction(rate), 50, start=777)
    tools.write_video(tmp_path / "front_main.mp4", times, T90K)
    assert_none_wrong(tools, tmp_path, {"front_main": framed(tools, times)})


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", "mp4", {"preset": "veryfast", "bf": "3"}),
        ("libx264", "mkv", {"preset": "veryfast", "bf": "3", "x264-params": "b-pyramid=normal:keyint=12"}),
        ("libx264", "ts", {"preset": "veryfast", "bf": "2"}),
        ("libx264", "mov", {"tune": "zerolatency"}),
        ("libx265", "mp4", {"preset": "superfast"}),
        ("libx265", "mkv", {"preset": "superfast"}),
        ("libsvtav1", "mp4", {}),
        ("libsvtav1", "mkv", {}),
        ("mjpeg", "mkv", {}),
        ("mjpeg", "mp4", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()) or "plain",
)
def test_every_codec_and_container_comes_out_in_presentation_order(
    tools: Any, tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    times = [50 + 33 * k + (7 * k * k) % 11 for k in range(40)]  # ms, jittered, exact in every container
    tools.write_video(tmp_path / f"front_main.{suffix}", times, codec=codec, options=options)
    assert_none_wrong(tools, tmp_path, {"front_main": framed(tools, times, MS)})


@pytest.mark.parametrize(("codec", "options"), [("mjpeg", {}), ("libx264", {"bf": "0"}), ("libx264", {"bf": "2"})])
def test_avi_which_stores_no_presentation_times_comes_out_right(
    tools: Any, tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    tools.write_video(tmp_path / "front_main.avi", list(range(40)), Fraction(1, 30), codec, options)
    assert_none_wrong(tools, tmp_path, {"front_main": framed(tools, list(range(40)), Fraction(1, 30))})


def test_cameras_of_mixed_codecs_rates_starts_and_lengths_are_aligned(tools: Any, tmp_path: Path) -> None:
    cameras = {
        "front_main": ("libx264", "mp4", exact_times(Fraction(36), 70)),
        "front_wide": ("libx265", "mp4", exact_times(Fraction(30), 40, 4_001)),
        "left_pillar": ("libsvtav1", "mp4", exact_times(Fraction(25), 30, 13_333)),
        "right_pillar": ("mjpeg", "mp4", exact_times(Fraction(20), 45, 2)),
        "rear": ("libx264", "mp4", exact_times(Fraction(60), 90, 999)),
    }
    for name, (codec, suffix, times) in cameras.items():
        tools.write_video(tmp_path / f"{name}.{suffix}", times, T90K, codec)
    assert_none_wrong(tools, tmp_path, {name: framed(tools, times) for name, (_, _, times) in cameras.items()})


frame_steps = st.lists(
    # Mostly steady steps, with drops, bursts, duplicates of a time and pauses, in units of 1/90000 s.
    st.sampled_from([2500, 2500, 2500, 3000, 1500, 2499, 2501, 5000, 7500, 1, 0, 30_000]) | st.integers(0, 9_000),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(frame_steps, min_size=1, max_size=3),
    starts=st.lists(st.integers(50, 50_000), min_size=3, max_size=3),
)
def test_whatever_the_times_the_frame_chosen_is_the_newest_not_later_than_the_tick(
    tools: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[list[int]], starts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    cameras = {}
    for name, camera_steps, start in zip(("front_main", "left_repeater", "rear"), steps, starts, strict=False):
        times = [start + sum(camera_steps[:k]) for k in range(len(camera_steps) + 1)]
        tools.write_video(folder / f"{name}.mp4", times, T90K, options={"tune": "zerolatency"})
        cameras[name] = framed(tools, times)
    assert_none_wrong(tools, folder, cameras)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(times_ms=st.lists(st.integers(25, 600), min_size=2, max_size=25))
def test_frames_whose_time_runs_backwards_are_counted_and_never_turn_the_order(
    tools: Any, tmp_path_factory: pytest.TempPathFactory, times_ms: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    tools.write_video(folder / "front_main.mkv", times_ms, codec="mjpeg")
    shown = tools.replay(folder)
    assert np.array_equal(shown.numbers, tools.expected_numbers({"front_main": framed(tools, times_ms, MS)}))
    backwards = sum(any(time < earlier for earlier in times_ms[:k]) for k, time in enumerate(times_ms))
    assert shown.report.cameras["front_main"].backwards_times == backwards


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("lookahead_ticks", [1, 5])
def test_workers_and_lookahead_change_nothing(tools: Any, tmp_path: Path, workers: int, lookahead_ticks: int) -> None:
    times = {
        name: exact_times(Fraction(rate), 30, start)
        for name, rate, start in (("front_main", 30, 0), ("rear", 36, 500), ("left_pillar", 25, 90))
    }
    for name, camera_times in times.items():
        tools.write_video(tmp_path / f"{name}.mp4", camera_times, T90K)
    assert_none_wrong(
        tools,
        tmp_path,
        {name: framed(tools, camera_times) for name, camera_times in times.items()},
        workers=workers,
        lookahead_ticks=lookahead_ticks,
    )
