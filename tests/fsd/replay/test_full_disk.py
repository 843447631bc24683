"""A full disk ends a run with one line; all rows that fitted are there, and the summary says what happened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from fsd.cli import main
from fsd.compress.config import LOG_FILE
from fsd.outputs.journal import read_table


def failed(out: Path, code: int, error: str) -> dict[str, object]:
    """The summary of a run that ended on a full disk."""
    assert code == 6
    assert any(line.startswith(f"fsd: Cannot write to {out}: ") for line in error.splitlines())
    assert "Traceback" not in error
    summary: dict[str, object] = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "Cannot write" in str(summary["error"])
    return summary


def test_a_replay_with_all_outputs_on_a_full_disk(
    small_clip: Path, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk(800)
    code = main(["replay", str(small_clip), "--out", str(out)])
    error = capsys.readouterr().err
    ticks = failed(out, code, error)["ticks"]
    assert isinstance(ticks, int)
    assert ticks > 0
    for table in ("plan", "ticks"):
        assert read_table(out / f"{table}.parquet").num_rows in (ticks, ticks + 1)
    assert "warning: about" in error


def test_a_replay_whose_video_cannot_grow(
    small_clip: Path, tmp_path: Path, limited_files: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    limited_files(200)
    code = main(["replay", str(small_clip), "--out", str(tmp_path), "--no-mcap", "--no-report"])
    ticks = failed(tmp_path, code, capsys.readouterr().err)["ticks"]
    assert read_table(tmp_path / "plan.parquet").num_rows in (ticks, int(str(ticks)) + 1)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert next(video.decode(video=0)).width == 1280


def test_a_compressor_run_whose_table_cannot_grow(
    small_clip: Path, tmp_path: Path, limited_files: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    limited_files(40)
    code = main(["compress", str(small_clip), "--out", str(tmp_path)])
    summary = failed(tmp_path, code, capsys.readouterr().err)
    assert read_table(tmp_path / LOG_FILE).num_rows == summary["ticks"]


@pytest.mark.parametrize("command", ["replay", "compress"])
def test_a_disk_of_a_few_hundred_kilobytes_still_has_room_for_rows_and_summary(
    command: str, small_clip: Path, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk(200)
    code = main([command, str(small_clip), "--out", str(out)])
    error = capsys.readouterr().err
    assert failed(out, code, error)["ticks"]
    assert error.strip().endswith("is kept.")


def test_a_batch_on_a_small_disk_replays_what_fits_and_says_why_the_rest_failed(
    small_clip: Path, tmp_path: Path, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    other, out = tmp_path / "other", small_disk(900) / "out"
    shutil.copytree(small_clip, other)
    code = main(["replay", str(small_clip), str(other), "--out", str(out), "--no-mcap", "--no-overlay"])
    assert code == 6, capsys.readouterr().err
    outcomes = json.loads((out / "batch.json").read_text())
    assert [(each["status"], each["exit_code"]) for each in outcomes] == [("complete", 0), ("failed", 6)]
    assert "Cannot write" in outcomes[1]["error"]
    summary = json.loads((out / "other" / "summary.json").read_text())
    assert (summary["status"], summary["ticks"] > 0) == ("failed", True)
