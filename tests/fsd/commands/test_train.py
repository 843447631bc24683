import json
from pathlib import Path

import pytest

from fsd.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "drive", "--initial", "w.safetensors", "--size", "wide"], "--size is that of the weights"),
        (["--clips", "drive", "--teacher", "w.safetensors"], "--teacher is for the simulator"),
        (["--clips", "drive", "--ray"], "--ray is for the simulator"),
        (["--size", "big"], "--size: must be one of standard, wide"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--out", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_weights_to_start_from_that_do_not_exist_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["train", "--out", str(tmp_path / "run"), "--initial", "w.safetensors"]) != 0
    assert "There is no weights file w.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_only_the_first_process_prints_the_result_and_which_weights_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from fsd.networks import recipe, weights
    from tests.networks._tiny import TINY

    notes = {"weights": "best", "weights_step": 4, "last_score_m": 1.2, "best": {"score_m": 1.0, "step": 4}}
    made = tmp_path / "weights.safetensors"
    weights.save_weights(weights.untrained(TINY), made, trained=True, notes=notes)
    monkeypatch.setattr(recipe, "run_recipe", lambda config, report: made)
    arguments = ["train", "--out", str(tmp_path / "run"), "--rounds", "1:5"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "those of the best step: held-out score 1.200 m at the last step, 1.000 m at best (step 4)" in shown.out
    assert shown.err.startswith("precision: ")
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"] == "best"
    monkeypatch.setenv("RANK", "1")
    for words in (arguments, [*arguments, "--json"]):
        assert main(words) == 0
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == ("", "")
