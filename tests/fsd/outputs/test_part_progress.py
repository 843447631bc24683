"""The bar of a part counts the steps of a pass over the recordings, and ends with it."""

from collections.abc import Callable, Iterator

import pytest

from fsd.outputs.part_progress import PartProgress
from fsd.outputs.progress import Verbosity, set_verbosity


@pytest.fixture(autouse=True)
def verbose() -> Iterator[None]:
    set_verbosity(Verbosity.VERBOSE)  # shows bars where no terminal is
    yield
    set_verbosity(Verbosity.NORMAL)


class Three:
    def __len__(self) -> int:
        return 3

    def watch(self, on_step: Callable[[], None]) -> None:
        self.on_step = on_step


def test_every_pass_over_the_recordings_has_a_bar_with_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress, recordings = PartProgress(), [Three(), Three()]
    progress.watch(recordings)
    progress("calibrating")
    for _ in range(7):
        recordings[0].on_step()
    progress("checking parity")
    shown = capsys.readouterr().err
    assert "calibrating …" in shown
    assert "calibrating: 6 of 6 ticks" in shown or "/6" in shown, shown
    assert progress._bar is None
