import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fsd.cli import main
from fsd.data.errors import OutputError, UsageError
from fsd.data.result_folder import result_folder
from fsd.outputs.run_folder import load_run
from fsd.replay.batch import Outcome, replay_many
from fsd.replay.config import ReplayConfig, Shard
from fsd.replay.fingerprint import fingerprint


@pytest.fixture
def drives(small_clip: Path, tmp_path: Path) -> list[Path]:
    """Two good recordings around an empty one."""
    folders = [tmp_path / name for name in ("monday", "broken", "tuesday")]
    shutil.copytree(small_clip, folders[0])
    folders[1].mkdir()
    shutil.copytree(small_clip, folders[2])
    return folders


def refused(words: list[str]) -> int:
    """The exit code, also where the parser ends the program."""
    try:
        return main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


def template(tmp_path: Path) -> ReplayConfig:
    return ReplayConfig(clip=Path(), out=tmp_path / "out", max_ticks=3, overlay=False, report=False, mcap=False)


def test_a_bad_recording_does_not_lose_the_others(drives: list[Path], tmp_path: Path) -> None:
    outcomes = replay_many(drives, template(tmp_path), workers=2)
    assert [outcome.status for outcome in outcomes] == ["complete", "failed", "complete"]
    assert "broken" in str(outcomes[1].error)
    assert outcomes[0].ticks == 3
    assert [row["status"] for row in json.loads((tmp_path / "out" / "batch.json").read_text())][1] == "failed"


def test_what_is_complete_is_kept_and_the_rest_is_done(drives: list[Path], tmp_path: Path) -> None:
    replay_many(drives[:1], template(tmp_path))
    summary = tmp_path / "out" / "monday" / "summary.json"
    written = os.stat(summary).st_mtime_ns
    outcomes = replay_many([drives[0], drives[2]], template(tmp_path))
    assert [outcome.status for outcome in outcomes] == ["kept", "complete"]
    assert os.stat(summary).st_mtime_ns == written
    assert outcomes[0].plan_hash == outcomes[1].plan_hash


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: os.truncate(path, 100)], ids=["removed", "cut off"])
def test_results_that_are_not_whole_are_not_kept(
    spoil: Callable[[Path], None], drives: list[Path], tmp_path: Path
) -> None:
    replay_many(drives[:1], template(tmp_path))
    spoil(tmp_path / "out" / "monday" / "plan.parquet")
    (outcome,) = replay_many(drives[:1], template(tmp_path))
    assert outcome.status == "complete"
    assert "plan.parquet" in outcome.reason
    assert load_run(tmp_path / "out" / "monday").plan.num_rows == 3
    assert replay_many(drives[:1], template(tmp_path))[0].status == "kept"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [({"command": "left"}, "settings"), ({"max_ticks": 2}, "settings"), ({"report": True}, "settings")],
)
def test_results_of_other_settings_are_not_kept(
    changes: dict[str, Any], cause: str, drives: list[Path], tmp_path: Path
) -> None:
    replay_many(drives[:1], template(tmp_path))
    (outcome,) = replay_many(drives[:1], replace(template(tmp_path), **changes))
    assert outcome.status == "complete"
    assert cause in outcome.reason
    assert (tmp_path / "out" / "monday" / "report.html").exists() == ("report" in changes)


def test_results_of_another_recording_of_the_same_name_are_not_kept(drives: list[Path], tmp_path: Path) -> None:
    replay_many(drives[:1], template(tmp_path))
    (outcome,) = replay_many(drives[:1], template(tmp_path))
    assert outcome.status == "kept"
    drives[2].rename(tmp_path / "elsewhere")
    other = tmp_path / "elsewhere" / "monday"
    shutil.copytree(drives[0], other)
    (outcome,) = replay_many([other], template(tmp_path))
    assert outcome.status == "complete"
    assert "recording" in outcome.reason


