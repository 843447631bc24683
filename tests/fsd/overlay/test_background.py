import threading

import pytest

from fsd.overlay.background import MOST_WAITING, InOrder


def test_calls_run_in_order_in_one_thread() -> None:
    ran: list[tuple[int, str]] = []
    calls = InOrder("encoder")
    for number in range(20):
        calls.run(lambda number=number: ran.append((number, threading.current_thread().name)))  # type: ignore[misc]
    calls.close()
    assert [number for number, _ in ran] == list(range(20))
    assert {name for _, name in ran} == {"encoder_0"}


def test_what_a_call_raises_reaches_the_caller_and_ends_the_rest() -> None:
    def fail() -> None:
        raise OSError("disk full")

    ran: list[int] = []
    calls = InOrder("encoder")
    with pytest.raises(OSError, match="disk full"):
        calls.run(fail)
        for number in range(MOST_WAITING + 1):
            calls.run(lambda number=number: ran.append(number))  # type: ignore[misc]
    calls.close()
    assert len(ran) <= MOST_WAITING
