from pathlib import Path

import pytest

from fsd.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "drive", "--initial", "w.safetensors", "--size", "wide"], "--size is that of the weights"),
        (["--clips", "drive", "--teacher", "w.safetensors"], "--teacher is for the simulator"),
        (["--size", "big"], "--size: must be one of standard, wide"),
        (["--initial", "w.safetensors"], "--initial is for recordings"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--out", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