@pytest.mark.parametrize(
    ("sent", "code", "status"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -9, "running")]
)
def test_a_batch_that_is_stopped_says_how_far_every_recording_got(
    sent: int, code: int, status: str, tmp_path: Path
) -> None:
    """The recording is long enough that the signal comes while it is replayed."""
    script = tmp_path / "batch.py"
    script.write_text(
        "import signal, sys\nfrom fsd.cli import main\n"
        "if __name__ == '__main__':\n    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    sys.exit(main(sys.argv[1:]))\n"
    )
    demo = str(resources.files("fsd") / "demo_clip")
    clips = [tmp_path / name for name in ("monday", "tuesday", "wednesday")]
    for clip in clips:
        shutil.copytree(demo, clip)
    out = tmp_path / "out"
    options = ["--out", str(out), "--no-overlay", "--no-mcap", "--no-report"]
    command = [sys.executable, str(script), "replay", *map(str, clips), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    batch = subprocess.Popen(command, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload]
    table = out / "monday" / "ticks.arrows"  # the last that a replay opens
    while not table.exists() or table.stat().st_size == 0:
        assert batch.poll() is None
        time.sleep(0.01)
    os.kill(batch.pid, sent) if sent == signal.SIGKILL else os.killpg(batch.pid, sent)
    _, errors = batch.communicate(timeout=120)  # ends with the last process that could write to the pipes
    assert batch.returncode == code
    assert "Traceback" not in errors
    outcomes = json.loads((out / "batch.json").read_text())
    assert [outcome["status"] for outcome in outcomes] == [status, "not started", "not started"]
    assert load_run(out / "monday").summary.status == status
    assert not (out / "tuesday").exists()


def test_an_interruption_keeps_what_was_complete(drives: list[Path], tmp_path: Path) -> None:
    def interrupt(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay_many(drives, template(tmp_path), progress=interrupt)
    outcomes = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert [outcome["status"] for outcome in outcomes] == ["complete", "not started", "not started"]


def test_shards_share_the_list_without_overlap(drives: list[Path], tmp_path: Path) -> None:
    done = [outcome.clip for i in range(2) for outcome in replay_many(drives, template(tmp_path), shard=Shard(i, 2))]
    assert sorted(done) == sorted(map(str, drives))
    assert (tmp_path / "out" / "batch-1-of-2.json").exists()


def test_two_recordings_of_one_name_are_told_apart(small_clip: Path, tmp_path: Path) -> None:
    twins = [tmp_path / folder / small_clip.name for folder in ("SavedClips", "SentryClips")]
    for twin in twins:
        shutil.copytree(small_clip, twin)
    outcomes = replay_many(twins, template(tmp_path))
    names = [f"{folder}-{small_clip.name}" for folder in ("SavedClips", "SentryClips")]
    assert [(Path(outcome.out).name, outcome.status) for outcome in outcomes] == [(name, "complete") for name in names]


def test_a_recording_given_twice_is_refused(small_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=small_clip.name):
        replay_many([small_clip, small_clip.parent / "." / small_clip.name], template(tmp_path))


@pytest.mark.parametrize("text", ["2/2", "x/2", "1", "-1/2", "0/0"])
def test_a_wrong_shard_is_refused_with_the_form_that_is_needed(text: str) -> None:
    with pytest.raises(ValueError, match="I/N"):
        Shard.parse(text)


def test_the_command_line_says_how_many_were_good(
    drives: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", str(tmp_path / "out"), "--max-ticks", "3", "--no-overlay", "--no-report", "--no-mcap"]
    assert main(["replay", *map(str, drives), *options]) == 3
    printed = capsys.readouterr()
    assert "2 of 3" in printed.out
    assert str(drives[1]) in printed.err


def test_a_recording_that_cannot_be_read_any_more_does_not_cost_its_earlier_results(
    drives: list[Path], tmp_path: Path
) -> None:
    replay_many(drives[:1], template(tmp_path))
    for video in drives[0].glob("*.mp4"):
        video.write_bytes(b"no video")
    (outcome,) = replay_many(drives[:1], template(tmp_path))
    assert outcome.status == "failed"
    assert load_run(tmp_path / "out" / "monday").summary.status == "complete"


def test_a_file_in_place_of_the_result_folder_is_an_output_error(drives: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="out"):
        replay_many(drives, template(tmp_path))


def test_a_file_in_place_of_one_result_folder_does_not_stop_the_others(drives: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "monday").write_text("mine")
    outcomes = replay_many([drives[0], drives[2]], template(tmp_path))
    assert [outcome.status for outcome in outcomes] == ["failed", "complete"]
    assert (tmp_path / "out" / "monday").read_text() == "mine"


@pytest.mark.parametrize("option", [["--workers", "0"], ["--shard", "3/2"]])
def test_the_options_of_a_batch_are_checked_for_a_single_recording_too(option: list[str], small_clip: Path) -> None:
    assert refused(["replay", str(small_clip), *option]) == 2


def test_results_inside_the_recording_are_no_part_of_it(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "drive"
    shutil.copytree(small_clip, clip)
    config = replace(template(tmp_path), clip=clip, out=clip / "out")
    before = fingerprint(config)
    (clip / "out").mkdir()
    (clip / "out" / "plan.parquet").write_bytes(b"results")
    assert fingerprint(config) == before
    (clip / "notes.txt").write_bytes(b"of the recording")
    assert fingerprint(config) != before


def test_results_beside_the_videos_are_no_part_of_the_recording(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "drive"
    shutil.copytree(small_clip, clip)
    config = replace(template(tmp_path), clip=clip, out=clip)
    before = fingerprint(config)
    with result_folder(clip, "replay", ("plan.parquet",)) as folder:
        folder.set_aside()
        (clip / "plan.parquet").write_bytes(b"results")
        assert fingerprint(config) == before
    assert fingerprint(config) == before
    (clip / "rear.mp4").write_bytes(b"another video")
    assert fingerprint(config) != before


def test_weights_beside_a_model_are_part_of_it(small_clip: Path, tmp_path: Path) -> None:
    model, weights = tmp_path / "other.onnx", tmp_path / "other.onnx.data"
    model.write_bytes(b"graph \x0a\x0fother.onnx.data\x12")
    weights.write_bytes(b"weights")
    config = replace(template(tmp_path), clip=small_clip, model=model)
    before = fingerprint(config)
    (tmp_path / "notes.txt").write_text("not named in the model")
    assert fingerprint(config) == before
    weights.write_bytes(b"other weights")
    assert fingerprint(config).model != before.model
