from copy import deepcopy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.standard_rigs import canonical_rig
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.input_buffers import TickInput

TICKS = 6
ONE_TICK_BYTES = 50_000
"""A little more than one tick of B400 occupies."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "short"
    texture = np.random.default_rng(0).integers(40, 200, (96, 128, 3), dtype=np.uint8)
    with ClipWriter(folder, canonical_rig(128, 96)) as writer:
        for tick in range(TICKS):
            ego = {"x": 0.3 * tick, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            images = [np.roll(texture, 3 * tick, axis=1)] * 8
            writer.write(images, tick_time_ns(tick), ego=ego | {"v_mps": 10.0, "yaw_rate_rps": 0.0}, command="left")
    return folder


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
