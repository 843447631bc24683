import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.fleet.run_page import page_name
from fsd.fleet.run_totals import ErrorCounts, speed_band
from fsd.fleet.table_schemas import TABLES
from fsd.fleet.tables import read_rows, results_in
from fsd.fleet.units import FAILURES_SCHEMA, run_folder
from tests.fsd._pages import outline

Write = Callable[..., Path]
RUN = "aaaaaa555555"
DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def out(write_batch: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three recordings and a failure, the first again with another model, tables and pages."""
    folder = write_batch(tmp_path_factory.mktemp("page") / "out", [0.5, 2.0, 0.9])
    write_batch(folder / "more", [0.6], model="b" * 32)
    (folder / "more" / "c0").rename(folder / "other")
    failure = {"clip": "monday/broken", "status": "failed", "error": "no video for front_main"}
    (folder / "batch.json").write_text(json.dumps([failure, {**failure, "clip": "good", "status": "complete"}]))
    assert main(["collect", str(folder)]) == 0
    return folder


def test_the_page_counts_recordings_hours_faults_and_failures(out: Path) -> None:
    text = outline((out / page_name(RUN)).read_text(encoding="utf-8")).text
    hours = 3 * 40 / 36 / 3600
    assert f"{hours:.3g}" in text
    assert f"{3 * 40 / 36 / (3 * 2.0):.3g}" in text  # 2 s of CPU time each
    assert "12 ticks, 3 recordings" in text
    assert "no video for front_main" in text
    assert "good" not in text.split()


def test_the_worst_moment_comes_first_and_leads_to_its_report(out: Path) -> None:
    html = (out / page_name(RUN)).read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]*report\.html[^"]*)"', html)
    assert links == ["c1/report.html#gallery-1", "c2/report.html#gallery-1", "c0/report.html#gallery-1"]
    assert all((out / link.partition("#")[0]).exists() for link in links)


def test_the_page_asks_no_network(out: Path) -> None:
    html = (out / page_name(RUN)).read_text(encoding="utf-8")
    found = outline(html)
    assert found.mismatches == []
    assert all(address.startswith(("data:", "#")) or "report.html" in address for address in found.addresses)
    assert "default-src &#39;none&#39;" in html


def test_failures_of_a_cluster_run_are_those_of_its_list(out: Path, tmp_path: Path) -> None:
    from fsd.fleet.run_failures import failures_of

    row = dict.fromkeys(FAILURES_SCHEMA.names) | {"clip": "s3://a/b", "kind": "killed", "reason": "out of memory"}
    folder = run_folder(results_in(tmp_path), "r").local
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row], FAILURES_SCHEMA), folder / "failures.parquet")
    assert [each.kind for each in failures_of(results_in(tmp_path), "r")] == ["killed"]
    assert failures_of(results_in(tmp_path), "another") == []


def test_quantiles_of_counted_errors_are_those_of_the_errors() -> None:
    errors_m = np.abs(np.random.default_rng(0).normal(size=5000))
    counts = ErrorCounts()
    for part in np.array_split(np.append(errors_m, np.nan), 7):
        counts.add(part)
    assert counts.ticks == 5000
    assert counts.mean_m == pytest.approx(errors_m.mean())
    for share in (0.1, 0.5, 0.99):
        assert counts.quantile_m(share) == pytest.approx(np.quantile(errors_m, share), rel=0.024)


def test_bands_of_speed_are_named_by_both_ends() -> None:
    assert (speed_band(0), speed_band(6)) == ("0 to 0.5 m/s", "over 30 m/s")


def test_every_query_of_the_documentation_has_an_answer(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs the extra `dev`")
    (tmp_path / "out").symlink_to(out)
    monkeypatch.chdir(tmp_path)
    queries = re.findall(r"^```sql\n(.*?)^```", (DOCS / "fleet.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(queries) >= 10
    answers = [duckdb.sql(query) for query in queries if not query.startswith("COPY")]
    rows = [answer.fetchall() for answer in answers]
    assert all(rows)
    worst = next(found for query, found in zip(queries, rows, strict=False) if "gallery" in query)
    assert worst[0][3] == "c1/report.html#gallery-1"
    (by_cameras,) = [found for query, found in zip(queries, rows, strict=False) if "miss_share" in query]
    assert by_cameras[0][:4] == (RUN, 8, 120, 0.0)
    duckdb.sql(next(query for query in queries if query.startswith("COPY")))
    assert duckdb.sql("SELECT count(*) FROM 'ticks/*/*.parquet'").fetchall() == [(160,)]


def test_the_documentation_lists_every_column_with_its_unit(out: Path) -> None:
    text = (DOCS / "fleet.md").read_text(encoding="utf-8")
    for table, columns in TABLES.items():
        section = text.split(f"### {table}\n")[1].split("\n#")[0]
        for name, _, unit, _ in columns:
            if name.startswith(("constant_velocity_", "hold_last_")) and table == "clips":
                continue
            (row,) = [
                line for line in section.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]
            ]
            assert unit in row, (table, name)


def test_the_documented_comparison_runs(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").symlink_to(out)
    monkeypatch.chdir(tmp_path)
    (line,) = re.findall(r"^fsd compare .*$", (DOCS / "fleet.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = line.replace("OLD", RUN).replace("NEW", RUN).split()
    assert main(words[1:]) == 0
    assert (tmp_path / "change.html").exists()
    assert sum(table.num_rows for table in read_rows(results_in(out), "clips", RUN)) == 3
