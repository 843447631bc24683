"""`fsd events`, `fsd inspect`, and a stick given to `fsd replay`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from fsd.cli import main

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from teslacam_events import EventForm, write_event

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
    assert last_json(capsys)["recordings"] == [{"path": str(small_clip)}]


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
