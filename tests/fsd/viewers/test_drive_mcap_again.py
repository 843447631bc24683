"""`drive.mcap` is a recording: a replay's file opened again."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mcap", reason="the extra `viewer` is not installed")
from mcap.reader import make_reader

from fsd.data import open_clip as opening
from fsd.data.clip import Clip
from fsd.data.driving_mode import DrivingModeTrack
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.wall_clock import WallClock
from fsd.replay import replay as replaying
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay

MODES = DrivingModeTrack(np.array([0, 300_000_000, 700_000_000]), ("manual", "autosteer", "manual"))
CLOCK = WallClock(1_700_000_000 * 10**9, utc_offset_s=3600)


@pytest.fixture(scope="module")
def drive(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`drive.mcap` of a clip with driving modes and a wall clock."""
    out = tmp_path_factory.mktemp("again")

    def with_more(*args: Any) -> Clip:
        return dataclasses.replace(opening.open_clip(*args), modes=MODES, wall_clock=CLOCK)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying, "open_clip", with_more)
        replay(ReplayConfig(clip=small_clip, out=out, overlay=False, report=False), show_progress=False)
    return out / "drive.mcap"


def frame_sets(clip: Clip) -> list[FrameSet]:
    with FrameSource(clip) as source:
        return list(source)


def test_every_tick_shows_the_same_pictures_at_the_same_times(drive: Path, small_clip: Path) -> None:
    before, again = frame_sets(opening.open_clip(small_clip)), frame_sets(opening.open_clip(drive))
    assert [each.timestamp_ns for each in before] == [each.timestamp_ns for each in again]
    for one, other in zip(before, again, strict=True):
        for recorded, reopened in zip(one.frames, other.frames, strict=True):
            assert recorded is not None
            assert reopened is not None
            assert recorded.timestamp_ns == reopened.timestamp_ns
            assert np.array_equal(recorded.y_plane, reopened.y_plane)
            assert np.array_equal(recorded.u_plane, reopened.u_plane)


def test_rig_ego_commands_modes_and_wall_clock_come_back(drive: Path, small_clip: Path) -> None:
    before, again = opening.open_clip(small_clip), opening.open_clip(drive)
    assert again.rig == before.rig
    assert not again.rig_is_assumed
    assert [stream is not None for stream in again.streams] == [True] * len(CAMERAS)
    assert again.wall_clock == CLOCK
    assert before.ego is not None
    assert again.ego is not None
    assert again.modes is not None
    assert again.commands is not None
    for t_ns in again.ego.timestamp_ns.tolist():
        assert again.ego.sample_at(t_ns) == before.ego.sample_at(t_ns)
        assert again.modes.mode_at(t_ns) == MODES.mode_at(t_ns)
        assert again.commands.command_at(t_ns) == "straight"
    poses = again.ego.poses_at(again.ego.timestamp_ns)
    assert poses == pytest.approx(before.ego.poses_at(again.ego.timestamp_ns), abs=1e-6)


def test_the_wall_clock_is_a_metadata_record(drive: Path) -> None:
    with drive.open("rb") as file:
        records = {record.name: record.metadata for record in make_reader(file).iter_metadata()}
    assert records["wall_clock"]["unix_minus_clip_ns"] == str(CLOCK.unix_minus_clip_ns)


def test_smaller_pictures_have_a_smaller_lens(small_clip: Path, tmp_path: Path) -> None:
    from fsd.viewers import clip_video

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_video, "MAX_ENCODED_PX", 64)
        patch.setattr(clip_video, "why_not_passed_through", lambda stream: "it is a test")
        config = ReplayConfig(clip=small_clip, out=tmp_path, overlay=False, report=False, max_ticks=3)
        replay(config, show_progress=False)
    again, before = opening.open_clip(tmp_path / "drive.mcap"), opening.open_clip(small_clip)
    camera, recorded = again.rig.camera("rear"), before.rig.camera("rear")
    assert camera is not None
    assert recorded is not None
    assert (camera.width_px, camera.height_px) == (64, 48)
    assert camera.intrinsics.fx_px == pytest.approx(recorded.intrinsics.fx_px / 2)  # type: ignore[union-attr]
    assert any("encoded anew" in note for note in again.notes)
