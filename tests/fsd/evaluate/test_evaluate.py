"""`fsd evaluate`, and `fsd replay` of a data set, with the packaged network on two small drives."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.cli import main
from fsd.compression.compressor import Compressor
from fsd.data.errors import ClipError, FsdError, UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.evaluate.config import DatasetRunOptions
from fsd.evaluate.dataset_run import NetworkRun
from fsd.evaluate.evaluate import MASKS, _complete_card
from fsd.networks.drives.clip_builder import BuildSettings, build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, ClipRecord, read_record, write_record
from fsd.networks.drives.recorded_dataset import INDEX_FILE, index_table
from fsd.outputs.evaluate_summary import DatasetReplaySummary, EvaluateSummary
from fsd.outputs.summary_file import load_summary, write_summary
from fsd.runtime.engine import Engine
from tests.fsd._pages import checked

TICKS, TRAIN_ROWS, FEW_ROWS = 40, 10, 20


def cut(record: ClipRecord, key: str, part: str, rows: int) -> ClipRecord:
    """The first rows of a clip, as another clip of another drive."""
    ranges = (
        msgspec.structs.replace(each, part=part, end=min(each.end, rows)) for each in record.ranges if each.begin < rows
    )
    return msgspec.structs.replace(record, key=key, drive=f"drive {key}", ranges=tuple(ranges))


@pytest.fixture(scope="module")
def drives(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small clip, every tick, as a drive to test on; its begin as another, and as one to train on."""
    folder = tmp_path_factory.mktemp("drives")
    settings = BuildSettings(budgets=(Engine().budget.name,), every_ticks=1)
    built = build_clip(open_clip(small_clip), "b", folder / CLIPS_FOLDER / "b", settings)
    for key in ("a", "c"):
        shutil.copytree(folder / CLIPS_FOLDER / "b", folder / CLIPS_FOLDER / key)
    records = [
        cut(built, *each) for each in (("a", "train", TRAIN_ROWS), ("b", "test", TICKS), ("c", "test", FEW_ROWS))
    ]
    pq.write_table(index_table(records), folder / INDEX_FILE)
    write_record(folder / CLIPS_FOLDER / "a", msgspec.structs.replace(built, cameras=("front_main",)))
    write_record(folder / CLIPS_FOLDER / "c", msgspec.structs.replace(built, is_simulated=True))
    return folder


@pytest.fixture(scope="module")
def card(drives: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EvaluateSummary]:
    out = tmp_path_factory.mktemp("card")
    assert main(["evaluate", "packaged", str(drives), "--out", str(out), "--cameras", "front_main", "rear"]) == 0
    return out, load_summary(out / "summary.json", EvaluateSummary)


@pytest.fixture(scope="module")
def replayed(drives: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetReplaySummary]:
    out = tmp_path_factory.mktemp("replay")
    assert main(["replay", str(drives), "--out", str(out), "--workers", "1"]) == 0
    return out, load_summary(out / "summary.json", DatasetReplaySummary)


def test_the_held_out_part_is_scored_beside_baselines(card: tuple[Path, EvaluateSummary]) -> None:
    _, summary = card
    assert summary.status == "complete"
    data = summary.data
    assert (data.part, data.clips, data.drives, data.rows) == ("test", 2, 2, TICKS + FEW_ROWS)
    assert set(summary.planners) == {"network", "constant_velocity", "hold_last", "mean_path"}
    ade = {name: scores["ade_1s_m"] for name, scores in summary.planners.items()}
    assert {each.drives for each in ade.values()} == {2}
    assert ade["constant_velocity"].value == pytest.approx(0, abs=1e-3)  # it drives straight at 10 m/s
    assert ade["network"].value > 0
    assert summary.gains["constant_velocity"]["ade_1s_m"].value == pytest.approx(ade["network"].value, abs=1e-3)
    # Only the begin of a drive has a known path of 1 s, which is the same in both.
    assert ade["network"].low == ade["network"].high


def test_the_network_is_run_without_its_inputs(card: tuple[Path, EvaluateSummary]) -> None:
    _, summary = card
    assert set(summary.withheld) == {*MASKS, "some_cameras"}
    assert summary.runs == 1 + len(summary.withheld)
    scores = {name: each.scores["ade_1s_m"].value for name, each in summary.withheld.items()}
    assert len({summary.planners["network"]["ade_1s_m"].value, *scores.values()}) == summary.runs


def test_clips_of_a_simulator_are_counted_in_card_and_page(card: tuple[Path, EvaluateSummary]) -> None:
    out, summary = card
    assert (summary.data.simulated_clips, summary.data.clips) == (1, 2)
    assert "1 of 2 clips are from a simulator" in checked(out / "evaluate.html").text
    assert summary.network.startswith("simulation-trained")


