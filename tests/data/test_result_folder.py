"""No run loses what it did not make: inputs, other people's files, other commands' results, the results before it."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import pytest

from fsd.data import result_folder as result_folder_module
from fsd.data.errors import OutputError, UsageError
from fsd.data.result_folder import result_folder
from fsd.data.result_record import RECORD_FILE, RESERVE_FILE, results_in

NAMES = ("summary.json", "overlay.mp4", "report.html")


def write(folder: Path, content: str, names: Collection[str] = NAMES, command: str = "replay") -> None:
    """A run that is complete."""
    with result_folder(folder, command, NAMES) as held:
        held.set_aside(names)
        for name in names:
            (folder / name).write_text(content)


def fail(folder: Path, content: str) -> BaseException:
    """A run that fails after its first file."""
    with pytest.raises(KeyError) as raised, result_folder(folder, "replay", NAMES) as held:
        held.set_aside()
        (folder / NAMES[0]).write_text(content)
        raise KeyError
    return raised.value


def kill(folder: Path) -> None:
    """The same, but killed."""
    script = (
        "import os, sys; from pathlib import Path; from fsd.data.result_folder import result_folder\n"
        "folder = Path(sys.argv[1])\n"
        f"with result_folder(folder, 'replay', {NAMES!r}) as held:\n"
        "    held.set_aside(); (folder / 'summary.json').write_text('killed'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(folder)], check=False).returncode == -signal.SIGKILL


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file() and path.name[0] != "."}


def test_a_complete_run_replaces_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, "old")
    write(tmp_path, "new", NAMES[:2])
    assert content(tmp_path) == dict.fromkeys(NAMES[:2], "new")
    assert {path.name for path in tmp_path.iterdir()} == {RECORD_FILE, *NAMES[:2]}


@pytest.mark.parametrize("stop", ["fail", "kill"])
def test_complete_results_outlive_every_run_that_is_not(stop: str, tmp_path: Path) -> None:
    write(tmp_path, "old")
    for _ in range(2):
        if stop == "kill":
            kill(tmp_path)
        else:
            assert str(tmp_path / "previous") in "".join(fail(tmp_path, "half").__notes__)
        assert content(tmp_path / "previous") == dict.fromkeys(NAMES, "old")
        assert list(content(tmp_path)) == ["summary.json"]
    write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "new")
    assert not (tmp_path / "previous").exists()


def test_a_move_that_was_cut_off_is_ended_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    rename = Path.rename

    def stops(self: Path, target: Path) -> Path:
        if self.name == NAMES[1]:
            raise OSError(errno.EIO, "no answer")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stops)
    with pytest.raises(OSError, match="no answer"):
        write(tmp_path, "new")
    monkeypatch.undo()
    fail(tmp_path, "half")
    assert content(tmp_path / "previous") == dict.fromkeys(NAMES, "old")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_fsd_did_not_write_is_refused_and_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=name):
        write(tmp_path, "new")
    assert content(tmp_path) == {name: "mine"}


def test_a_file_that_was_put_there_after_a_run_that_does_not_write_it_is_refused_too(tmp_path: Path) -> None:
    write(tmp_path, "old", NAMES[:1])
    (tmp_path / NAMES[1]).symlink_to("elsewhere")
    with pytest.raises(OutputError, match=NAMES[1]):
        write(tmp_path, "new")
    assert (tmp_path / NAMES[0]).read_text() == "old"


def test_a_result_that_somebody_has_changed_since_is_not_removed(tmp_path: Path) -> None:
    write(tmp_path, "old")
    (tmp_path / "overlay.mp4").write_text("cut by hand")
    write(tmp_path, "new")
    assert content(tmp_path / "previous") == {"overlay.mp4": "cut by hand"}
    write(tmp_path, "newer")
    assert content(tmp_path / "previous") == {"overlay.mp4": "cut by hand"}
    assert content(tmp_path) == dict.fromkeys(NAMES, "newer")


def test_a_run_that_continues_keeps_what_is_there_and_refuses_what_somebody_has_changed(tmp_path: Path) -> None:
    for content_now in ("first", "second"):
        with result_folder(tmp_path, "train", ("weights", "videos/a.mp4")) as held:
            held.begin(("weights",))
            assert not (tmp_path / "weights").exists() or (tmp_path / "weights").read_text() == "first"
            (tmp_path / "weights").write_text(content_now)
    (tmp_path / "weights").write_text("mine")
    with pytest.raises(OutputError, match="weights"), result_folder(tmp_path, "train", ("weights",)) as held:
        held.begin()
    assert (tmp_path / "weights").read_text() == "mine"


@pytest.mark.parametrize("link", ["itself", "symlink", "hard link", "moved aside"])
def test_a_result_that_is_an_input_is_refused_under_whatever_name(link: str, tmp_path: Path) -> None:
    out, source = tmp_path / "out", tmp_path / "recording.mp4"
    write(out, "old")
    if link == "symlink":
        source.symlink_to(out / "overlay.mp4")
    elif link == "hard link":
        os.link(out / "overlay.mp4", source)
    elif link == "moved aside":
        fail(out, "half")
    place = {"itself": out / "overlay.mp4", "moved aside": out / "previous" / "overlay.mp4"}.get(link, source)
    with pytest.raises(UsageError, match=r"overlay\.mp4"), result_folder(out, "replay", NAMES, [place]):
        pass
    assert place.read_text() == "old"


def test_results_of_two_commands_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, "old", command="compress")
    with pytest.raises(OutputError, match="fsd compress"):
        write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "old")


def test_results_from_before_there_were_records_are_known_by_their_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.json").write_text('{"command": "replay", "fsd_version": "0.1.0", "status": "complete"}')
    with pytest.raises(OutputError, match="fsd replay"):
        write(tmp_path, "new", command="compress")
    (tmp_path / "overlay.mp4").write_text("may be mine")
    write(tmp_path, "new")
    assert content(tmp_path) == dict.fromkeys(NAMES, "new")
    assert content(tmp_path / "previous").keys() == {"summary.json", "overlay.mp4"}
    assert f"{tmp_path / 'previous'} holds earlier files" in capsys.readouterr().err
    write(tmp_path, "newer")
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_an_output_error_of_one_line(tmp_path: Path) -> None:
    write(tmp_path, "old")
    with pytest.raises(OutputError) as raised, result_folder(tmp_path, "replay", NAMES) as held:
        held.set_aside()
        try:
            raise OSError(errno.ENOSPC, "Error writing bytes to file.")
        finally:
            raise ValueError  # closing what was open fails as well
    assert raised.value.exit_code == 6
    assert os.strerror(errno.ENOSPC) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "previous" in raised.value.__notes__[0]
    assert not (tmp_path / RESERVE_FILE).exists()


def disk_of(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_folder_module.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


@pytest.mark.parametrize(("free_kib", "rows_and_summary_kib"), [(1 << 20, 512), (400, 100), (0, 0)])
def test_a_small_disk_is_not_filled_by_what_is_set_aside(
    free_kib: int, rows_and_summary_kib: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_of(free_kib << 10, monkeypatch)
    reserve = tmp_path / RESERVE_FILE
    with result_folder(tmp_path, "replay", NAMES) as held:
        held.set_aside()
        assert reserve.stat().st_size == rows_and_summary_kib << 10
        held.free_rows()
        assert reserve.stat().st_size == rows_and_summary_kib << 9
        held.free_summary()
        assert not reserve.exists()


@pytest.mark.parametrize("is_written", [False, True])
def test_only_where_something_was_written_a_full_disk_keeps_it(is_written: bool, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as raised, result_folder(tmp_path, "replay", NAMES) as held:
        held.set_aside()
        (tmp_path / "summary.json").write_text("running")
        (tmp_path / "overlay.mp4").write_text("images" if is_written else "")
        raise OSError(errno.ENOSPC, "full")
    assert ("kept" in "".join(getattr(raised.value, "__notes__", ()))) == is_written
    assert "kept" not in str(raised.value)


def test_another_error_of_the_operating_system_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), result_folder(tmp_path, "replay", NAMES):
        (tmp_path / "recording.mp4").read_bytes()


@pytest.mark.parametrize(
    "record",
    [
        {"results": {"replay": {"command": "replay", "files": {"../mine.txt": None}}}},
        {"previous": {"..": {"command": "replay", "files": {"mine.txt": None}}}},
        {"previous": {".": {"command": "replay", "files": {"mine.txt": None}}}},
    ],
)
def test_a_record_that_names_files_elsewhere_is_not_believed(record: object, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for mine in (tmp_path / "mine.txt", out / "mine.txt"):
        mine.write_text("mine")
    (out / RECORD_FILE).write_text(json.dumps(record))
    write(out, "new")
    write(out, "newer")
    assert (tmp_path / "mine.txt").exists()
    assert content(out) == {**dict.fromkeys(NAMES, "newer"), "mine.txt": "mine"}


def test_the_record_lists_what_is_a_result(tmp_path: Path) -> None:
    write(tmp_path, "old")
    fail(tmp_path, "half")
    assert results_in(tmp_path) == {"summary.json", *(f"previous/{name}" for name in NAMES)}
    assert results_in(tmp_path / "previous") == frozenset()
