"""A data set is read by row and by drive, the same either way, and never across parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import ClipError, UsageError
from fsd.data.open_clip import open_clip
from fsd.networks.dataset import episode_shapes
from fsd.networks.drives import recorded_dataset, shards
from fsd.networks.drives.clip_builder import BuildSettings, build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, read_record
from fsd.networks.drives.recorded_dataset import INDEX_FILE, RecordedDataset, index_table


@pytest.fixture(scope="session")
def two_drives(make_drive: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 72 and 60 ticks at B400; the second has a part of its own, with a margin in between."""
    folder = tmp_path_factory.mktemp("dataset")
    records = []
    for key, ticks in (("a", 72), ("b", 60)):
        path = make_drive(folder / f"drive-{key}", ticks=ticks, seed=len(key))
        build_clip(open_clip(path), key, folder / CLIPS_FOLDER / key, BuildSettings(budgets=("B400",)))
        records.append(read_record(folder / CLIPS_FOLDER / key))
    table = index_table(records).to_pydict()
    first, second = table["end"].index(records[0].rows), len(table["clip"]) - 2
    assert first + 1 == second
    table["split"] = ["train"] * second + ["test", "test"]
    table["is_used"] = [True] * first + [False] + [True, False]
    pq.write_table(index_table(records).from_pydict(table, schema=index_table(records).schema), folder / INDEX_FILE)
    return folder


def test_a_row_read_at_random_is_the_row_read_in_order(two_drives: Path) -> None:
    data = RecordedDataset(two_drives, "B400")
    in_order = [row for drive in data.drives() for stretch in drive for row in data.rows_of(stretch)]
    assert len(in_order) == 18 + 15
    chosen = np.array([len(data) - 1, 0, 5, 5])
    rows = data.read(chosen)
    for index, row in enumerate(chosen.tolist()):
        stretch, place = data.place_of(row)
        expected = data.read_from(stretch, place, place + 1)
        for name, values in rows.items():
            np.testing.assert_array_equal(values[index], expected[name][0], err_msg=name)


def test_a_row_has_the_arrays_of_an_episode(two_drives: Path) -> None:
    data = RecordedDataset(two_drives, "B400")
    rows = data.read(np.arange(3))
    for name, (shape, dtype) in episode_shapes(data.budget).items():
        assert rows[name].shape == (3, *shape), name
        assert rows[name].dtype == dtype, name
    assert np.isnan(rows["lead"]).all()
    assert (rows["light"] == -1).all()


def test_a_part_has_its_rows_only(two_drives: Path) -> None:
    training, test = (RecordedDataset(two_drives, "B400", part) for part in ("train", "test"))
    assert {each.clip for each in training.stretches} == {"a"}
    assert {each.clip for each in test.stretches} == {"b"}
    assert len(training) + len(test) == len(RecordedDataset(two_drives, "B400"))
    with pytest.raises(IndexError):
        test.read(np.array([len(test)]))


def test_files_and_labels_that_are_kept_open_are_bounded(two_drives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_dataset, "OPEN_LABELS", 1)
    monkeypatch.setattr(shards, "OPEN_FILES", 1)
    data = RecordedDataset(two_drives, "B400")
    rows = data.read(np.array([0, len(data) - 1, 0]))
    np.testing.assert_array_equal(rows["retina"][0], rows["retina"][2])
    assert len(data._labels) == len(data._shards._open) == 1


@pytest.mark.parametrize("given", [{"part": "dev"}, {"budget": "B7"}])
def test_what_does_not_exist_is_refused(two_drives: Path, given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        RecordedDataset(two_drives, **{"budget": "B400", **given})


def test_another_budget_and_another_folder_are_refused(two_drives: Path, tmp_path: Path) -> None:
    for folder, budget in ((two_drives, "B100"), (tmp_path, "B400")):
        with pytest.raises(ClipError):
            RecordedDataset(folder, budget)


def test_shards_are_divided_into_files(
    make_drive: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS_PER_FILE", 4)
    clip = open_clip(make_drive(tmp_path / "drive", ticks=40))
    build_clip(clip, "key", tmp_path / CLIPS_FOLDER / "key", BuildSettings(budgets=("B400",)))
    folder = tmp_path / CLIPS_FOLDER / "key"
    assert len(list(folder.glob("*.arrow"))) == 3
    pq.write_table(index_table([read_record(folder)]), tmp_path / INDEX_FILE)
    data = RecordedDataset(tmp_path, "B400")
    ages = [row["tick"] for row in data.rows_of(data.stretches[0])]
    assert ages == list(range(0, 40, 4))
