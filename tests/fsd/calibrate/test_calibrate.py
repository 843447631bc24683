"""`fsd calibrate`: the file that it writes, and what it says of a recording that tells nothing."""

import json
import shutil
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.data.open_clip import open_clip
from fsd.data.rig import load_rig


def test_a_recording_that_is_too_short_leaves_everything_as_assumed(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results" / "rig.json"
    assert main(["calibrate", str(small_clip), "--max-ticks", "12", "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    before = {camera.name: camera for camera in open_clip(small_clip).rig.cameras}
    assert {camera.name: camera for camera in load_rig(out).cameras} == before
    values = {f"{name}.{value}" for name in summary["cameras"] for value in ("yaw", "pitch", "focal")}
    assert set(summary["unknown"]) == values
    assert all(camera["reasons"] for camera in summary["cameras"].values())


def test_a_file_that_exists_stays_without_force(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rig.json"
    out.write_text("mine", encoding="utf-8")
    arguments = ["calibrate", str(small_clip), "--max-ticks", "6", "--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 2  # no calibration
    assert out.read_text(encoding="utf-8") == "mine"
    shutil.copyfile(small_clip / "rig.json", out)
    assert main(arguments) == 2
    assert main([*arguments, "--force"]) == 0
    assert load_rig(out).cameras
    printed = capsys.readouterr().out
    for fact in ("unknown", "assumed:", str(out)):
        assert fact in printed


def test_what_is_read_is_not_replaced(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    before = {path: path.read_bytes() for path in clip.iterdir()}
    for name in ("", "rig.json", "rear.mp4", "rear.timestamps.parquet", "ego.parquet"):
        assert main(["calibrate", str(clip), "--max-ticks", "2", "--out", str(clip / name), "--force"]) == 2
    assert {path: path.read_bytes() for path in clip.iterdir()} == before


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert main(["calibrate", str(tmp_path / "nowhere"), "--out", str(tmp_path / "rig.json")]) == 3
    assert not (tmp_path / "rig.json").exists()
