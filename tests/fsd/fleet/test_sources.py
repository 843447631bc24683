from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import ClipError
from fsd.fleet.cache import ClipCache
from fsd.fleet.keys import files_of_clip
from fsd.fleet.places import Place
from fsd.fleet.sources import clip_count, clips_in

fsspec = pytest.importorskip("fsspec", reason="needs the extra `ray`")
OUT = "memory://fleet/runs"


@pytest.fixture
def store() -> Iterator[Any]:
    """An object store in memory with two recordings of two videos, a video file, and results."""
    fs = fsspec.filesystem("memory")
    for path in (
        "drives/mon/front.mp4",
        "drives/mon/rear.mp4",
        "drives/week/tue/front.mp4",
        "drives/week/tue/rear.mp4",
    ):
        fs.pipe_file(f"/fleet/{path}", path.encode() * 10)
    fs.pipe_file("/fleet/alone.mp4", b"video")
    fs.pipe_file("/fleet/alone.timestamps.parquet", b"times")
    fs.pipe_file("/fleet/alone2.mp4", b"another video")
    fs.pipe_file("/fleet/runs/clips/KEY/overlay.mp4", b"result")
    yield fs
    fs.store.clear()


def test_a_folder_of_an_object_store_is_searched_and_results_are_left_out(store: Any) -> None:
    assert list(clips_in(["memory://fleet/drives"], Place.of(OUT))) == [
        "memory://fleet/drives/mon",
        "memory://fleet/drives/week/tue",
    ]
    assert "memory://fleet/runs/clips/KEY" not in list(clips_in(["memory://fleet"], Place.of(OUT)))
    assert clip_count(["memory://fleet/drives"]) is None


def test_a_pattern_names_recordings(store: Any) -> None:
    assert list(clips_in(["memory://fleet/drives/m*"], Place.of(OUT))) == ["memory://fleet/drives/mon"]
    with pytest.raises(ClipError, match="nothing"):
        list(clips_in(["memory://fleet/none*"], Place.of(OUT)))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_names_recordings_beside_it_or_anywhere(suffix: str, tmp_path: Path) -> None:
    manifest = tmp_path / f"drives.{suffix}"
    paths = ["mon", "/data/tue", "s3://bucket/wed"]
    if suffix == "csv":
        manifest.write_text("city,path\n" + "".join(f"x,{path}\n" for path in paths))
    else:
        pq.write_table(pa.table({"path": paths, "city": ["x"] * 3}), manifest)
    expected = [str(tmp_path / "mon"), *paths[1:]]
    assert list(clips_in([str(manifest)], Place.of(tmp_path / "out"))) == expected
    assert clip_count([str(manifest)]) == 3


def test_a_manifest_without_a_column_of_paths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "drives.csv").write_text("city\nx\n")
    with pytest.raises(ClipError, match="city"):
        list(clips_in([str(tmp_path / "drives.csv")], Place.of(tmp_path / "out")))


def test_a_video_brings_the_files_of_its_name(store: Any) -> None:
    names = [each["name"] for each in files_of_clip(Place.of("memory://fleet/alone.mp4"))]
    assert names == ["/fleet/alone.mp4", "/fleet/alone.timestamps.parquet"]
    with pytest.raises(ClipError):
        files_of_clip(Place.of("memory://fleet/none"))


def copied(cache: ClipCache, url: str) -> list[str]:
    clip = Place.of(url)
    with cache.local(clip, clip.name, files_of_clip(clip)) as path:
        found = path.rglob("*") if path.is_dir() else path.parent.iterdir()
        return sorted(each.name for each in found if each.is_file())


def test_the_cache_holds_no_more_than_its_bound(store: Any, tmp_path: Path) -> None:
    sizes = [
        sum(each["size"] for each in files_of_clip(Place.of(f"memory://fleet/drives/{name}")))
        for name in ("mon", "week/tue")
    ]
    cache = ClipCache(tmp_path, max(sizes))
    assert copied(cache, "memory://fleet/drives/mon") == ["front.mp4", "rear.mp4"]
    assert copied(cache, "memory://fleet/drives/week/tue") == ["front.mp4", "rear.mp4"]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tue"]
    assert copied(cache, "memory://fleet/alone.mp4") == ["alone.mp4", "alone.timestamps.parquet"]
    with pytest.raises(ClipError, match="--cache-gb"):
        copied(ClipCache(tmp_path, 10), "memory://fleet/drives/mon")


def test_a_copy_that_was_not_finished_is_made_again(store: Any, tmp_path: Path) -> None:
    (tmp_path / "mon" / "content" / "mon").mkdir(parents=True)
    (tmp_path / "mon" / "content" / "mon" / "left.mp4").write_bytes(b"half")
    (tmp_path / "mon" / "entry.json").write_text('{"size_bytes": 100}')
    assert copied(ClipCache(tmp_path, 1000), "memory://fleet/drives/mon") == ["front.mp4", "rear.mp4"]
