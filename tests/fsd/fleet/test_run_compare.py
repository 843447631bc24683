import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.compare.config import CompareConfig
from fsd.data.errors import UsageError
from fsd.fleet.collect import collect
from fsd.fleet.run_compare import compare_whole_runs
from fsd.fleet.tables import results_in
from fsd.scoring.bootstrap import bootstrap
from tests.fsd._pages import checked

Write = Callable[..., Path]
ERRORS_M = (0.5, 0.7, 0.9, 1.1)


@pytest.fixture(scope="module")
def runs(write_batch: Write, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and one of another model whose errors are 0.1 m to 0.13 m larger."""
    folder = tmp_path_factory.mktemp("runs")
    a = write_batch(folder / "a", ERRORS_M)
    b = write_batch(folder / "b", [error + 0.1 + 0.01 * index for index, error in enumerate(ERRORS_M)], model="b" * 32)
    for out in (a, b):
        collect(results_in(out))
    return a, b


def test_a_run_does_not_differ_from_itself(runs: tuple[Path, Path]) -> None:
    result = compare_whole_runs(CompareConfig(runs[0], runs[0], {"ade_3s_m": 0.0, "path_m": 0.0}))
    assert result.within_tolerance is True
    assert {change.verdict for change in result.changes.values()} == {"within noise"}


def test_recordings_are_paired_and_their_changes_resampled(runs: tuple[Path, Path]) -> None:
    result = compare_whole_runs(CompareConfig(*runs))
    change, expected = result.changes["ade_3s_m"], bootstrap([0.1, 0.11, 0.12, 0.13])
    assert (result.common_clips, change.clips, change.verdict) == (4, 4, "worse")
    assert (change.mean_a, change.change) == (pytest.approx(0.8), pytest.approx(0.115))
    assert (change.low_95, change.high_95) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert change.worst_change == pytest.approx(0.13)
    back = compare_whole_runs(CompareConfig(runs[1], runs[0])).changes["ade_3s_m"]
    assert (back.verdict, back.change) == ("better", pytest.approx(-0.115))


def test_one_recording_has_no_interval_and_no_verdict(
    write_batch: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write_batch(tmp_path / name, [error]) for name, error in (("a", 0.5), ("b", 0.6))]
    for out in folders:
        collect(results_in(out))
    assert main(["compare", *map(str, folders), "--page", str(tmp_path / "page.html")]) == 0
    assert "no interval   one clip" in capsys.readouterr().out
    assert "one clip: no interval" in checked(tmp_path / "page.html").text
    assert main(["compare", *map(str, folders), "--tolerance", "ade_3s_m=0.05"]) == OVER_LIMIT


@pytest.mark.parametrize(("limit", "code"), [("ade_3s_m=0.13", 0), ("ade_3s_m=0.116", OVER_LIMIT), ("0", 0)])
def test_the_exit_code_is_that_of_the_upper_end_of_the_interval(
    runs: tuple[Path, Path], limit: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, runs), "--tolerance", limit, "--json"]) == code
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["within_tolerance"] is (code == 0)


def test_a_recording_of_one_run_only_breaks_a_tolerance(
    runs: tuple[Path, Path], write_batch: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = write_batch(tmp_path / "fewer", ERRORS_M[:3], model="c" * 32)
    collect(results_in(fewer))
    assert main(["compare", str(runs[0]), str(fewer)]) == 0
    assert main(["compare", str(runs[0]), str(fewer), "--tolerance", "ade_3s_m=9"]) == OVER_LIMIT
    assert "in A only" in capsys.readouterr().out


def test_a_limit_on_what_nobody_knows_is_not_kept(write_batch: Write, tmp_path: Path) -> None:
    out = write_batch(tmp_path / "out", [0.5], scores=None)
    collect(results_in(out))
    result = compare_whole_runs(CompareConfig(out, out, {"ade_3s_m": 9.0}))
    assert (result.over, result.within_tolerance) == (("ade_3s_m",), False)


def test_one_of_several_runs_is_named_by_its_folder(
    runs: tuple[Path, Path], write_batch: Write, tmp_path: Path
) -> None:
    both = write_batch(tmp_path / "both", [0.5])
    write_batch(both / "more", [0.6], model="b" * 32)
    (both / "more" / "c0").rename(both / "c9")
    collect(results_in(both))
    with pytest.raises(UsageError, match="aaaaaa555555"):
        compare_whole_runs(CompareConfig(both, runs[0]))
    named = both / "tables" / "clips" / "run=aaaaaa555555"
    assert compare_whole_runs(CompareConfig(named, runs[0])).common_clips == 1


def test_what_cannot_be_compared_is_refused(runs: tuple[Path, Path], write_batch: Write, tmp_path: Path) -> None:
    assert main(["compare", str(runs[0]), str(runs[0] / "c0")]) == 2
    assert main(["compare", str(runs[0] / "c0"), str(runs[0] / "c0"), "--tolerance", "ade_3s_m=1"]) == 2
    bare = write_batch(tmp_path / "bare", [0.5])
    with pytest.raises(UsageError, match="fsd collect"):
        compare_whole_runs(CompareConfig(bare, bare))


def test_the_page_shows_the_changes_and_asks_no_network(runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    compare_whole_runs(CompareConfig(*runs, {"ade_3s_m": 0.01}, page))
    found = checked(page)
    assert found.headings == ["Changes", "Recordings", "Differences of plans", "What was compared"]
    assert "worse" in found.text


def test_resampling_in_parts_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=50).tolist()
    whole = bootstrap(values)
    monkeypatch.setattr("fsd.scoring.bootstrap._DRAWN_AT_ONCE", 700)
    assert bootstrap(values) == whole
