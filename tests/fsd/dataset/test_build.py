"""`fsd dataset build`: bad clips cost only themselves, a killed build goes on, and nothing is done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from fsd.data.errors import ClipError, OutputError
from fsd.dataset.clip_job import JobResult, build_job, content_key
from fsd.dataset.config import DatasetConfig
from fsd.networks.drives.clip_record import CLIPS_FOLDER, RECORD_FILE
from fsd.networks.drives.recorded_dataset import RecordedDataset

ARGUMENTS = ("--budget", "B400", "B200")


def digests(folder: Path) -> dict[str, bytes]:
    """Content of every shard and label file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / CLIPS_FOLDER).rglob("*"))
        if path.suffix in (".arrow", ".parquet")
    }


@pytest.fixture(scope="module")
def drives(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good clip, a copy of it, one without labels, and one whose video is broken."""
    folder = tmp_path_factory.mktemp("drives")
    for name in ("a-good", "b-copy", "c-unlabelled", "d-broken"):
        shutil.copytree(small_clip, folder / name)
    (folder / "c-unlabelled" / "ego.parquet").unlink()
    for video in (folder / "d-broken").glob("*.mp4"):
        video.write_bytes(video.read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def built(drives: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    out = tmp_path_factory.mktemp("built") / "set"
    sources = [str(path) for path in sorted(drives.iterdir())]
    assert main(["dataset", "build", *sources, "--out", str(out), "--workers", "2", *ARGUMENTS]) == 0
    return out, json.loads((out / "summary.json").read_text())


def test_bad_clips_are_listed_with_the_reason_and_the_rest_is_kept(built: tuple[Path, dict[str, object]]) -> None:
    out, summary = built
    assert summary["status"] == "complete"
    assert summary["clips"] == 1  # the copy has the same content
    bad = {each["clip"]: each["reason"] for each in summary["bad_clips"]}  # type: ignore[attr-defined]
    assert set(bad) == {"c-unlabelled", "d-broken"}
    assert "steering labels" in bad["c-unlabelled"]
    assert not list(out.glob(".fsd-clip-*"))


def test_the_summary_counts_what_is_on_the_disk(built: tuple[Path, dict[str, object]]) -> None:
    out, summary = built
    sizes = summary["sizes"]
    for budget in ("B400", "B200"):
        on_disk = sum(path.stat().st_size for path in out.rglob(f"{budget}-*.arrow"))
        assert sizes[budget]["total_bytes"] == on_disk  # type: ignore[index]
        data = RecordedDataset(out, budget)
        assert len(data) == summary["used_rows"]
        assert sum(len(each) for each in data.stretches) == summary["rows"]
    assert sum(summary["histograms"]["speed_mps"]["counts"]) == summary["used_rows"]  # type: ignore[index]
    page = (out / "dataset.html").read_text()
    assert "d-broken" in page
    assert "split margin" in page


def test_a_second_build_keeps_what_is_done(built: tuple[Path, dict[str, object]], drives: Path) -> None:
    out, before = built
    made = digests(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.arrow")}
    assert main(["dataset", "build", str(drives / "a-good"), "--out", str(out), *ARGUMENTS]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["clips"], summary["kept_clips"]) == (1, 1)
    assert summary["parts"] == before["parts"]
    assert digests(out) == made
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.arrow")} == times


def test_other_options_need_another_folder(built: tuple[Path, dict[str, object]], drives: Path) -> None:
    out, _ = built
    code = main(["dataset", "build", str(drives / "a-good"), "--out", str(out), *ARGUMENTS, "--every-ticks", "2"])
    assert code == OutputError.exit_code


def test_a_killed_build_goes_on(drives: Path, built: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    """Killed after its first clip, whatever the second one is at."""
    longer = tmp_path / "z-other"
    shutil.copytree(drives / "a-good", longer)
    commands = longer / "command.parquet"
    commands.unlink()  # other content, so another clip
    out = tmp_path / "set"
    arguments = ["dataset", "build", str(drives / "a-good"), str(longer), "--out", str(out), *ARGUMENTS]
    code = f"import sys; from fsd.cli import main; sys.exit(main({arguments!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (done := list(out.glob(f"{CLIPS_FOLDER}/*/{RECORD_FILE}"))) or done[0].parent.suffix:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = done[0].stat().st_mtime_ns
    assert main(arguments) == 0
    assert done[0].stat().st_mtime_ns == first
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["status"], summary["clips"]) == ("complete", 2)
    assert not list((out / CLIPS_FOLDER).glob("*.part"))
    expected = digests(built[0])
    assert {name: content for name, content in digests(out).items() if name in expected} == expected


def test_the_key_is_of_the_content_not_of_the_place(drives: Path) -> None:
    keys = [content_key(sorted((drives / name).iterdir()), drives / name) for name in ("a-good", "b-copy", "d-broken")]
    assert keys[0] == keys[1] != keys[2]


def test_sources_that_are_all_bad_are_an_error(drives: Path, tmp_path: Path) -> None:
    code = main(["dataset", "build", str(drives / "c-unlabelled"), "--out", str(tmp_path / "set")])
    assert code == ClipError.exit_code
    assert json.loads((tmp_path / "set" / "summary.json").read_text())["status"] == "failed"


def test_a_job_says_how_it_ended(drives: Path, tmp_path: Path) -> None:
    import msgspec

    config = DatasetConfig(sources=(drives,), out=tmp_path, budget=("B400",))
    found = []
    for name in ("a-good", "b-copy", "d-broken"):
        build_job(drives / name, config, tmp_path / "result.json")
        found.append(msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=JobResult))
    assert [each.was_there for each in found] == [False, True, False]
    assert [bool(each.reason) for each in found] == [False, False, True]
    assert found[0].key == found[1].key
    assert np.all([len(each.key) == 24 for each in found[:2]])
