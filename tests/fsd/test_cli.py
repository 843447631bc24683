import json
import subprocess
import sys
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.commands.parser import COMMANDS, build_parser

HEAVY = ("torch", "onnxruntime", "av", "pyarrow", "numba", "numpy", "PIL")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom fsd.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"fsd {command}" in text


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2
    assert "replay" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["repaly", "clip"], ("'repaly'", "Did you mean replay?")),
        (["replay", "clip", "--overlay-hieght", "720"], ("--overlay-hieght", "Did you mean --overlay-height?")),
        (["replay", "--ou", "x"], ("no option --ou\n", "Did you mean --out?")),
        (["replay", "clip", "--overlay-h", "720"], ("no option --overlay-h\n", "Did you mean --overlay-height?")),
        (["dataset", "build", "clip", "--bud=F100"], ("no option --bud\n", "Did you mean --budget?")),
        (["replay", "clip", "--treads=2"], ("no option --treads", "Did you mean --threads?")),
        (["replay", "clip", "--threads", "two"], ("--threads", "'two'", "fsd replay --help")),
        (["replay", "clip", "--threads"], ("--threads", "expected one argument")),
        (["replay"], ("CLIP", "fsd replay --help")),
        (["compare", "a", "b", "c"], ("'c' is one argument too many",)),
        (["record", "--scenario", "tuor"], ("--scenario", "Did you mean tour?")),
        (["replay", "clip", "--overlay-cameras", "front-main"], ("--overlay-cameras", "Did you mean front_main?")),
        (["collect", "out", "--out", "tables"], ("no option --out", "beside the results")),
        (["dataset", "build", "clip", "--seeed", "1"], ("--seeed", "fsd dataset build --help")),
    ],
)
def test_wrong_usage_is_two_lines_that_name_the_option_as_typed(
    words: list[str], facts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("fsd")
    assert error.count("\n") == 2
    for fact in facts:
        assert fact in error


def test_a_mistyped_camera_is_answered_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path), "--cameras", "front_mian=a.mp4"]) == 2
    error = capsys.readouterr().err
    assert "Did you mean front_main?" in error
    assert len(error) < 400


def test_a_missing_clip_is_one_line_and_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("fsd: ")
    assert "nowhere" in error
    assert "Traceback" not in error


def test_a_bad_option_value_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path), "--threads", "0"]) == 2
    assert "threads" in capsys.readouterr().err


def test_a_camera_pair_without_a_name_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path), "--cameras", "video.mp4"]) == 2
    assert "front_main=dashcam.mp4" in capsys.readouterr().err


def test_a_missing_model_is_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "none.onnx"
    assert main(["demo", "--model", str(model), "--out", str(tmp_path / "out"), "--max-ticks", "1"]) == 4
    assert "none.onnx" in capsys.readouterr().err


def test_json_is_the_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["demo", "--out", str(out), "--max-ticks", "3", "--no-overlay", "--json"]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert json.loads(last) == json.loads((out / "summary.json").read_text())


def test_quiet_prints_nothing_and_verbose_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["demo", "--max-ticks", "2", "--no-overlay", "--no-report", "--no-mcap", "--out"]
    assert main([*command, str(tmp_path / "quiet"), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "quiet" / "summary.json").exists()
    assert main([*command, str(tmp_path / "verbose"), "-v"]) == 0
    printed = capsys.readouterr()
    assert "speed" in printed.out
    for step in ("opening", "loading the model", "replay: 2 of 2 ticks"):
        assert step in printed.err
    with pytest.raises(SystemExit) as stop:
        main(["demo", "-q", "-v"])
    assert stop.value.code == 2


def test_the_parser_of_all_commands_can_be_built() -> None:
    assert build_parser("all").parse_args(["replay", "clip"]).clips == ["clip"]


def test_a_reader_that_has_enough_is_no_error() -> None:
    script = "import sys; from fsd.cli import main; sys.exit(main(['completion', 'bash']))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141
