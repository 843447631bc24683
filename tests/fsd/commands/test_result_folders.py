"""Every command holds its result folder, and replaces only files that it wrote itself."""

import json
import shutil
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.data.errors import OutputError, SimulatorError
from fsd.data.folder_lock import locked
from fsd.data.result_record import RECORD_FILE
from fsd.networks.packaged import PACKAGED_WEIGHTS, packaged_file
from fsd.runtime.engine import packaged_model

COMMANDS = {
    "replay": (["replay", "CLIP"], "overlay.mp4"),
    "several": (["replay", "CLIP", "OTHER"], "batch.json"),
    "shard": (["replay", "CLIP", "OTHER", "--shard", "1/2"], "batch-1-of-2.json"),
    "compress": (["compress", "CLIP"], "mosaic.png"),
    "profile": (["profile", "CLIP"], "samples.parquet"),
    "profile --onnx": (["profile", "--onnx", "MODEL"], "trace.json"),
    "drive": (["drive", "--drivers", "constant_velocity", "--scenarios", "S1", "--routes", "1"], "routes.jsonl"),
    "train": (["train", "--rounds", "1:1"], "weights.safetensors"),
    "train --clips": (["train", "--clips", "CLIP"], "weights.safetensors"),
    "export": (["export", "--no-int8", "--no-parity"], "f100_fp32.onnx"),
}
"""Name -> arguments, and a file that the command would write."""


def words(name: str, clip: Path, out: Path) -> list[str]:
    values = {"CLIP": str(clip), "OTHER": str(out.parent / "other"), "MODEL": str(packaged_model())}
    return [*(values.get(word, word) for word in COMMANDS[name][0]), "--out", str(out)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_in_use_or_with_somebody_elses_file_is_refused(
    name: str, small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.startswith(("train", "export")):
        pytest.importorskip("torch")
    out = tmp_path / "out"
    out.mkdir()
    with locked(out, "fsd other", "shard-1-of-2" if name == "shard" else ""):
        assert main(words(name, small_clip, out)) == OutputError.exit_code
    held = capsys.readouterr().err
    assert f"{out} is in use by `fsd other`" in held
    mine = out / COMMANDS[name][1]
    mine.write_bytes(b"mine")
    assert main(words(name, small_clip, out)) == OutputError.exit_code
    assert str(mine) in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [(mine.name, b"mine")]


@pytest.mark.gl
def test_a_recording_is_not_written_into_a_folder_in_use_or_over_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["record", str(tmp_path), "--seconds", "0.1", "--width", "64", "--height", "48"]
    with locked(tmp_path, "fsd other"):
        code = main(command)
    error = capsys.readouterr().err
    if code == SimulatorError.exit_code:
        pytest.skip(error.strip())
    assert code == OutputError.exit_code
    assert "in use" in error
    (tmp_path / "rear.mp4").write_bytes(b"mine")
    assert main(command) == OutputError.exit_code
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("rear.mp4", b"mine")]


def test_weights_that_a_training_starts_from_are_not_its_result(small_clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    initial = tmp_path / "weights.safetensors"
    shutil.copy(packaged_file(PACKAGED_WEIGHTS, "weights", ""), initial)
    before = initial.read_bytes()
    assert main(["train", "--clips", str(small_clip), "--initial", str(initial), "--out", str(tmp_path)]) == 2
    assert initial.read_bytes() == before


def test_an_export_does_not_replace_the_calibration_that_it_reads(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    given = tmp_path / "f100_calibration.safetensors"
    given.write_text("{}")
    code = main(["export", "--no-parity", "--calibration", str(given), "--out", str(tmp_path)])
    assert code == 4  # it is no calibration of these weights
    assert given.read_text() == "{}"


def test_results_whose_record_was_deleted_stay_and_their_folder_is_named(
    small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compress", str(small_clip), "--out", str(tmp_path), "--max-ticks", "2"]
    named = []
    for _ in range(2):
        assert main(command) == 0
        named.append(json.loads((tmp_path / "summary.json").read_text())["earlier_results"])
        (tmp_path / RECORD_FILE).unlink()
    assert named == [None, "previous"]
    assert (tmp_path / "previous" / "summary.json").exists()
    assert str(tmp_path / "previous") in capsys.readouterr().err
    (tmp_path / "summary.json").unlink()
    assert main(command) == OutputError.exit_code
    assert "not listed as written by fsd" in capsys.readouterr().err
