import math
from pathlib import Path

from fsd.networks.training_log import TrainingLog
from fsd.training.curves_page import write_curves_page
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
    assert found.text.count("loss: 1") == found.text.count(f"{HOSTILE}: 1") == 2
    assert "validation_ade_3s_m" not in found.text  # never a number
    assert "<script>:" not in (tmp_path / "curves.html").read_text(encoding="utf-8")


def test_the_page_is_drawn_when_there_is_something_to_draw(tmp_path: Path) -> None:
    with TrainingProgress(tmp_path) as progress:
        progress.report("collect 0", 1, 2, {})
        progress.report("train 0", 10, 20, {"loss": 2.0})
        assert not (tmp_path / "curves.html").exists()
        write_log(tmp_path)
        progress.report("train 0", 20, 20, {"loss": 1.0})
    assert checked(tmp_path / "curves.html").headings == ["training"]


def test_a_bar_shows_how_far_a_phase_is(tmp_path: Path, capsys: object) -> None:
    with TrainingProgress(tmp_path) as progress:
        progress.report("record", 2, 4, {})
    assert "record:  50%" in capsys.readouterr().err  # type: ignore[attr-defined]
