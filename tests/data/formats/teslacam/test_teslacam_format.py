"""TeslaCam events opened and replayed: every picture at its own time, holes as holes, broken files masked."""

import json
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.data.formats.teslacam.event_table import event_rows
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import detect, open_clip, recordings_in

sys.path.append(str(Path(__file__).resolve().parents[4] / "benchmarks"))
from teslacam import check_event
from teslacam_events import SMALL_HW4, EventForm, write_event

ONE_MINUTE = EventForm(segments=1, cameras=("front", "back"))


def encrypt(path: Path) -> None:
    """Replace a file by what an encrypted one looks like: header, a page with a VIN, and noise."""
    size = path.stat().st_size
    head = struct.pack(">QIIII", size, 0x12345678, 0x12345678 ^ 0x3C81B7F5, 0x03000002, 4096).ljust(4096, b"\0")
    page = (b"\0\0\0\7\x04" + b"k" * 64 + b"5YJ3E1EA7KF000000" + b"\0" * 60).ljust(4096, b"\0")
    path.write_bytes(head + page + np.random.default_rng(0).bytes(4096))


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stick: a saved event with a broken segment, one with a hole, and a minute to encrypt."""
    stick = tmp_path_factory.mktemp("stick") / "TeslaCam"
    write_event(stick / "SavedClips" / "2026-01-02_15-16-40", SMALL_HW4, ("zero", "moov", "drift", "jitter"))
    write_event(stick / "SentryClips" / "2026-01-02_15-16-40", EventForm(), ("gap", "lag", "halfsei"))
    write_event(stick / "EncryptedClips" / "SavedClips" / "2026-05-01_10-00-00", ONE_MINUTE)
    for path in (stick / "EncryptedClips").rglob("*.mp4"):
        encrypt(path)
    (stick / "SavedClips" / "2026-01-02_15-16-40" / "event.json").write_text(
        json.dumps(
            {
                "timestamp": "2026-01-02T15:16:36",
                "city": "Springfield",
                "est_lat": "40.1234",
                "est_lon": "-74.5678",
                "reason": "user_interaction_honk",
                "camera": "0",
            }
        )
    )
    return stick


def test_every_picture_is_shown_at_its_own_time(events: Path) -> None:
    for path in recordings_in([events]):
        if "Encrypted" not in str(path):
            found = check_event(open_clip(path))
            assert found.checked > 500
            assert found.wrong == 0
            assert found.repeats <= 0.01 * found.shown_ticks


def test_broken_segments_mask_their_camera_and_are_named(events: Path, tools: Any) -> None:
    clip = open_clip(events / "SavedClips" / "2026-01-02_15-16-40")
    assert clip.format == "teslacam"
    note = next(note for note in clip.notes if "cannot be used" in note)
    assert "15-16-36-back.mp4 (rear) is empty" in note
    assert "15-16-36-right_repeater.mp4 (right_repeater)" in note
    shown = tools.replay(clip)
    assert shown.report.cameras["rear"].unreadable_files == 1
    assert any("rear" in sentence and "1 files" in sentence for sentence in shown.report.faults())
    last_second = shown.is_valid[-36:]
    expected = {"front_main", "left_repeater", "left_pillar", "right_pillar"}
    assert {name for name, valid in zip(CAMERAS, last_second.T, strict=True) if valid.any()} == expected


def test_a_hole_of_eleven_seconds_begins_a_new_run(events: Path, tools: Any) -> None:
    report = tools.replay(open_clip(events / "SentryClips" / "2026-01-02_15-16-40")).report
    assert [each.hole_ns is not None and round(each.hole_ns / 1e9) for each in report.runs] == [False, 11]
    assert all(counters.gaps == 0 for counters in report.cameras.values())  # the hole is of the recording


def test_telemetry_becomes_ego_motion(events: Path) -> None:
    clip = open_clip(events / "SavedClips" / "2026-01-02_15-16-40")
    assert clip.ego is not None
    sample = clip.ego.sample_at(1_000_000_000)
    assert sample is not None
    assert sample.speed_mps == pytest.approx(12.0)
    assert clip.wall_clock is not None
    assert clip.wall_clock.text_at(0) == "2026-01-02 15:16:32"
    assert [(each.timestamp_ns, each.text) for each in clip.moments] == [(4_000_000_000, "saved with the horn")]


def test_nothing_says_where_the_car_was(events: Path) -> None:
    clip = open_clip(events / "SavedClips" / "2026-01-02_15-16-40")
    said = repr((clip.notes, clip.moments, event_rows(events)))
    for secret in ("Springfield", "40.1234", "74.5678", "5YJ3E1EA7KF000000"):
        assert secret not in said


def test_an_encrypted_event_says_so_and_what_to_do(events: Path) -> None:
    (path,) = recordings_in([events / "EncryptedClips"])
    with pytest.raises(ClipError) as caught:
        open_clip(path)
    for fact in ("encrypted", "Controls > Safety", "Tesla's website"):
        assert fact in str(caught.value)
    assert "5YJ3E1EA7KF000000" not in str(caught.value)


def test_an_encrypted_file_under_any_name_says_so(events: Path, tmp_path: Path) -> None:
    source = next((events / "EncryptedClips").rglob("*front.mp4"))
    for name in ("encrypted-front.mp4", "front.mp4"):
        shutil.copy(source, tmp_path / name)
        with pytest.raises(ClipError, match="encrypted"):
            open_clip(tmp_path / name)
    with pytest.raises(ClipError, match="encrypted"):
        open_clip(tmp_path)


def test_the_table_of_events(events: Path) -> None:
    rows = {Path(row.path).relative_to(events).parts[0]: row for row in event_rows(events)}
    saved, sentry, encrypted = rows["SavedClips"], rows["SentryClips"], rows["EncryptedClips"]
    assert (saved.kind, saved.reason, saved.saved_at) == ("saved", "saved with the horn", "2026-01-02 15:16:36")
    assert (saved.runs, len(saved.cameras), len(saved.faults)) == (1, 6, 2)
    assert saved.drive_s == pytest.approx(6.0, abs=0.1)
    assert saved.telemetry_coverage == 1.0
    assert (sentry.kind, sentry.runs, len(sentry.cameras)) == ("sentry", 2, 4)
    assert sentry.telemetry_coverage == pytest.approx(5 / 6, abs=0.02)
    assert encrypted.error is not None
    assert "encrypted" in encrypted.error
    assert [row.telemetry_coverage for row in event_rows(events, reads_telemetry=False)] == [None] * 3


def test_a_stick_is_a_list_and_a_minute_a_recording(events: Path) -> None:
    found, match = detect(events)
    assert (found.name, len(match.recordings)) == ("teslacam", 3)
    with pytest.raises(ClipError, match="3 recordings"):
        open_clip(events)
    clip = open_clip(events / "SavedClips" / "2026-01-02_15-16-40" / "2026-01-02_15-16-34-back.mp4")
    assert clip.name == "2026-01-02_15-16-34"
    assert sum(stream is not None for stream in clip.streams) == 6


def test_undecodable_and_cut_segments_mask_their_camera(tmp_path: Path, tools: Any) -> None:
    write_event(tmp_path, EventForm(cameras=("front", "back")))
    back = sorted(tmp_path.glob("*-back.mp4"))
    content = back[1].read_bytes()
    start = content.find(b"mdat") + 4
    length = content.find(b"moov") - 4 - start
    back[1].write_bytes(content[:start] + b"\xff" * length + content[start + length :])
    front = sorted(tmp_path.glob("*-front.mp4"))[2]
    front.write_bytes(front.read_bytes()[:200])
    shown = tools.replay(open_clip(tmp_path))
    assert shown.report.cameras["rear"].unreadable_files == 1
    assert shown.report.cameras["front_main"].unreadable_files == 1
    assert shown.is_valid[:30, [0, 7]].all()
    assert shown.is_valid[-30:, 7].all()
    assert not shown.is_valid[-30:, 0].any()


def test_all_files_broken_names_some(tmp_path: Path) -> None:
    for camera in ("front", "back"):
        (tmp_path / f"2026-01-02_15-16-32-{camera}.mp4").touch()
    with pytest.raises(ClipError, match=r"15-16-32-front\.mp4 is empty"):
        open_clip(tmp_path)
