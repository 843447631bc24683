import shutil
from pathlib import Path

import pytest

from fsd.data.errors import ClipError
from fsd.dataset.clip_job import JobResult
from fsd.dataset.config import DatasetConfig

pytest.importorskip("ray", reason="needs the extra `ray`")
from fsd.fleet.claims import Held, claimed
from fsd.fleet.clip_units import CLAIMS, ClipJob
from fsd.fleet.dataset_fleet import COPIES, DatasetSettings, DatasetUnits
from fsd.fleet.engine import Postponed
from fsd.fleet.places import Place


def units(out: Path, cache: Path) -> DatasetUnits:
    return DatasetUnits(DatasetSettings(DatasetConfig(sources=(Path(),), out=out, budget=("B400",)), cache, 10**9))


def test_a_copy_in_a_bucket_is_the_clip_that_is_there(small_clip: Path, bucket: str, tmp_path: Path) -> None:
    out = tmp_path / "set"
    work = units(out, tmp_path)
    built = work(ClipJob(str(small_clip)), 1)
    assert isinstance(built, JobResult)
    assert not built.was_there
    copy = Place.of(f"{bucket}/data-set/{small_clip.name}")
    for path in small_clip.iterdir():
        (copy / path.name).write(path.read_bytes())
    assert work(ClipJob(str(copy)), 1) == JobResult(built.key, was_there=True)
    assert len(list((out / COPIES).iterdir())) == 1
    shutil.rmtree(tmp_path / "clips")  # the cache: a recording that is known is not copied again
    assert work(ClipJob(str(copy)), 1) == JobResult(built.key, was_there=True)
    assert not list((tmp_path / "clips").glob("*"))

    shutil.rmtree(out / "clips" / built.key)
    with claimed(Place.of(out) / CLAIMS / built.key, "", 0) as other:
        assert isinstance(other, Held)
        assert isinstance(work(ClipJob(str(small_clip)), 1), Postponed)
    assert not (out / "clips" / built.key).exists()


def test_a_recording_without_labels_fails(small_clip: Path, tmp_path: Path) -> None:
    shutil.copytree(small_clip, tmp_path / "drive")
    (tmp_path / "drive" / "ego.parquet").unlink()
    with pytest.raises(ClipError, match="steering labels"):
        units(tmp_path / "set", tmp_path)(ClipJob(str(tmp_path / "drive")), 1)
