from collections.abc import Iterator

import pytest

from fsd.commands.replay import _Outcomes
from fsd.outputs.progress import Verbosity, describe_s, set_verbosity
from fsd.replay.batch import Outcome, OutcomeStatus


@pytest.fixture(autouse=True)
def normal() -> Iterator[None]:
    yield
    set_verbosity(Verbosity.NORMAL)


def outcome(status: OutcomeStatus) -> Outcome:
    return Outcome(f"{status}.mp4", "out", status, "broken" if status == "failed" else None)


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (240, "4 min"), (9000, "2.5 h")])
def test_times_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert describe_s(seconds) == text


def test_every_recording_that_ends_is_counted_and_the_time_left_is_of_those_replayed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = _Outcomes(3)
    show._start_s -= 60
    for status in ("kept", "complete", "failed"):
        show(outcome(status))  # type: ignore[arg-type]
    kept, complete, failed = capsys.readouterr().err.splitlines()
    assert kept.endswith("[1 of 3]")
    assert complete.endswith("[2 of 3, about 60 s left]")
    assert failed.endswith("[3 of 3]")
    assert "broken" in failed


def test_quiet_says_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity(Verbosity.QUIET)
    show = _Outcomes(2)
    show(outcome("complete"))
    show(outcome("failed"))
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["failed"]
