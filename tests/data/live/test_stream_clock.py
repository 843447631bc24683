import pytest

from fsd.data.live.stream_clock import StreamClock

MS = 1_000_000


def local_ms(pictures: list[tuple[float, float]]) -> list[float]:
    """Local times of pictures with these stated and arrival times, all in ms."""
    clock = StreamClock()
    return [clock.local_ns(round(stated * MS), round(arrival * MS)) / MS for stated, arrival in pictures]


def test_a_picture_that_the_network_held_up_is_older() -> None:
    assert local_ms([(0, 500), (28, 528), (56, 956), (84, 984)]) == pytest.approx([500, 528, 556, 584], abs=0.1)


def test_the_picture_with_the_least_delay_sets_the_clock() -> None:
    assert local_ms([(0, 500), (28, 520), (56, 556)]) == pytest.approx([500, 520, 548], abs=0.1)


def test_pictures_that_arrive_at_once_do_not_run_backwards() -> None:
    local = local_ms([(0, 500), (28, 501), (56, 502), (84, 530)])
    assert local == sorted(local)
    assert all(ns <= arrival for ns, arrival in zip(local, (500, 501, 502, 530), strict=True))


def test_a_stream_whose_times_start_anew_is_followed() -> None:
    assert local_ms([(9000, 500), (9028, 528), (0, 560), (28, 588)]) == [500, 528, 560, 588]


def test_a_stream_whose_times_jump_ahead_is_followed_at_once() -> None:
    assert local_ms([(0, 500), (90_000, 528), (90_028, 556)]) == [500, 528, 556]


def test_a_slow_clock_of_a_stream_is_followed() -> None:
    slow = [(second * 999.9, second * 1000.0) for second in range(3600)]
    assert all(arrival - ns < 1 for ns, (_, arrival) in zip(local_ms(slow), slow, strict=True))
