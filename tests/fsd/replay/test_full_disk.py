"""A full disk ends a run with one line; all rows that fitted are there, and the summary says what happened."""

import json
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
    last = error.strip().splitlines()[-1]
    assert last.startswith(f"fsd: Cannot write to {out}: ")
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
