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
    assert out.read_text(encoding="utf-8") == "mine"
    assert main([*arguments, "--force"]) == 0
    assert load_rig(out).cameras
    printed = capsys.readouterr().out
    for fact in ("unknown", "assumed:", str(out)):
        assert fact in printed


def test_the_calibration_that_is_read_is_not_replaced(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    before = (clip / "rig.json").read_bytes()
    for out in (clip, clip / "rig.json", clip / "rear.mp4"):
        assert main(["calibrate", str(clip), "--max-ticks", "2", "--out", str(out), "--force"]) == 2
    assert (clip / "rig.json").read_bytes() == before


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert main(["calibrate", str(tmp_path / "nowhere"), "--out", str(tmp_path / "rig.json")]) == 3
    assert not (tmp_path / "rig.json").exists()
