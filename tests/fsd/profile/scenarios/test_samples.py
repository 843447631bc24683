from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.data.errors import UsageError
from fsd.profile.scenarios.samples import STAGES, TickSamples, TickTimes, read_latencies, write_samples

MS = 1_000_000


def run_of(latencies_ms: list[float | None], gap_ms: float = 0.0) -> TickSamples:
    """A run whose stages all last an eighth of the total, plus `gap_ms` that no stage accounts for."""
    samples = TickSamples(len(latencies_ms))
    for tick, latency_ms in enumerate(latencies_ms):
        if latency_ms is not None:
            due_ns = 1_000 * MS + tick * 28 * MS
            planned_ns = due_ns + int(latency_ms * MS)
            done_ns = planned_ns + int(gap_ms * MS)
            times = TickTimes(due_ns, planned_ns, done_ns, (latency_ms / 8,) * 8)
            samples.add(tick, times, np.full(8, latency_ms + 5))
    return samples


def test_latency_counts_from_when_the_tick_was_due() -> None:
    samples = run_of([8.0, 16.0])
    assert samples.latency_ms == pytest.approx([8.0, 16.0])
    assert samples.stage_ms("infer") == pytest.approx([1.0, 2.0])
    assert samples.age_ms(0) == pytest.approx([13.0, 21.0])


def test_a_skipped_tick_has_no_latency_and_is_not_planned() -> None:
    samples = run_of([8.0, None, 8.0])
    assert samples.is_planned.tolist() == [True, False, True]
    assert np.isnan(samples.latency_ms[1])
    assert len(samples.stage_ms("infer")) == 2


def test_stages_that_add_up_pass_the_check() -> None:
    check = run_of([8.0, 16.0], gap_ms=0.05).check_stages()
    assert check.is_ok
    assert check.mean_gap == pytest.approx(0.1 / 24.1)


def test_a_stage_that_is_not_measured_fails_the_check() -> None:
    check = run_of([8.0, 16.0], gap_ms=1.0).check_stages()
    assert not check.is_ok
    assert check.worst_gap == pytest.approx(1 / 9)


def test_the_table_has_one_row_per_tick_and_null_where_nothing_was_planned(tmp_path: Path) -> None:
    write_samples(tmp_path / "samples.parquet", {"constant-stream": run_of([8.0, None]), "flat-out": run_of([4.0])})
    table = pq.read_table(tmp_path / "samples.parquet")
    assert table["scenario"].to_pylist() == ["constant-stream", "constant-stream", "flat-out"]
    assert table["latency_ms"].to_pylist() == [8.0, None, 4.0]
    assert table["due_ns"].to_pylist()[0] == 0
    assert {f"{stage}_ms" for stage in STAGES} <= set(table.column_names)


def test_latencies_of_one_scenario_can_be_read_back(tmp_path: Path) -> None:
    write_samples(
        tmp_path / "samples.parquet", {"constant-stream": run_of([8.0, None, 9.0]), "flat-out": run_of([4.0])}
    )
    assert read_latencies(tmp_path / "samples.parquet", "constant-stream").tolist() == [8.0, 9.0]
    assert len(read_latencies(tmp_path / "samples.parquet", "single-stream")) == 0


def test_a_run_that_ended_early_drops_the_ticks_after_its_last_plan() -> None:
    samples = run_of([8.0, None, 9.0, None, None])
    samples.cut_after_last_plan()
    assert samples.ticks == 3


@pytest.mark.parametrize("latencies", [["fast"], [0.0], [float("inf")]])
def test_a_damaged_table_is_refused(latencies: list[object], tmp_path: Path) -> None:
    pq.write_table(pa.table({"scenario": ["single"], "latency_ms": latencies}), tmp_path / "samples.parquet")
    with pytest.raises(UsageError, match=r"samples\.parquet"):
        read_latencies(tmp_path / "samples.parquet", "single")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "samples.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"samples\.parquet"):
        read_latencies(tmp_path / "samples.parquet", "single")
