"""`fsd events`, `fsd inspect`, and a stick given to `fsd replay`."""

import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from fsd.cli import main
from fsd.data.open_clip import open_clip
from fsd.data.result_record import RECORD_FILE, Record, Results

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from teslacam_events import EventForm, write_event

RESULTS: dict[str, int | None] = {"overlay.mp4": None}
SHORT = EventForm(segments=2, segment_s=1)


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two events of the same name, one of them with a hole and a broken file."""
    root = tmp_path_factory.mktemp("stick") / "TeslaCam"
    write_event(root / "SavedClips" / "2026-01-02_15-16-40", SHORT)
    write_event(root / "SentryClips" / "2026-01-02_15-16-40", SHORT, ("gap", "zero"))
    return root


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    parsed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(parsed, dict)
    return parsed


def test_events_are_listed(stick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", str(stick)]) == 0
    printed = capsys.readouterr().out
    header, *lines = printed.splitlines()
    assert header.split() == ["start", "kind", "length", "runs", "cameras", "telemetry", "why"]
    rows = [line.split() for line in lines if line.startswith("2026")]
    assert [(row[2], row[3], row[5], row[6], row[7]) for row in rows] == [
        ("saved", "2", "1", "4", "100%"),
        ("sentry", "2", "2", "4", "100%"),
    ]
    assert "15-16-44-back.mp4 is empty" in printed
    assert main(["events", str(stick), "--json"]) == 0
    listed = last_json(capsys)
    assert listed["format"] == "teslacam"
    recordings = listed["recordings"]
    assert isinstance(recordings, list)
    assert [Path(row["path"]).parent.name for row in recordings] == ["SavedClips", "SentryClips"]


def test_events_of_another_format_are_its_recordings(small_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", str(small_clip), "--json"]) == 0
    ((recording),) = last_json(capsys)["recordings"]  # type: ignore[misc]
    assert (recording["path"], recording["format"], recording["problem"]) == (str(small_clip), "native", None)


@pytest.fixture(scope="module")
def drives(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, a folder of two unrelated videos, and results of a replay."""
    root = tmp_path_factory.mktemp("drives")
    (root / "monday").symlink_to(small_clip)
    (root / "holiday").mkdir()
    for name in ("IMG_1234.mp4", "beach.mp4"):
        shutil.copy(small_clip / "rear.mp4", root / "holiday" / name)
    (root / "out").mkdir()
    shutil.copy(small_clip / "rear.mp4", root / "out" / "overlay.mp4")
    (root / "out" / RECORD_FILE).write_bytes(msgspec.json.encode(Record({"replay": Results("replay", True, RESULTS)})))
    return root


@pytest.mark.parametrize("command", ["events", "inspect", "replay"])
def test_unrelated_videos_are_asked_about(command: str, drives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(drives / "holiday")]) == 3
    question, answers = capsys.readouterr().err.splitlines()
    assert "cameras of one drive, or drives of their own?" in question
    assert "beach.mp4" in question
    assert f"fsd replay {drives}/holiday/*.mp4" in answers


@pytest.mark.parametrize("command", ["events", "inspect"])
def test_what_is_below_a_folder_is_listed_with_the_next_command(
    command: str, drives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(drives)]) == 0
    unclear, clip = (line.strip() for line in capsys.readouterr().out.splitlines() if "fsd " in line)
    assert unclear.startswith(f"fsd inspect {drives}/holiday ")
    assert unclear.endswith("or drives of their own?")
    assert clip.startswith(f"fsd replay {drives}/monday ")
    assert "native, 8 cameras" in clip
    assert main([command, str(drives), "--json"]) == 0
    listed = last_json(capsys)["recordings"]
    assert [each["problem"] is None for each in listed] == [False, True]  # type: ignore[attr-defined]


def test_folders_beside_a_video_are_not_passed_over_in_silence(drives: Path, tmp_path: Path) -> None:
    shutil.copy(drives / "holiday" / "beach.mp4", tmp_path)
    (tmp_path / "more").symlink_to(drives / "holiday")
    assert any("more" in note for note in open_clip(tmp_path).notes)


def test_inspect_says_what_was_recognised(stick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stick / "SentryClips" / "2026-01-02_15-16-40"
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    for fact in ("teslacam", "hole", "36.0", "jitter", "telemetry".capitalize(), "2026-01-02 15:16:32", "is empty"):
        assert fact in printed, fact
    assert main(["inspect", str(path), "--json"]) == 0
    summary = last_json(capsys)
    assert summary["format"] == "teslacam"
    assert len(summary["cameras"]) == 4  # type: ignore[arg-type]
    (hole,) = summary["holes"]  # type: ignore[misc]
    assert hole["end_s"] - hole["start_s"] == pytest.approx(11.0, abs=0.1)


def test_inspect_of_a_native_clip(small_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(small_clip), "--json"]) == 0
    summary = last_json(capsys)
    assert (summary["format"], summary["holes"], summary["calibration"] != "assumed") == ("native", [], True)


def test_inspect_says_how_fine_the_cameras_are_and_whether_that_is_assumed(
    stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stick / "SavedClips" / "2026-01-02_15-16-40"
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "px/° at the centre (patch " in printed
    assert "assumed, and with it angles and pixels per degree" in printed


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["dangling.mp4"]])
def test_a_folder_without_recordings_is_refused(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / name).symlink_to(tmp_path / "gone") if "dangling" in name else (tmp_path / name).touch()
    assert main(["events", str(tmp_path)]) == 3
    captured = capsys.readouterr()
    assert not captured.out
    assert "no videos" in captured.err
    assert ("a link to nothing" in captured.err) == (names == ["dangling.mp4"])


def test_control_characters_of_a_reason_do_not_reach_the_terminal(
    stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = tmp_path / "2026-01-02_15-16-40"
    shutil.copytree(stick / "SavedClips" / "2026-01-02_15-16-40", event)
    reason = json.dumps({"timestamp": "2026-01-02T15:16:33", "reason": "\x1b]0;title\x07\x1b[2Jgone\nnew"})
    (event / "event.json").write_text(reason)
    assert main(["events", str(event)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b]0;title\\x07\\x1b[2Jgone new" in printed


@pytest.mark.parametrize("command", ["events", "inspect"])
def test_a_path_that_is_not_there_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path / "nowhere")]) == 3
    assert "nowhere" in capsys.readouterr().err


def test_a_stick_is_replayed_event_by_event(stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--no-overlay", "--no-mcap", "--no-report", "--json", "--out", str(tmp_path / "out")]
    assert main(["replay", str(stick), *options]) == 0
    recordings = last_json(capsys)["recordings"]
    assert isinstance(recordings, list)
    names = [Path(each["out"]).name for each in recordings]
    assert names == ["SavedClips-2026-01-02_15-16-40", "SentryClips-2026-01-02_15-16-40"]
    with_hole = json.loads((tmp_path / "out" / names[1] / "summary.json").read_text())
    assert [run["first_tick"] for run in with_hole["cameras"]["runs"]] == [0, 36]
    assert with_hole["scores"] is not None
