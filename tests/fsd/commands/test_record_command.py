from pathlib import Path

import pytest

from fsd.cli import main
from fsd.data.errors import OutputError, SimulatorError
from fsd.data.open_clip import open_clip


def test_a_length_that_cannot_be_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", str(tmp_path / "clip"), "--seconds", "0"]) == 2
    assert "--seconds" in capsys.readouterr().err


@pytest.mark.gl
def test_a_recorded_drive_can_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip"
    code = main(["record", str(clip), "--seconds", "0.2", "--seed", "3", "--width", "64", "--height", "48"])
    if code == SimulatorError.exit_code:
        pytest.skip(capsys.readouterr().err.strip())
    assert code == 0
    opened = open_clip(clip)
    assert opened.ego is not None
    assert all(stream is not None for stream in opened.streams)
    assert "fsd replay" in capsys.readouterr().out


@pytest.mark.gl
def test_a_drive_is_recorded_in_the_form_of_teslacam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--width", "64", "--height", "48", "--seconds", "0.1"]
    code = main(["record", str(tmp_path / "TeslaCam"), "--format", "teslacam", "--cameras-like", "hw4", *size])
    if code == SimulatorError.exit_code:
        pytest.skip(capsys.readouterr().err.strip())
    assert code == 0
    assert len(list(tmp_path.glob("TeslaCam/SavedClips/*/*.mp4"))) == 6


def test_cameras_of_a_car_need_its_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", str(tmp_path / "clip"), "--cameras-like", "hw4"]) == 2
    assert "--cameras-like" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("there", "given"),
    [
        ("front_main.mp4", "teslacam"),
        ("SavedClips/2026-01-02_09-00-10/2026-01-02_09-00-00-front.mp4", "native"),
        ("other.mkv", "native"),
        ("drive/rear.mp4", "native"),
    ],
)
def test_a_folder_with_another_recording_is_refused(
    there: str, given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_bytes(b"mine")
    assert main(["record", str(tmp_path), "--seconds", "0.1", "--format", given]) == OutputError.exit_code
    assert f"{tmp_path} already holds a recording" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]
