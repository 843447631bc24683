import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fsd.cli import main
from fsd.data.errors import ClipError
from fsd.replay.config import ReplayConfig

pytest.importorskip("ray", reason="needs the extra `ray`")
from fsd.fleet.claims import Held, claimed
from fsd.fleet.clip_units import CLAIMS, ClipJob, ClipUnits, RunSettings, UnitEnd
from fsd.fleet.engine import Postponed
from fsd.fleet.failures import read_failures
from fsd.fleet.keys import run_of
from fsd.fleet.model_files import ModelFiles
from fsd.fleet.places import Place
from fsd.fleet.replay_fleet import ReplayWork
from fsd.fleet.units import CLIPS, RUNS, read_run, read_unit, read_units
from fsd.outputs.run_folder import load_run

QUICK = {"max_ticks": 3, "overlay": False, "report": False, "mcap": False}


def settings(out: str, cache: Path, **changes: Any) -> RunSettings:
    template = replace(ReplayConfig(clip=Path(), out=Path(), **QUICK), **changes)
    work = ReplayWork(template, ModelFiles.of(template))
    return RunSettings(out, run_of(work.model_digest, work.options_digest), work, cache, 10**9)


def test_a_recording_is_replayed_once_and_again_only_for_other_settings(small_clip: Path, tmp_path: Path) -> None:
    out, job = str(tmp_path / "out"), ClipJob(str(small_clip))
    mine = ClipUnits(settings(out, tmp_path))
    done, again = mine(job, 1), mine(job, 1)
    assert isinstance(done, UnitEnd)
    assert isinstance(again, UnitEnd)
    assert (done.is_kept, again.is_kept, again.key) == (False, True, done.key)
    other = ClipUnits(settings(out, tmp_path, max_ticks=2))(job, 2)
    assert isinstance(other, UnitEnd)
    assert not other.is_kept
    place = Place.of(out)
    units = {key: read_unit(place, key) for key in (place / CLIPS).names()}
    assert {key: unit and (unit.ticks, unit.attempts) for key, unit in units.items()} == {
        done.key: (3, 1),
        other.key: (2, 2),
    }
    assert load_run(tmp_path / "out" / CLIPS / done.key).plan.num_rows == 3
    assert (place / CLAIMS).names() == []


def test_results_that_are_not_whole_are_made_again(small_clip: Path, tmp_path: Path) -> None:
    mine, job = ClipUnits(settings(str(tmp_path / "out"), tmp_path)), ClipJob(str(small_clip))
    done = mine(job, 1)
    assert isinstance(done, UnitEnd)
    (tmp_path / "out" / CLIPS / done.key / "plan.parquet").unlink()
    again = mine(job, 1)
    assert isinstance(again, UnitEnd)
    assert not again.is_kept
    assert load_run(tmp_path / "out" / CLIPS / done.key).plan.num_rows == 3


def test_a_recording_that_another_run_works_on_is_left_to_it(small_clip: Path, tmp_path: Path) -> None:
    mine, job = ClipUnits(settings(str(tmp_path / "out"), tmp_path)), ClipJob(str(small_clip))
    done = mine(job, 1)
    assert isinstance(done, UnitEnd)
    shutil.rmtree(tmp_path / "out" / CLIPS / done.key)
    with claimed(Place.of(tmp_path / "out") / CLAIMS / done.key, "", 0) as other:
        assert isinstance(other, Held)
        postponed = mine(job, 1)
        assert isinstance(postponed, Postponed)
        assert mine(postponed.job, 1).job.polls == 1  # type: ignore[union-attr]
    assert isinstance(mine(postponed.job, 1), UnitEnd)


def test_an_error_names_the_recording_and_not_its_copy(bucket: str, tmp_path: Path) -> None:
    source = Place.of(f"{bucket}/bad/night")
    (source / "front_main.mp4").write(b"no video")
    units = ClipUnits(settings(str(tmp_path / "out"), tmp_path / "cache"))
    with pytest.raises(ClipError) as raised:
        units(ClipJob(str(source)), 1)
    assert f"{source}/front_main.mp4" in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.usefixtures("local_ray")
def test_a_bucket_is_replayed_into_a_bucket(
    bucket: str, small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = Place.of(f"{bucket}/drives"), Place.of(f"{bucket}/runs")
    for name in ("monday", "tuesday"):
        for path in small_clip.iterdir():
            (source / name / path.name).write(path.read_bytes())
    (source / "broken" / "front_main.mp4").write(b"no video")
    options = ["--max-ticks", "3", "--no-overlay", "--no-report", "--no-mcap", "--cache-dir", str(tmp_path)]
    command = ["replay", str(source), "--out", str(out), *options, "--ray", "local", "--clip-cpus", "1"]
    assert main(command) == 3
    assert "2 of 3" in capsys.readouterr().out
    (run,) = (out / RUNS).names()
    units = {unit.clip: unit.ticks for unit in read_units(out, run)}
    assert units == {f"{source}/monday": 3, f"{source}/tuesday": 3}
    record = read_run(out, run)
    assert record is not None
    assert record.model == "packaged"
    (failure,) = read_failures(out, run).to_pylist()
    assert (failure["clip"], failure["attempts"]) == (f"{source}/broken", 3)
    before = {unit.key: unit for unit in read_units(out, run)}
    (source / "broken" / "front_main.mp4").remove()
    assert main(command) == 0
    assert "2 were complete before" in capsys.readouterr().out
    assert {unit.key: unit for unit in read_units(out, run)} == before
    assert read_failures(out, run).num_rows == 0


def test_a_url_without_ray_is_refused(tmp_path: Path) -> None:
    assert main(["replay", "s3://bucket/drives", "--out", str(tmp_path / "out")]) == 2
    assert main(["replay", str(tmp_path), "--out", "s3://bucket/runs"]) == 2
    assert main(["replay", "--ray", "drives", str(tmp_path)]) == 2
