"""Every command that README.md and docs/*.md print is run by a test, or is parsed only, with the reason beside it."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from fsd.commands.exit_codes import DONE, OVER_LIMIT
from fsd.commands.parser import build_parser
from tests.fsd._docs import ROOT, Printed, named_options, pages, printed_commands
from tests.fsd.test_docs_snippets import PAGES

PROFILE = "--ticks 12 --warm-up 2 --control-s 0.05"
SHORTENED = {
    "calibrate.md": {"fsd calibrate": "--max-ticks 12"},
    "fleet.md": {"fsd replay my_drives/*": "--max-ticks 4", "fsd collect": ""},
    "profile.md": {
        "fsd profile my_drive/ --ticks 10000": f"{PROFILE} --out before",
        "fsd profile my_drive/ --soak": "--soak 0.5s --control-s 0.05",
        "fsd profile --compare": "",
        "fsd profile my_drive/ --model": PROFILE,
        "fsd profile --onnx": PROFILE,
    },
}
"""Page -> beginning of a command that is run here -> words that are added to it, to make it short."""
RUN_BY = {
    "README.md": {"fsd replay": "tests/fsd/test_readme.py", "fsd adapter": "tests/fsd/adapting/test_docs.py"},
    "adapter.md": {"fsd adapter": "tests/fsd/adapting/test_docs.py"},
    "export.md": {"fsd ": "tests/fsd/exporting/test_adapted_export.py"},
    "fleet.md": {"fsd compare": "tests/fsd/fleet/test_run_page.py", "fsd batch": "tests/fsd/fleet/test_batch.py"},
    "model_contract.md": {"": "tests/fsd/test_examples.py"},
}
"""Page -> beginning of a command -> the test that runs it."""
PARSED = {
    "fsd live": "needs cameras; tests/fsd/live runs it with streams",
    "fsd dataset build TeslaCam --out out/drives --budget F100": "tests/fsd/dataset runs it on small ones",
    "fsd export out/real/": "needs a trained network; tests/export runs it with small ones",
    "fsd evaluate out/exported/": "needs a trained network; tests/fsd/evaluate runs it with small ones",
    "fsd replay TeslaCam --model out/exported/": "needs a trained network; docs/export.md replays an exported one",
    "fsd drive --routes 100 --out out/drive --ray": "needs Ray; tests/fsd/fleet/test_ray_jobs.py drives with it",
    "fsd train": "takes hours; tests/networks/dataset_training and tests/networks/test_recipe.py run a few steps",
    "torchrun": "takes hours; tests/networks/dataset_training/test_trainer.py starts two processes in this way",
    "fsd replay drives/ --out runs --ray": "needs Ray; tests/fsd/fleet/test_replay_units.py runs it",
    "fsd replay drives.parquet": "needs Ray; tests/fsd/fleet/test_replay_units.py runs it",
    "fsd replay s3://": "needs a cluster; tests/fsd/fleet/test_replay_units.py runs it with a bucket on this machine",
    "fsd profile my_drive/ --device openvino": "needs another build of ONNX Runtime",
    "fsd export my_network.onnx": "the same with other.onnx is in docs/export.md, and run",
    "python benchmarks/faults.py": "takes over ten minutes; tests/benchmarks/test_faults.py parses it",
    "python benchmarks/rate_distortion": "takes a minute to three hours; parsed below",
}
"""Beginning of a command -> why it is not run."""


def found(page: str, begins: str) -> Printed:
    """The one command of a page that begins so."""
    (command,) = (each for each in printed_commands(page) if each.line.startswith(begins))
    return command


def begins_with_any(line: str, beginnings: object) -> list[str]:
    assert isinstance(beginnings, dict)
    return [begins for begins in beginnings if line.startswith(begins)]


@pytest.mark.parametrize("page", pages())
def test_every_command_is_run_or_has_a_reason_why_not(page: str) -> None:
    for command in printed_commands(page):
        if page in PAGES and command.language == "sh":
            continue  # run by test_docs_snippets.py
        kinds = [SHORTENED.get(page, {}), RUN_BY.get(page, {}), PARSED]
        counted = [begins for kind in kinds for begins in begins_with_any(command.line, kind)]
        assert len(counted) == 1, f"{page}: {command.line}: {counted or 'run by no test'}"


def test_no_entry_of_these_lists_is_left_of_a_command_that_went() -> None:
    for kind in (SHORTENED, RUN_BY):
        for page, entries in kind.items():
            for begins in entries:
                assert any(each.line.startswith(begins) for each in printed_commands(page)), f"{page}: {begins}"
    lines = [each.line for page in pages() for each in printed_commands(page)]
    assert [begins for begins in PARSED if not any(line.startswith(begins) for line in lines)] == []
    for entries in RUN_BY.values():
        assert all((ROOT / test).exists() for test in entries.values())


@pytest.mark.parametrize("page", pages())
def test_every_command_is_understood(page: str) -> None:
    parser = build_parser("all")
    for command in printed_commands(page):
        line = command.line.partition("$(which fsd)")[2] or command.line
        if line.startswith("python "):
            continue
        try:
            parser.parse_args(Printed(page, f"fsd {line}" if line != command.line else line).words)
        except SystemExit:
            pytest.fail(f"{page}: {command.line}")


@pytest.mark.parametrize("page", pages())
def test_options_named_in_a_sentence_exist(page: str) -> None:
    for quoted, command, options in named_options(page):
        known = known_options(command)
        assert [option for option in options if option not in known] == [], f"{page}: {quoted}"


def known_options(command: str) -> set[str]:
    parser = build_parser(command)
    (chosen,) = (action.choices for action in parser._actions if action.dest == "command_name")
    assert isinstance(chosen, dict)
    assert command in chosen, command
    parsers = [chosen[command]]
    for each in parsers:  # `fsd adapter` and `fsd dataset` have commands of their own
        parsers += [
            inner for action in each._actions if isinstance(action.choices, dict) for inner in action.choices.values()
        ]
    return {option for each in parsers for option in each._option_string_actions}


def test_the_commands_of_the_rate_distortion_page_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from rate_distortion import command

    for printed in printed_commands("rate_distortion.md"):
        monkeypatch.setattr("sys.argv", shlex.split(printed.line, comments=True)[1:])
        assert command._parse().workers > 0


@pytest.fixture
def drive(small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a recording `my_drive`."""
    (tmp_path / "my_drive").symlink_to(small_clip)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page: str, begins: str) -> int:
    """Run the command of a page that begins so, with what shortens it."""
    return main([*found(page, begins).words, *SHORTENED[page][begins].split()])