def test_a_network_of_the_simulator_on_simulated_drives_alone_is_at_home(drives: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(drives, folder)
    for path in (folder / CLIPS_FOLDER).iterdir():
        write_record(path, msgspec.structs.replace(read_record(path), is_simulated=True))
    run = NetworkRun.open(DatasetRunOptions(), None, folder, "test")
    assert run.facts()["network"] == "trained"


def test_what_is_approximate_is_said_everywhere(card: tuple[Path, EvaluateSummary]) -> None:
    out, summary = card
    text = checked(out / "evaluate.html").text
    assert len(summary.approximate) == 3
    for sentence in summary.approximate:
        # Words between backticks are elements of their own in the page.
        assert "".join(sentence.replace("`", "").split()) in "".join(text.split())


def test_a_replay_has_the_plans_that_the_compressor_and_the_network_give(
    replayed: tuple[Path, DatasetReplaySummary], small_clip: Path
) -> None:
    plans = pq.read_table(replayed[0] / "plan.parquet", filters=[("clip", "==", "b")])
    clip, engine = open_clip(small_clip), Engine()
    compressor = Compressor(clip.rig, engine.budget)
    expected = []
    with FrameSource(clip) as source:
        for frame_set in source:
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            tick = compressor.step(frame_set, ego, None)
            valid = tick.memory_valid.copy()
            valid[tick.commit_slots[tick.commit_slots >= 0]] = 0  # as in training
            expected.append(engine.step(replace(tick, memory_valid=valid), ego, "straight")["trajectory"][:, 0].copy())
    assert plans["tick"].to_pylist() == list(range(TICKS))
    np.testing.assert_array_equal(np.stack(plans["x_m"].to_pylist()), np.stack(expected))


def test_a_replay_is_of_all_parts_and_the_same_however_many_run_at_a_time(
    replayed: tuple[Path, DatasetReplaySummary], drives: Path, tmp_path: Path
) -> None:
    out, summary = replayed
    assert main(["replay", str(drives), "--out", str(tmp_path), "--workers", "3", "--no-report"]) == 0
    again = load_summary(tmp_path / "summary.json", DatasetReplaySummary)
    assert again.plan_hash == summary.plan_hash
    assert again.planners == summary.planners
    assert not (tmp_path / "report.html").exists()
    checked(out / "report.html")
    plans, ticks = (pq.read_table(out / name) for name in ("plan.parquet", "ticks.parquet"))
    assert plans["part"].to_pylist() == ["train"] * TRAIN_ROWS + ["test"] * (TICKS + FEW_ROWS)
    assert plans["tick"] == ticks["tick"]
    assert plans["plan_hash"][-1].as_py() == summary.plan_hash
    assert plans["is_scored"].to_pylist().count(True) == summary.data.scored_rows
    assert ticks["memory_slots"].to_pylist()[0] == 0


def test_a_complete_card_is_kept_and_one_of_other_options_or_data_is_replaced(drives: Path, tmp_path: Path) -> None:
    out = tmp_path / "card"
    arguments = ["evaluate", "packaged", str(drives), "--out", str(out), "--part", "train", "--no-masks"]
    assert main(arguments) == 0
    first = (out / "summary.json").stat().st_mtime_ns
    assert json.loads((out / "summary.json").read_text())["withheld"] == {}
    assert main(arguments) == 0
    assert (out / "summary.json").stat().st_mtime_ns == first
    for changed in (["--force"], ["--workers", "1"]):
        before = (out / "summary.json").stat().st_mtime_ns
        assert main([*arguments, *changed]) == 0
        assert (out / "summary.json").stat().st_mtime_ns != before
    assert {path.name for path in out.iterdir() if path.name[0] != "."} == {"summary.json", "evaluate.html"}


def test_a_card_that_was_interrupted_is_not_kept(card: tuple[Path, EvaluateSummary], tmp_path: Path) -> None:
    out, summary = card
    shutil.copytree(out, tmp_path / "card")
    assert _complete_card(tmp_path / "card", summary.key) == summary
    write_summary(tmp_path / "card", msgspec.structs.replace(summary, status="interrupted"))
    assert _complete_card(tmp_path / "card", summary.key) is None


@pytest.mark.parametrize(
    ("part", "camera", "error"), [("validation", "rear", ClipError), ("train", "rear", UsageError)]
)
def test_an_empty_part_and_a_camera_without_video_are_refused(
    part: str, camera: str, error: type[FsdError], drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--part", part, "--cameras", "front_main", camera]
    assert main(["evaluate", "packaged", str(drives), "--out", str(out), *arguments]) == error.exit_code
    said = capsys.readouterr().err
    assert not out.exists()
    if error is UsageError:
        assert camera in said
        return
    for words in (part, "train (", "test ("):
        assert words in said


def test_a_data_set_of_another_budget_is_refused_with_both(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = build_clip(
        open_clip(small_clip), "a", tmp_path / "set" / CLIPS_FOLDER / "a", BuildSettings(budgets=("B400",))
    )
    pq.write_table(index_table([record]), tmp_path / "set" / INDEX_FILE)
    assert main(["evaluate", "packaged", str(tmp_path / "set"), "--part", "all"]) == ClipError.exit_code
    said = capsys.readouterr().err
    assert "B400" in said
    assert Engine().budget.name in said


@pytest.mark.parametrize("arguments", [["--max-ticks", "3"], ["--layout", "focus"], ["--no-overlay"]])
def test_options_of_recordings_are_refused_for_a_data_set(
    arguments: list[str], drives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(drives), *arguments]) == UsageError.exit_code
    assert arguments[0] in capsys.readouterr().err
    assert main(["replay", str(drives), str(drives)]) == UsageError.exit_code
