import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import UsageError
from fsd.fleet import tables as tables_module
from fsd.fleet.collect import collect
from fsd.fleet.table_schemas import TABLES, table_schema
from fsd.fleet.tables import add_unit, read_rows, results_in, runs_in
from fsd.fleet.units import CLIPS, RUNS, Unit, as_json

Write = Callable[..., Path]
TICKS = 40


@pytest.fixture(scope="module")
def collected(write_batch: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = write_batch(tmp_path_factory.mktemp("fleet") / "out", [0.5, 0.7, 0.9])
    collect(results_in(out))
    return out


@pytest.fixture
def out(collected: Path, tmp_path: Path) -> Path:
    return shutil.copytree(collected, tmp_path / "out")


def rows(out: Path, table: str) -> list[dict[str, object]]:
    (run,) = runs_in(results_in(out))
    return pa.concat_tables(read_rows(results_in(out), table, run)).to_pylist()


def unit(key: str, run: str) -> Unit:
    digests = dict.fromkeys(("clip_digest", "model_digest", "options_digest"), key)
    return Unit(key=key, run=run, clip=key, **digests, seconds=1.0, ticks=TICKS, attempts=2, wall_s=1.0, cpu_s=1.5)


def test_every_recording_has_its_rows_in_all_tables_once(collected: Path) -> None:
    assert [row["key"] for row in rows(collected, "clips")] == ["c0", "c1", "c2"]
    for table in ("ticks", "plans"):
        found = [(row["key"], row["tick"]) for row in rows(collected, table)]
        assert sorted(found) == [(key, tick) for key in ("c0", "c1", "c2") for tick in range(TICKS)]


def test_collecting_again_changes_nothing(out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("tables/**/*.parquet")}
    again = collect(results_in(out))
    assert (again.added, again.removed, again.clips) == (0, 0, {"aaaaaa555555": 3})
    assert {path: path.stat().st_mtime_ns for path in out.rglob("tables/**/*.parquet")} == before


def test_a_recording_added_by_two_is_counted_once(out: Path) -> None:
    (run,) = runs_in(results_in(out))
    add_unit(results_in(out), unit("c0", run), out / "c0", "c0")
    assert len(rows(out, "ticks")) == 3 * TICKS
    assert [row["attempts"] for row in rows(out, "clips")] == [2, 1, 1]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_killed_run_leaves_no_half_row_and_is_completed(
    written: int, write_batch: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of writing file `written` of the second recording."""
    out = write_batch(tmp_path / "out", [0.5, 0.7])
    write, left = tables_module._write, [len(TABLES) + written]

    def killed(path: object, table: pa.Table) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, table)  # type: ignore[arg-type]

    monkeypatch.setattr(tables_module, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        collect(results_in(out))
    assert [row["key"] for row in rows(out, "clips")] == ["c0"]
    assert all(pq.ParquetFile(path).metadata.num_rows for path in out.rglob("tables/**/*.parquet"))
    monkeypatch.undo()
    assert collect(results_in(out)).added == 1
    assert len(rows(out, "ticks")) == len(rows(out, "plans")) == 2 * TICKS


def test_results_that_were_removed_leave_the_tables(out: Path) -> None:
    shutil.rmtree(out / "c1")
    assert collect(results_in(out)).removed == 1
    assert {row["key"] for row in rows(out, "plans")} == {"c0", "c2"}


def test_an_incomplete_replay_is_not_counted(write_clip: Write, out: Path) -> None:
    write_clip(out / "c3", status="interrupted")
    assert collect(results_in(out)).added == 0


def test_runs_of_two_models_are_kept_apart(write_batch: Write, out: Path) -> None:
    write_batch(out / "more", [0.5], model="b" * 32)
    shutil.move(out / "more" / "c0", out / "c9")
    assert collect(results_in(out)).clips == {"aaaaaa555555": 3, "bbbbbb555555": 1}


def test_units_of_a_cluster_run_are_found_by_their_records(write_clip: Write, tmp_path: Path) -> None:
    complete = tmp_path / CLIPS / "run1-clip"
    write_clip(complete)
    write_clip(tmp_path / CLIPS / "run1-killed")  # without unit.json
    (complete / "unit.json").write_bytes(as_json(unit("run1-clip", "run1")))
    (tmp_path / RUNS / "run1").mkdir(parents=True)
    assert collect(results_in(tmp_path)).clips == {"run1": 1}
    (row,) = rows(tmp_path, "clips")
    assert (row["folder"], row["cpu_s"], row["attempts"]) == ("clips/run1-clip", 1.5, 2)


def test_values_come_from_the_replay(collected: Path) -> None:
    clip, tick = rows(collected, "clips")[1], rows(collected, "ticks")[20]
    assert (clip["network_ade_3s_m"], clip["constant_velocity_ade_3s_m"], clip["cpu_s"]) == (0.7, 1.0, 2.0)
    assert clip["faults"] == [{"kind": "missing", "cameras": "rear", "ticks": 4}]
    assert (tick["cameras"], tick["plan_ms"], tick["deadline_missed"]) == (8, pytest.approx(9.1), False)
    assert tick["speed_mps"] == pytest.approx(10)
    assert tick["ade_3s_m"] == pytest.approx(0, abs=1e-4)
    assert tick["cross_check_waypoints_m"] is None


def test_every_table_says_its_units(collected: Path) -> None:
    for name in TABLES:
        schema = table_schema(name)
        path = next(collected.glob(f"tables/{name}/*/*.parquet"))
        stored = pq.ParquetFile(path).schema_arrow
        assert stored.names == schema.names
        units = json.loads(stored.metadata[b"units"])
        assert all(units.get(column) for column in schema.names if column.endswith(("_m", "_s", "_ms", "_mps", "_ns")))


def test_a_folder_without_a_replay_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fsd replay"):
        collect(results_in(tmp_path))


def test_a_damaged_file_is_named(out: Path) -> None:
    path = next(out.glob("tables/clips/*/c1.parquet"))
    path.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"c1\.parquet"):
        rows(out, "clips")
