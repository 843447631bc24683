from copy import deepcopy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.input_buffers import TickInput
from tests.export.conftest import TICKS

ONE_TICK_BYTES = 50_000
"""A little more than one tick of B400 occupies."""


def passed(clip: RecordedClip) -> list[TickInput]:
    return [deepcopy(step) for step in clip]


def is_same(one: list[TickInput], other: list[TickInput]) -> bool:
    return len(one) == len(other) and all(
        a.tick.tick == b.tick.tick
        and np.array_equal(a.tick.retina, b.tick.retina)
        and np.array_equal(a.tick.patches, b.tick.patches)
        for a, b in zip(one, other, strict=True)
    )


def test_a_recording_is_decoded_once_and_found_again(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = RecordedClip(recording, BUDGETS["B400"])
    first = passed(clip)
    assert len(first) == TICKS
    monkeypatch.setattr("fsd.export.recorded_clip.open_clip", None)
    assert is_same(passed(clip), first)


@pytest.mark.parametrize("keep_bytes", [0, 3 * ONE_TICK_BYTES])
def test_what_does_not_fit_is_decoded_again(recording: Path, keep_bytes: int) -> None:
    whole = passed(RecordedClip(recording, BUDGETS["B400"]))
    clip = RecordedClip(recording, BUDGETS["B400"], keep_bytes=keep_bytes)
    assert is_same(passed(clip), whole)
    assert is_same(passed(clip), whole)


def test_a_pass_that_ends_early_leaves_the_rest_for_the_next(recording: Path) -> None:
    whole = passed(RecordedClip(recording, BUDGETS["B400"]))
    clip = RecordedClip(recording, BUDGETS["B400"])
    assert len(list(islice(clip, 2))) == 2
    assert is_same(passed(clip), whole)


def test_the_car_is_heard(recording: Path) -> None:
    last = passed(RecordedClip(recording, BUDGETS["B400"]))[-1]
    assert last.command == "left"
    assert last.ego is not None
    assert last.ego.speed_mps == pytest.approx(10.0)


def test_every_step_of_a_pass_is_reported_to_whoever_watches(recording: Path) -> None:
    clip = RecordedClip(recording, BUDGETS["B400"])
    seen: list[int] = []
    clip.watch(lambda: seen.append(1))
    assert len(passed(clip)) == len(seen) == TICKS