@pytest.mark.usefixtures("drive")
def test_the_commands_of_the_calibration_page_run() -> None:
    assert run("calibrate.md", "fsd calibrate") == DONE


def test_a_folder_of_many_recordings_is_replayed_and_collected(drive: Path, small_clip: Path) -> None:
    (drive / "my_drives").mkdir()
    for name in ("monday", "tuesday"):
        shutil.copytree(small_clip, drive / "my_drives" / name)
    assert run("fleet.md", "fsd replay my_drives/*") == DONE
    assert run("fleet.md", "fsd collect") == DONE
    assert (drive / "out" / "tables" / "clips").is_dir()


def write_model(path: Path, name: str, shape: tuple[int | str, ...]) -> None:
    """An ONNX file whose 16 outputs are the mean of its one input."""
    onnx = pytest.importorskip("onnx")
    view = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    plan = onnx.helper.make_tensor_value_info("path", onnx.TensorProto.FLOAT, [1, 16])
    ones = onnx.numpy_helper.from_array(np.ones((1, 16), np.float32), "ones")
    nodes = [
        onnx.helper.make_node("ReduceMean", [name], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["ones", "mean"], ["path"]),
    ]
    graph = onnx.helper.make_graph(nodes, "mean", [view], [plan], [ones])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)


def test_the_commands_of_the_profile_page_run(drive: Path) -> None:
    page = "profile.md"
    assert run(page, "fsd profile my_drive/ --ticks 10000") in (DONE, OVER_LIMIT)  # of the deadline or the budget
    shutil.copytree(drive / "before", drive / "after")
    assert run(page, "fsd profile --compare") == DONE
    assert run(page, "fsd profile my_drive/ --soak") == DONE


def test_the_commands_of_the_profile_page_for_other_models_run(drive: Path) -> None:
    write_model(drive / "other.onnx", "view", (1, 3, 48, 64))
    image = {"name": "view", "camera": "front_main", "width_px": 64, "height_px": 48, "colour": "rgb"}
    outputs = {"waypoints": {"name": "path", "points": 8, "step_s": 0.5}}
    adapter = {"name": "other", "images": [image], "outputs": outputs}
    (drive / "other.json").write_text(json.dumps(adapter), encoding="utf-8")
    assert run("profile.md", "fsd profile my_drive/ --model") == DONE
    write_model(drive / "other.onnx", "input", ("batch", 3, "height", "width"))
    assert run("profile.md", "fsd profile --onnx") == DONE
