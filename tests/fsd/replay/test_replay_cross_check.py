"""`fsd replay --cross-check`: columns, summary, report, exit code."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.replay.config import ReplayConfig
from fsd.replay.fingerprint import fingerprint
from fsd.runtime.divergence import UNITS
from fsd.runtime.engine import packaged_model
from fsd.runtime.second_network import SecondNetwork
from tests.fsd._pages import checked

TICKS = 12
EXACT = [f"{name}=0" for name in UNITS]


@pytest.fixture(scope="module")
def moved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model with its acceleration 0.25 m/s² higher: a fault of the plan alone."""
    onnx = pytest.importorskip("onnx")
    from fsd.export.metadata import read_metadata, write_model

    model = onnx.load(packaged_model())
    output = next(node for node in model.graph.node if "acceleration" in node.output)
    output.output[list(output.output).index("acceleration")] = "acceleration_before"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.full(1, 0.25, np.float32), "fault"))
    model.graph.node.append(onnx.helper.make_node("Add", ["acceleration_before", "fault"], ["acceleration"]))
    path = tmp_path_factory.mktemp("model") / "moved.onnx"
    write_model(model, read_metadata(packaged_model()), path)
    return path


@pytest.fixture(scope="module")
def alarmed(small_clip: Path, moved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Exit code and results of a replay whose second network has the fault."""
    out = tmp_path_factory.mktemp("alarmed") / "out"
    words = ["--no-overlay", "--no-mcap", "--max-ticks", str(TICKS), "--out", str(out)]
    tolerance = ["--cross-check-tolerance", *EXACT]
    return main(["replay", str(small_clip), *words, "--cross-check", str(moved_model), *tolerance]), out


@pytest.fixture(scope="module")
def summary(alarmed: tuple[int, Path]) -> ReplaySummary:
    return load_summary(alarmed[1] / "summary.json", ReplaySummary)


def test_an_alarm_ends_in_the_exit_code_of_an_exceeded_limit(alarmed: tuple[int, Path], summary: ReplaySummary) -> None:
    assert alarmed[0] == 7
    assert summary.status == "complete"


def test_the_summary_names_tick_output_and_part(summary: ReplaySummary) -> None:
    check = summary.cross_check
    assert check is not None
    assert check.first_alarm is not None
    assert msgspec.to_builtins(check.first_alarm) == {"tick": 0, "part": "plan", "output": "acceleration"}
    assert (check.alarm_ticks, check.first_tick, check.alarms) == (TICKS, {"plan": 0}, {"plan:acceleration": TICKS})
    assert check.divergence["acceleration_mps2"].max == pytest.approx(0.25)
    assert check.divergence["waypoints_m"].max == check.divergence["state"].max == 0.0
    assert check.second_ms is not None
    assert check.share_of_tick is not None
    assert 0 < check.share_of_tick < 1


def test_every_tick_has_its_divergence(alarmed: tuple[int, Path]) -> None:
    ticks = pq.read_table(alarmed[1] / "ticks.parquet")
    assert ticks["cross_check_acceleration_mps2"].to_numpy() == pytest.approx(np.full(TICKS, 0.25))
    assert ticks["cross_check_alarms"].to_pylist() == [["plan:acceleration"]] * TICKS
    assert (ticks["cross_check_ms"].to_numpy() > 0).all()


def test_the_report_shows_divergence_and_alarms(alarmed: tuple[int, Path]) -> None:
    page = checked(alarmed[1] / "report.html")
    assert "Second network" in page.headings
    assert "plan:acceleration" in page.text
    assert 0 < page.text.index("Alarm.") < page.text.index("Second network")


def test_every_new_column_and_difference_is_documented(alarmed: tuple[int, Path]) -> None:
    folder = Path(__file__).resolve().parents[3] / "docs"
    outputs, page = ((folder / name).read_text(encoding="utf-8") for name in ("outputs.md", "cross_check.md"))
    for column in pq.read_schema(alarmed[1] / "ticks.parquet").names:
        assert f"`{column}`" in outputs
    for field in json.loads((alarmed[1] / "summary.json").read_text())["cross_check"]:
        assert f"`{field}`" in page
    assert all(f"`{name}`" in page for name in UNITS)


def test_a_difference_within_the_tolerance_is_no_alarm(small_clip: Path, moved_model: Path, tmp_path: Path) -> None:
    words = ["--no-overlay", "--no-mcap", "--no-report", "--max-ticks", "2", "--out", str(tmp_path)]
    assert main(["replay", str(small_clip), *words, "--cross-check", f"{moved_model}@cpu:2"]) == 0
    check = load_summary(tmp_path / "summary.json", ReplaySummary).cross_check
    assert check is not None
    assert (check.kind, check.second.threads, check.alarm_ticks) == ("precision", 2, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["--cross-check", "gpu"],
        ["--cross-check", "cpu:2", "--cross-check-tolerance", "metres=1"],
        ["--cross-check", "cpu:2", "--cross-check-tolerance", "waypoints_m=-1"],
        ["--cross-check-tolerance", "waypoints_m=1"],
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    small_clip: Path, tmp_path: Path, words: list[str]
) -> None:
    assert main(["replay", str(small_clip), "--out", str(tmp_path / "out"), *words]) == 2
    assert not (tmp_path / "out").exists()


def test_results_are_not_kept_for_another_second_network(small_clip: Path, moved_model: Path, tmp_path: Path) -> None:
    def made_from(second: SecondNetwork | None) -> object:
        return fingerprint(ReplayConfig(clip=small_clip, out=tmp_path, cross_check=second))

    seconds = (
        None,
        SecondNetwork(device="cpu", threads=2),
        SecondNetwork(moved_model),
        SecondNetwork(packaged_model()),
    )
    assert len({str(made_from(second)) for second in seconds}) == len(seconds)
