"""The space that a run needs is estimated, and a disk that is too small is said before the run begins."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from fsd.data.open_clip import open_clip
from fsd.outputs import disk_space
from fsd.outputs.disk_space import existing_folder, replay_bytes, video_bytes, warn_if_short


def test_a_disk_that_is_too_small_is_said_with_both_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2_000_000_000))
    assert not warn_if_short(tmp_path, 2_000_000_000)
    assert capsys.readouterr().err == ""
    assert warn_if_short(tmp_path, 3_400_000_000)
    error = capsys.readouterr().err
    for fact in ("3.4 GB", "2.0 GB", str(tmp_path), "warning"):
        assert fact in error
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    assert warn_if_short(tmp_path, 1_200_000)
    error = capsys.readouterr().err
    for fact in ("1.2 MB", "4.1 kB"):
        assert fact in error


def test_an_hour_with_all_outputs_is_estimated_from_its_parts() -> None:
    ticks = 3600 * 36
    tables = replay_bytes(ticks, 0, 0, 0, has_page=False)
    assert tables == pytest.approx(0.26e9, rel=0.01)
    video = replay_bytes(ticks, ticks * 1280 * 720, 0, 0, has_page=False) - tables
    assert video == pytest.approx(ticks * 24_085, rel=0.01)  # 24 kB per image: the packaged clip
    assert replay_bytes(ticks, 0, 5e9, 2, has_page=False) - tables == pytest.approx(2 * (5e9 + ticks * 5200))


def test_the_video_of_half_the_ticks_is_half_the_files(small_clip: Path) -> None:
    clip = open_clip(small_clip)
    whole = sum(path.stat().st_size for path in small_clip.glob("*.mp4"))
    assert video_bytes(clip, 20) == pytest.approx(whole / 2, rel=0.05)
    assert video_bytes(clip, 10_000) == whole


def test_space_is_looked_for_where_a_folder_will_be_made(tmp_path: Path) -> None:
    assert existing_folder(tmp_path / "a" / "b") == tmp_path
