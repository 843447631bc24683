from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.outputs.journal import TableJournal, read_table

SCHEMA = pa.schema([("tick", pa.int32()), ("pose", pa.list_(pa.float32(), 3)), ("health", pa.string())])


def row(tick: int) -> dict[str, object]:
    return {"tick": tick, "pose": np.arange(3, dtype=np.float32) + tick, "health": "ok"}


def test_a_finished_table_is_parquet_and_the_journal_is_gone(tmp_path: Path) -> None:
    with closing(TableJournal(tmp_path / "plan.parquet", SCHEMA, flush_rows=4)) as journal:
        for tick in range(10):
            journal.append(row(tick))
    table = pq.read_table(tmp_path / "plan.parquet")
    assert table["tick"].to_pylist() == list(range(10))
    assert table["pose"][9].as_py() == [9.0, 10.0, 11.0]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.parquet"]


def test_an_empty_table_is_still_a_table(tmp_path: Path) -> None:
    TableJournal(tmp_path / "plan.parquet", SCHEMA).close()
    assert read_table(tmp_path / "plan.parquet").num_rows == 0


def test_an_exception_inside_keeps_the_rows_before_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), closing(TableJournal(tmp_path / "plan.parquet", SCHEMA)) as journal:
        journal.append(row(0))
        raise RuntimeError
    assert read_table(tmp_path / "plan.parquet").num_rows == 1


@pytest.mark.parametrize("torn_bytes", [0, 1, 100])
def test_a_killed_run_leaves_its_whole_batches(tmp_path: Path, torn_bytes: int) -> None:
    journal = TableJournal(tmp_path / "plan.parquet", SCHEMA, flush_rows=4)
    for tick in range(10):
        journal.append(row(tick))
    stream = tmp_path / "plan.arrows"
    content = stream.read_bytes()  # as on the disk of a machine that lost power now
    stream.write_bytes(content[: len(content) - torn_bytes])
    ticks = read_table(tmp_path / "plan.parquet")["tick"].to_pylist()
    assert ticks == list(range(8 if torn_bytes == 0 else 4))


def test_a_run_killed_before_its_first_batch_leaves_an_empty_table(tmp_path: Path) -> None:
    TableJournal(tmp_path / "plan.parquet", SCHEMA).append(row(0))
    assert read_table(tmp_path / "plan.parquet").schema == SCHEMA
    (tmp_path / "plan.arrows").write_bytes(b"")  # killed between opening the file and its first byte
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "plan.parquet")


def test_a_table_longer_than_a_row_group_comes_back_whole(tmp_path: Path) -> None:
    with closing(TableJournal(tmp_path / "plan.parquet", SCHEMA, flush_rows=1)) as journal:
        for tick in range(250):
            journal.append(row(tick))
    assert read_table(tmp_path / "plan.parquet")["tick"].to_pylist() == list(range(250))
