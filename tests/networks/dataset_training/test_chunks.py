"""Chunks cover the rows of a part once, and tell nothing that is not to be learned."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import UsageError
from fsd.networks.dataset import episode_shapes
from fsd.networks.dataset_training import chunks as chunks_module
from fsd.networks.dataset_training.chunks import Chunk, RecordedChunks, TimeCut, simulated_chunks
from fsd.networks.drives.recorded_dataset import INDEX_FILE
from tests.networks.dataset_training._made import SMALL, write_dataset, write_episodes


def test_a_part_is_divided_into_chunks(drives: Path) -> None:
    source = RecordedChunks(drives, SMALL.budget, "train", chunk_rows=10)
    assert source.chunks == tuple(Chunk(clip, begin, min(begin + 10, 24)) for clip in (0, 1) for begin in (0, 10, 20))
    least = RecordedChunks(drives, SMALL.budget, "train", least_rows=5, chunk_rows=10)
    assert len(least.chunks) == 4


def test_rows_have_the_arrays_of_an_episode_whatever_is_read(drives: Path) -> None:
    source = RecordedChunks(drives, SMALL.budget, "validation", chunk_rows=10)
    chunk = source.chunks[1]
    rows = source.read(chunk, [0, 7])
    assert rows.keys() == episode_shapes(SMALL.budget).keys()
    labels = source.labels(chunk)
    for name, values in labels.items():
        np.testing.assert_array_equal(values[[0, 7]], rows[name], err_msg=name)
    np.testing.assert_array_equal(source.commit_slots(chunk)[[0, 7]], rows["commit_slots"])


def test_rows_that_are_left_out_have_no_labels(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "drives", {"a": ("train", 12)})
    table = pq.read_table(folder / INDEX_FILE).to_pydict()
    table = {name: values * 2 for name, values in table.items()} | {"begin": [0, 6], "end": [6, 12]}
    table["is_used"] = [True, False]
    pq.write_table(pa.table(table, schema=pq.read_schema(folder / INDEX_FILE)), folder / INDEX_FILE)
    source = RecordedChunks(folder, SMALL.budget, "train")
    assert source.is_used(source.chunks[0]).tolist() == [True] * 6 + [False] * 6
    rows = source.read(source.chunks[0], range(12))
    for name in ("trajectory", "curvature", "acceleration"):
        assert np.isfinite(rows[name][:6]).all()
        assert np.isnan(rows[name][6:]).all()


def test_a_cut_in_time_divides_a_clip_and_hides_what_comes_after_it(drives: Path) -> None:
    before, after = (RecordedChunks(drives, SMALL.budget, None, TimeCut(1.5, is_before)) for is_before in (True, False))
    assert before.cuts_s == {"a": 1.5, "b": 1.5, "c": 1.5}
    assert [(chunk.begin, chunk.end) for chunk in before.chunks] == [(0, 14)] * 3  # ticks 0 to 52 of 54
    assert [(chunk.begin, chunk.end) for chunk in after.chunks] == [(16, 24)] * 3  # from 1.75 s, tick 63
    labels = before.labels(before.chunks[0])
    left_s = 1.5 - np.arange(14) / 9
    known = np.isfinite(labels["trajectory"]).all(axis=-1)
    np.testing.assert_array_equal(known, left_s[:, None] >= 0.25 * np.arange(1, 17) - 1e-9)
    np.testing.assert_array_equal(np.isfinite(labels["curvature"][:, 0]), left_s >= 0.25 - 1e-9)
    assert np.isfinite(after.labels(after.chunks[0])["trajectory"]).all()


def test_ego_motion_can_be_left_out(drives: Path) -> None:
    source = RecordedChunks(drives, SMALL.budget, "train", has_ego=False)
    rows = source.read(source.chunks[0], [1])
    assert not rows["ego"].any()
    assert not rows["ego_valid"].any()


def test_simulated_episodes_are_chunks_with_whole_worlds_held_out(tmp_path: Path) -> None:
    learned, held_out = simulated_chunks(write_episodes(tmp_path, 6, 3), SMALL.budget, 0.5)
    assert 0 < len(learned.chunks) < 6
    assert len(learned.chunks) + len(held_out.chunks) == 6
    rows = learned.read(learned.chunks[0], [2])
    assert rows.keys() == episode_shapes(SMALL.budget).keys()
    assert rows["curvature"] == np.float32(0.01)
    with pytest.raises(UsageError):
        simulated_chunks(tmp_path, SMALL.budget, 0.999999)


def test_chunks_last_half_a_minute() -> None:
    assert chunks_module.CHUNK_ROWS == 30 * 9
