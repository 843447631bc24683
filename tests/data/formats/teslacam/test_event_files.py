"""Which files belong to which minute and event, by their names."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from fsd.data.formats.teslacam.event_files import find_events, parse_name


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def minute(stamp: str, *cameras: str) -> list[str]:
    return [f"{stamp}-{camera}.mp4" for camera in cameras or ("front", "back")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2026-01-02_15-16-32-front.mp4", (datetime(2026, 1, 2, 15, 16, 32), "front_main")),
        ("2019-05-02_15-16-rear_view.MP4", (datetime(2019, 5, 2, 15, 16), "rear")),
        ("2026-01-02_15-16-32-left_pillar.mp4", (datetime(2026, 1, 2, 15, 16, 32), "left_pillar")),
        ("2026-01-02_15-16-32-cabin.mp4", None),
        ("2026-13-02_15-16-32-front.mp4", None),
        ("event.mp4", None),
        ("front.mp4", None),
    ],
)
def test_names(name: str, expected: tuple[datetime, str] | None) -> None:
    assert parse_name(Path(name)) == expected


def test_every_level_of_a_stick_is_recognised(tmp_path: Path) -> None:
    stick = tmp_path / "TeslaCam"
    saved = stick / "SavedClips" / "2026-01-02_15-26-00"
    touch(saved, *minute("2026-01-02_15-16-32"), *minute("2026-01-02_15-17-32"), "event.json", "event.mp4", "thumb.png")
    touch(stick / "SentryClips" / "2026-01-02_15-26-00", *minute("2026-01-02_15-20-00", "front"))
    touch(stick / "RecentClips", *minute("2026-01-02_16-00-00"))
    touch(stick / "EncryptedClips" / "SavedClips" / "2026-05-01_10-00-00", *minute("2026-05-01_09-59-00"))
    touch(tmp_path / "TeslaTrackMode", "telemetry.csv")
    kinds = {event.path.relative_to(tmp_path).as_posix(): event.kind for event in find_events(tmp_path)}
    assert kinds == {
        "TeslaCam/EncryptedClips/SavedClips/2026-05-01_10-00-00": "saved",
        "TeslaCam/RecentClips": "recent",
        "TeslaCam/SavedClips/2026-01-02_15-26-00": "saved",
        "TeslaCam/SentryClips/2026-01-02_15-26-00": "sentry",
    }
    for path, count in ((stick, 4), (stick / "SavedClips", 1), (saved, 1)):
        assert len(find_events(path)) == count
    (single,) = find_events(saved / "2026-01-02_15-17-32-back.mp4")
    assert (single.kind, len(single.minutes), sorted(single.minutes[0].files)) == ("minute", 1, ["front_main", "rear"])
    (event,) = find_events(saved)
    assert [len(each.files) for each in event.minutes] == [2, 2]


def test_a_minute_in_recent_and_saved_clips_counts_once(tmp_path: Path) -> None:
    recent = tmp_path / "RecentClips" / "2026-01-02"
    touch(recent, *minute("2026-01-02_15-16-32"), *minute("2026-01-02_15-17-32"))
    touch(tmp_path / "SavedClips" / "2026-01-02_15-18-00", *minute("2026-01-02_15-17-32"))
    for path in (tmp_path, tmp_path / "RecentClips"):
        (found,) = [event for event in find_events(path) if event.kind == "recent"]
        assert [each.stamp.minute for each in found.minutes] == [16]
        assert [each.minute for each in found.elsewhere] == [17]


def test_linked_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "snapshots", "a.mp4")
    folder = tmp_path / "RecentClips"
    folder.mkdir()
    (folder / "2026-01-02_15-16-32-front.mp4").symlink_to(tmp_path / "snapshots" / "a.mp4")
    (event,) = find_events(folder)
    assert list(event.minutes[0].files) == ["front_main"]


def test_other_folders_are_not_teslacam(tmp_path: Path) -> None:
    touch(tmp_path, "front.mp4", "rear.mp4", "rig.json")
    assert find_events(tmp_path) == ()
    assert find_events(tmp_path / "front.mp4") == ()


def test_two_files_of_one_camera_and_minute_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "2026-01-02_15-16-32-front.mp4", "2026-01-02_15-16-32-FRONT.mp4")
    (event,) = find_events(tmp_path)
    assert event.minutes[0].files["front_main"].name == "2026-01-02_15-16-32-FRONT.mp4"
    assert event.unused == (
        "2026-01-02_15-16-32-front.mp4 is of the same camera and minute as 2026-01-02_15-16-32-FRONT.mp4",
    )


def test_what_has_the_name_of_a_file_but_is_none_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "2026-01-02_15-16-32-front.mp4")
    (tmp_path / "2026-01-02_15-16-32-back.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "2026-01-02_15-16-32-left_pillar.mp4").mkdir()
    os.mkfifo(tmp_path / "2026-01-02_15-16-32-right_pillar.mp4")
    (event,) = find_events(tmp_path)
    assert [phrase.partition(" is ")[2] for phrase in event.unused] == [
        "a link to nothing",
        "a folder",
        "a pipe or a device",
    ]


def test_a_loop_of_links_lists_an_event_once(tmp_path: Path) -> None:
    saved = tmp_path / "TeslaCam" / "SavedClips"
    touch(saved / "2026-01-02_15-26-00", *minute("2026-01-02_15-16-32"))
    (saved / "loop").symlink_to(tmp_path / "TeslaCam")
    assert [event.path for event in find_events(tmp_path)] == [saved / "2026-01-02_15-26-00"]
