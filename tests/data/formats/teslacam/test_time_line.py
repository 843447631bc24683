"""Where minutes are laid in time, from stamps, creation times and lengths."""

from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from fsd.data.formats.teslacam.event_files import Minute
from fsd.data.formats.teslacam.time_line import TimeLine, lay_on_time_line
from fsd.data.video_probe import VideoInfo

START = datetime(2026, 1, 2, 15, 16, 32)
UTC_START = 1_767_363_392  # of START in a zone an hour east of Greenwich
MS = 1_000_000


def info(length_s: float, created_s: int | None = None) -> VideoInfo:
    return VideoInfo(
        path=Path("front.mp4"),
        codec="h264",
        width_px=1280,
        height_px=960,
        rate_hz=Fraction(36),
        has_times=True,
        start_s=Fraction(0),
        duration_s=Fraction(length_s).limit_denominator(10_000),
        created_unix_ns=None if created_s is None else created_s * 10**9,
    )


def laid(*minutes: tuple[float, float, int | None], start: datetime = START) -> TimeLine:
    """Minutes of (stamp after `start` in s, length in s, creation time in s after `UTC_START`)."""
    return lay_on_time_line(
        [
            (
                Minute(start + timedelta(seconds=stamp_s), {}),
                {"front_main": info(length_s, None if created_s is None else UTC_START + created_s)},
            )
            for stamp_s, length_s, created_s in minutes
        ]
    )


def starts_ms(line: TimeLine) -> list[float]:
    return [placed.start_ns / MS for placed in line.minutes]


def test_a_minute_follows_the_one_before_where_whole_seconds_allow_it() -> None:
    # Starts at .9 s, 60.4 s long each: names say 60 and 121 s.
    assert starts_ms(laid((0, 60.4, None), (60, 60.4, None), (121, 60.4, None))) == [0, 60_400, 120_800]


def test_stamps_that_agree_to_half_a_frame_are_believed() -> None:
    assert starts_ms(laid((0, 1.9987, None), (2, 1.9987, None), (4, 1.9987, None))) == [0, 2_000, 4_000]


def test_a_hole_stays_a_hole() -> None:
    assert starts_ms(laid((0, 60.1, None), (120, 11.0, None), (131, 60.0, None))) == [0, 120_000, 131_000]


def test_a_long_event_does_not_drift_away_from_its_stamps() -> None:
    minutes = [(61 * k, 60.4, None) for k in range(11)]  # 0.6 s are lost at every joint
    for placed, (stamp_s, _, _) in zip(laid(*minutes).minutes, minutes, strict=True):
        assert abs(placed.start_ns / 1e9 - stamp_s) <= 1.25


def test_a_minute_never_begins_before_the_end_of_the_one_before() -> None:
    assert starts_ms(laid((0, 60.0, None), (30, 60.0, None))) == [0, 60_000]


def test_creation_times_give_order_and_zone() -> None:
    line = laid((0, 60.0, 0), (60, 60.0, 60))
    assert line.wall_clock.text_at(0) == "2026-01-02 15:16:32"
    assert line.wall_clock.utc_offset_s == 3600
    # The names are 19 h 53 min off, and the second minute's is earlier.
    glitch = laid((-71_580, 60.0, 60), (0, 60.0, 0))
    assert starts_ms(glitch) == [0, 60_000]
    assert glitch.minutes[0].minute.stamp == START


def test_creation_times_may_be_those_of_the_end() -> None:
    lengths = (60.0, 11.0, 60.0)
    minutes = [(0, lengths[0], 60), (60, lengths[1], 71), (71, lengths[2], 131)]
    line = laid(*minutes)
    assert starts_ms(line) == [0, 60_000, 71_000]
    assert line.wall_clock.text_at(0) == "2026-01-02 15:16:32"
    assert laid((0, 47.0, 47)).wall_clock.text_at(0) == "2026-01-02 15:16:32"


def test_without_creation_times_the_clock_is_local() -> None:
    clock = laid((0, 60.0, None)).wall_clock
    assert clock.is_local
    assert clock.text_at(1_500 * MS) == "2026-01-02 15:16:33"


@pytest.mark.parametrize(("day", "is_twice"), [(datetime(2026, 10, 25), True), (datetime(2026, 10, 26), False)])
def test_an_hour_that_comes_twice_is_put_in_order(day: datetime, is_twice: bool) -> None:
    # By name: 02:00:30 and 02:01:30 (the second time), then 02:58:30 and 02:59:30 (the first time).
    start = day + timedelta(hours=2)
    line = laid((30, 60.0, None), (90, 60.0, None), (3510, 60.0, None), (3570, 60.0, None), start=start)
    minutes = [placed.minute.stamp.minute for placed in line.minutes]
    assert minutes == ([58, 59, 0, 1] if is_twice else [0, 1, 58, 59])
    assert starts_ms(line)[3] == (180_000 if is_twice else 3_540_000)
    assert any("twice" in note for note in line.notes) == is_twice
