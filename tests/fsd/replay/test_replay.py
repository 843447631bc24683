import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.data.errors import OutputError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.outputs.journal import read_table
from fsd.outputs.replay_summary import ReplaySummary
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay

CLIP_TICKS = 40


def quiet(clip: Path, out: Path, **settings: object) -> ReplaySummary:
    return replay(ReplayConfig(clip=clip, out=out, **settings), show_progress=False)


@pytest.fixture(scope="module")
def replayed(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("replayed")
    quiet(small_clip, out)
    return out


def test_every_tick_has_one_finite_plan(replayed: Path) -> None:
    plan = pq.read_table(replayed / "plan.parquet")
    assert plan["tick"].to_pylist() == list(range(CLIP_TICKS))
    for name, column in zip(plan.column_names, plan.columns, strict=True):
        if name not in ("health", "plan_hash"):
            assert np.isfinite(np.array(column.to_pylist(), dtype=float)).all(), name


def test_ticks_are_exact_multiples_of_a_thirty_sixth_second(replayed: Path) -> None:
    times_ns = pq.read_table(replayed / "ticks.parquet")["t_ns"].to_numpy()
    expected = [-(-tick * 10**9 // 36) for tick in range(CLIP_TICKS)]
    assert (times_ns - times_ns[0]).tolist() == expected


def test_the_second_run_gives_the_same_hashes(small_clip: Path, replayed: Path, tmp_path: Path) -> None:
    quiet(small_clip, tmp_path, overlay=False, decode_workers=1)
    for table, column in (("plan", "plan_hash"), ("ticks", "input_hash")):
        first = pq.read_table(replayed / f"{table}.parquet")[column]
        assert pq.read_table(tmp_path / f"{table}.parquet")[column] == first
    assert len(set(first.to_pylist())) == CLIP_TICKS


def test_the_overlay_has_one_image_per_tick(replayed: Path) -> None:
    with av.open(str(replayed / "overlay.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.average_rate == 36
        assert sum(1 for _ in video.decode(stream)) == CLIP_TICKS


def test_the_summary_says_what_was_run(replayed: Path) -> None:
    summary = json.loads((replayed / "summary.json").read_text())
    assert summary["status"] == "complete"
    assert summary["ticks"] == CLIP_TICKS
    assert summary["compression"]["r_px"] == pytest.approx(100.05, abs=0.01)
    assert summary["compression"]["r_px_of_this_recording"] == pytest.approx(8 * 128 * 96 / 98_256, abs=0.01)
    assert summary["joules_per_tick"]["tag"] == "unavailable"
    assert summary["stages_ms"]["infer"]["samples"] == CLIP_TICKS
    assert summary["odometry_ticks"] == {"ego": CLIP_TICKS}


def test_constant_velocity_is_perfect_on_a_straight_drive(replayed: Path) -> None:
    scores = json.loads((replayed / "summary.json").read_text())["scores"]
    assert scores["constant_velocity"]["ade_1s_m"] == pytest.approx(0, abs=1e-3)


def test_errors_of_ticks_have_the_mean_of_the_summary(replayed: Path) -> None:
    errors = pq.read_table(replayed / "errors.parquet")
    scores = json.loads((replayed / "summary.json").read_text())["scores"]["network"]
    known = errors["ade_1s_m"].drop_null().to_numpy()
    assert len(known) == scores["ticks_1s"] > 0
    assert known.mean() == pytest.approx(scores["ade_1s_m"], rel=1e-5)
    assert errors["ade_3s_m"].null_count == CLIP_TICKS  # the recording lasts for 1.1 s
    assert errors["speed_mps"].to_numpy() == pytest.approx(10)


def test_the_worst_ticks_are_those_of_the_report(replayed: Path) -> None:
    worst = pq.read_table(replayed / "worst_ticks.parquet").to_pylist()
    report = (replayed / "report.html").read_text(encoding="utf-8")
    assert worst
    for each in worst:
        assert f'id="gallery-{each["number"]}"' in report
        assert f"{each['time_s']:.2f} s · error {each['error_m']:.2f} m" in report
        assert each["image"].startswith(b"\xff\xd8")


def test_every_column_is_documented(replayed: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "outputs.md").read_text()
    for table in ("plan", "ticks", "errors", "worst_ticks"):
        for column in pq.read_schema(replayed / f"{table}.parquet").names:
            assert f"`{column}`" in text, column
    for field in json.loads((replayed / "summary.json").read_text()):
        assert f"`{field}`" in text, field


def test_a_missing_camera_is_masked_and_reported(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    for path in clip.glob("rear.*"):
        path.unlink()
    summary = quiet(clip, tmp_path / "out", overlay=False, max_ticks=5)
    assert summary.clip.missing_cameras == ("rear",)
    assert summary.health["missing=rear"] == 5


def test_without_ego_motion_the_replay_says_where_the_motion_came_from(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    (clip / "ego.parquet").unlink()
    options = ["--out", str(tmp_path / "out"), "--max-ticks", "12", "--no-overlay", "--no-mcap"]
    assert main(["replay", str(clip), *options]) == 0
    printed = capsys.readouterr().out
    ticks = json.loads((tmp_path / "out" / "summary.json").read_text())["odometry_ticks"]
    assert set(ticks) == {"none", "image"}
    motion = next(line for line in printed.splitlines() if line.split()[:1] == ["motion"])
    assert [int(number) for number in re.findall(r"\d+", motion)] == [ticks["none"], ticks["image"]]


def test_a_run_into_a_file_says_what_stands_in_the_way(small_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        quiet(small_clip, tmp_path / "out")


def test_an_error_in_the_middle_keeps_what_was_computed(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsd.overlay.video_writer import Overlay

    def explode(self: Overlay, result: object, ego: object, command: str) -> None:
        if result.plan.tick == 7:  # type: ignore[attr-defined]
            raise OSError("No space left on device")

    monkeypatch.setattr(Overlay, "add", explode)
    with pytest.raises(OSError, match="No space"):
        quiet(small_clip, tmp_path)
    assert read_table(tmp_path / "plan.parquet").num_rows == 8
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "No space" in summary["error"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_leaves_readable_results(small_clip: Path, tmp_path: Path, sent: int, code: int) -> None:
    """Ticks are slow, so that the signal comes in the middle; unlike background jobs of a shell, it heeds SIGINT."""
    script = (
        "import signal, sys, time\nimport fsd.replay.replay\nfrom fsd.cli import main\n"
        "import fsd.viewers.mcap_writer\nfsd.viewers.mcap_writer.CHUNK_BYTES = 20_000\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "append = fsd.replay.replay.ResultTables.append\n"
        "def slow(*args):\n    append(*args)\n    time.sleep(0.1)\n    print('tick', flush=True)\n"
        "fsd.replay.replay.ResultTables.append = slow\n"
        f"sys.exit(main(['replay', {str(small_clip)!r}, '--out', {str(tmp_path)!r}]))"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert run.stdout is not None
    for _ in range(38):
        assert run.stdout.readline() == "tick\n"
    run.send_signal(sent)
    run.stdout.read()
    assert run.wait(timeout=60) == code
    rows = read_table(tmp_path / "plan.parquet").num_rows
    assert rows >= (38 if sent != signal.SIGKILL else 36)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) > 0 or sent == signal.SIGKILL
    status = json.loads((tmp_path / "summary.json").read_text())["status"]
    assert status == ("running" if sent == signal.SIGKILL else "interrupted")
    # As docs/outputs.md says: without its index it is a recording all the same.
    assert main(["inspect", str(tmp_path / "drive.mcap")]) == 0
    with FrameSource(open_clip(tmp_path / "drive.mcap")) as source:
        assert sum(1 for _ in source) >= (30 if sent == signal.SIGKILL else 37)


def test_a_recording_that_is_called_like_a_result_is_refused_and_stays(small_clip: Path, tmp_path: Path) -> None:
    recording = tmp_path / "overlay.mp4"
    shutil.copy(small_clip / "front_main.mp4", recording)
    assert main(["replay", str(recording), "--out", str(tmp_path), "--max-ticks", "2", "--no-overlay"]) == 2
    assert recording.read_bytes() == (small_clip / "front_main.mp4").read_bytes()
