import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.compare.compare import compare_replays
from fsd.compare.config import CompareConfig
from fsd.data.errors import OutputError, UsageError
from tests.fsd._pages import checked

WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def a(write_run: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("compare") / "a")


@pytest.fixture(scope="module")
def swerving(write_run: WriteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("compare") / "b", side_step_m=0.25)


def test_a_run_does_not_differ_from_itself(a: Path) -> None:
    result = compare_replays(CompareConfig(a, a, {"path_m": 0.0}))
    assert result.within_tolerance is True
    assert result.first_different_plan_tick is None
    assert all(spread.max == 0 for spread in result.differences.values())


def test_a_difference_is_given_in_metres_with_the_tick_it_is_largest_at(a: Path, swerving: Path) -> None:
    spread = compare_replays(CompareConfig(a, swerving)).differences["path_m"]
    assert spread.max == pytest.approx(0.25)
    assert spread.max_tick == 20
    assert spread.median == 0


def test_the_first_divergence_is_found_in_the_hashes(a: Path, swerving: Path) -> None:
    result = compare_replays(CompareConfig(a, swerving))
    assert result.first_different_plan_tick == 20
    assert result.first_different_input_tick is None


def test_the_order_of_the_runs_does_not_change_the_differences(a: Path, swerving: Path) -> None:
    assert (
        compare_replays(CompareConfig(a, swerving)).differences
        == compare_replays(CompareConfig(swerving, a)).differences
    )


@pytest.mark.parametrize(("limit", "code"), [("0.3", 0), ("path_m=0.25", 0), ("path_m=0.2", OVER_LIMIT)])
def test_the_exit_code_says_whether_the_tolerance_holds(
    a: Path, swerving: Path, limit: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(a), str(swerving), "--tolerance", limit]) == code
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert bool(re.search(r"\b1 of 40\b.*\b20\b", verdict)) == (code != 0)


def test_runs_of_different_length_are_compared_where_they_overlap(a: Path, write_run: WriteRun, tmp_path: Path) -> None:
    late = write_run(tmp_path / "late", first_tick=30)
    result = compare_replays(CompareConfig(a, late))
    assert (result.common_ticks, result.ticks_only_in_a, result.ticks_only_in_b) == (10, 30, 30)


def test_ticks_of_one_run_only_break_a_tolerance(a: Path, write_run: WriteRun, tmp_path: Path) -> None:
    short = write_run(tmp_path / "short", ticks=10)
    assert main(["compare", str(a), str(short), "--tolerance", "1"]) == OVER_LIMIT


def test_runs_of_different_clips_are_refused(a: Path, write_run: WriteRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="other"):
        compare_replays(CompareConfig(a, write_run(tmp_path / "other", first_tick=1000)))


def test_a_folder_without_a_replay_is_named(a: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"summary\.json"):
        compare_replays(CompareConfig(a, tmp_path))


def test_an_unknown_difference_is_refused_with_the_known_ones(a: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(a), str(a), "--tolerance", "path=1"]) == 2
    assert "path_m" in capsys.readouterr().err


def test_json_is_complete_even_over_tolerance(a: Path, swerving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(a), str(swerving), "--tolerance", "0", "--json"]) == OVER_LIMIT
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["within_tolerance"] is False


def test_the_page_shows_both_runs_and_asks_no_network(a: Path, swerving: Path, tmp_path: Path) -> None:
    page = tmp_path / "differences.html"
    compare_replays(CompareConfig(a, swerving, {"path_m": 0.1}, page))
    text = checked(page).text
    assert "tolerance 0.1" in text
    assert re.search(r"\b1 of 40\b.*\b20\b", text)
    assert str(swerving) in text


def test_differences_that_are_zero_at_every_tick_are_not_drawn(a: Path, swerving: Path, tmp_path: Path) -> None:
    compare_replays(CompareConfig(a, swerving, page=tmp_path / "page.html"))
    assert all(
        name in checked(tmp_path / "page.html").text for name in ("heading", "speed", "curvature", "acceleration")
    )
    assert (tmp_path / "page.html").read_text().count('<figure class="chart"') == 1


def test_a_page_replaces_only_a_page_of_a_comparison(a: Path, swerving: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["compare", str(a), str(swerving), "--page", str(page)]
    assert main(words) == main(words) == 0
    page.write_text("<title>mine</title>")
    assert main(words) == OutputError.exit_code
    assert page.read_text() == "<title>mine</title>"


def test_a_page_never_replaces_a_table(a: Path, swerving: Path) -> None:
    before = (a / "plan.parquet").read_bytes()
    assert main(["compare", str(a), str(swerving), "--page", str(a / "plan.parquet")]) == 2
    assert (a / "plan.parquet").read_bytes() == before


def test_a_page_that_cannot_be_written_is_an_output_error(a: Path, swerving: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for page in (tmp_path / "file" / "page.html", tmp_path / "missing" / "page.html"):
        assert main(["compare", str(a), str(swerving), "--page", str(page)]) == 6


def without(table: pa.Table, name: str) -> pa.Table:
    return table.drop_columns([name])


def as_text(table: pa.Table, name: str) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(["x"] * table.num_rows))


def with_an_empty_value(table: pa.Table, name: str) -> pa.Table:
    values = [None, *table[name].to_pylist()[1:]]
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


def backwards(table: pa.Table, name: str) -> pa.Table:
    return table.take(list(range(table.num_rows))[::-1])


def not_finite(table: pa.Table, name: str) -> pa.Table:
    values = [float("nan"), *table[name].to_pylist()[1:]]
    return table.set_column(table.column_names.index(name), name, pa.array(values, pa.float32()))


@pytest.mark.parametrize(
    ("damage", "file", "column"),
    [
        (without, "ticks", "compress_ms"),
        (without, "plan", "tick"),
        (as_text, "plan", "x_m"),
        (with_an_empty_value, "plan", "t_ns"),
        (with_an_empty_value, "ticks", "infer_ms"),
        (backwards, "plan", "t_ns"),
        (not_finite, "plan", "curvature_per_m"),
    ],
)
def test_a_damaged_table_is_refused(
    damage: Callable[[pa.Table, str], pa.Table], file: str, column: str, a: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 6)
    pq.write_table(damage(pq.read_table(run / f"{file}.parquet"), column), run / f"{file}.parquet")
    with pytest.raises(UsageError, match="run"):
        compare_replays(CompareConfig(a, run))
