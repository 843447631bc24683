import math
from pathlib import Path

import pytest

from fsd.networks.train_options import DatasetTrainConfig, RecipeConfig, RecordedFitConfig, Round
from fsd.networks.training_log import TrainingLog
from fsd.training.curves_page import write_curves_page
from fsd.training.first_lines import first_lines
from fsd.training.progress import TrainingProgress
from tests.fsd._pages import checked

HOSTILE = "<script>"


def write_log(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    log = TrainingLog(folder)
    log.add(10, {"loss": 2.0, HOSTILE: 1.0})
    log.add(20, {"loss": 1.0, "validation_ade_3s_m": math.nan})


def test_every_value_of_every_round_has_a_curve(tmp_path: Path) -> None:
    for name in ("round-0", "round-1"):
        write_log(tmp_path / name)
    write_curves_page(tmp_path)
    found = checked(tmp_path / "curves.html")
    assert found.headings == ["round-0", "round-1"]
    assert found.text.count("loss: 1") == found.text.count(HOSTILE) == 2
    assert "reported once, at step 10" in found.text
    assert "validation_ade_3s_m" not in found.text  # never a number
    assert "<script>:" not in (tmp_path / "curves.html").read_text(encoding="utf-8")


def test_predictors_share_a_chart_with_the_network(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.add(1, {"loss": 2.0})
    log.add(5, {"held_out_position_m@2 s:network": 2.5, "held_out_position_m@2 s:hold last": 1.25})
    log.add(10, {"held_out_position_m@2 s:network": 1.5, "held_out_position_m@2 s:hold last": 1.25})
    write_curves_page(tmp_path)
    found = checked(tmp_path / "curves.html")
    assert found.text.count("held_out_position_m@2 s: network 1.5, hold last 1.25") == 1


def test_values_of_one_step_are_a_table(tmp_path: Path) -> None:
    TrainingLog(tmp_path).add(10, {"score_m:network": 1.5, "score_m:hold last": 1.25, "loss": 2.0})
    write_curves_page(tmp_path)
    found = checked(tmp_path / "curves.html")
    assert "reported once, at step 10 network hold last score_m 1.5 1.25 loss 2" in " ".join(found.text.split())
    assert "score_m: network" not in found.text


def test_the_page_is_drawn_when_there_is_something_to_draw(tmp_path: Path) -> None:
    with TrainingProgress(tmp_path) as progress:
        progress.report("collect 0", 1, 2, {})
        progress.report("train 0", 10, 20, {"loss": 2.0})
        assert not (tmp_path / "curves.html").exists()
        write_log(tmp_path)
        progress.report("train 0", 20, 20, {"loss": 1.0})
    assert checked(tmp_path / "curves.html").headings == ["training"]


def test_a_log_has_plain_lines_of_the_first_and_the_last_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingProgress(tmp_path) as progress:
        for step in range(5):
            progress.report("train", step, 4, {"loss": 2.0} if step in (1, 4) else {})
    shown = capsys.readouterr().err
    lines = shown.splitlines()
    assert [line.partition(" steps")[0] for line in lines] == ["train: 0 of 4", "train: 1 of 4", "train: 4 of 4"]
    assert "loss=2" in lines[1]
    assert "left" in lines[1]
    assert not set(shown) & {"\r", "\x1b"}


def test_the_first_lines_say_the_precision_and_the_size_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = RecipeConfig(out=tmp_path, rounds=(Round(6, 20), Round(4, 30)))
    for has, says in ((True, "images in bfloat16"), (False, "precision: float32, since cpu has no")):
        monkeypatch.setattr("fsd.training.first_lines.has_bfloat16", lambda device, has=has: has)
        with TrainingProgress(tmp_path, first_lines(config, 2)) as progress:
            progress.report("collect 0", 1, 6, {})
        first, second, *_ = capsys.readouterr().err.splitlines()
        assert says in first
        assert second == "2 rounds: 10 drives at budget F100, 50 steps of 60 rows"
    recordings = RecordedFitConfig(recordings=(tmp_path,), steps=7)
    assert first_lines(recordings, 1)[1] == "1 recording: 7 steps of 30 rows"
    sets = DatasetTrainConfig(datasets=(tmp_path,), simulated=(tmp_path,), steps=7)
    assert first_lines(sets, 2)[1] == "1 data sets, 1 of simulated drives: 7 steps of 60 rows"


def test_other_processes_show_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path)
    with TrainingProgress(tmp_path, ["precision"], is_shown=False) as progress:
        progress.report("train 0", 10, 20, {"loss": 2.0})
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "curves.html").exists()
