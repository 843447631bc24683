import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from fsd.cli import main
from fsd.commands.parser import build_parser
from fsd.data.errors import ModelError, OutputError, UsageError
from fsd.data.options import OptionError
from fsd.data.result_record import RECORD_FILE
from fsd.export.config import ExportConfig
from fsd.export.export import NO_FEEDBACK, export
from fsd.export.metadata import read_metadata
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import packaged_weights, save_weights
from fsd.runtime.engine import Engine
from tests.portable.integer_tensors import exact_tensors, integer_tensors


def test_export_writes_proven_files_that_know_where_they_come_from(
    weights: Path, steps: list[TickInput], tmp_path: Path
) -> None:
    written = export(ExportConfig(weights=weights, out=tmp_path / "out", parity_ticks=10), clips=[steps])
    assert written.int8 is not None
    assert written.parity is not None
    metadata = read_metadata(written.int8)
    assert (metadata.precision, metadata.target, metadata.trained) == ("int8", "ort-cpu", False)
    assert metadata.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert "10 ticks of 1 rolled-out clips" in metadata.quantization["calibration"]
    proof = json.loads(written.parity.read_text())
    assert (proof["passed"], proof["feedback"], proof["int8_feedback_mean_m"]) == (True, {}, None)
    assert NO_FEEDBACK in proof["notes"]  # of generated ticks


def test_a_free_batch_is_a_file_of_its_own_and_proven(weights: Path, steps: list[TickInput], tmp_path: Path) -> None:
    config = ExportConfig(weights=weights, out=tmp_path, int8=False, dynamic=("batch",), parity_ticks=12)
    written = export(config, clips=[steps])
    batched = onnx.load(written.others["onnx_fp32_batch"])
    dimensions = {
        value.name: value.type.tensor_type.shape.dim for value in (*batched.graph.input, *batched.graph.output)
    }
    assert {dimension[0].dim_param for dimension in dimensions.values()} == {"batch"}
    assert all(size.dim_value for dimension in dimensions.values() for size in dimension[1:])
    assert written.report is not None
    assert written.report.comparisons["onnx_fp32_batch"].anywhere_max_m < 1e-4
    with pytest.raises(ModelError, match=r"`retina` as uint8\[-1, 8, 6"):
        Engine(written.others["onnx_fp32_batch"])


def test_a_parity_check_over_fewer_ticks_than_requested_has_a_note(
    weights: Path, steps: list[TickInput], tmp_path: Path
) -> None:
    written = export(ExportConfig(weights=weights, out=tmp_path, int8=False, parity_ticks=10), clips=[steps[:4]])
    assert written.report is not None
    (note,) = written.report.notes
    assert re.search(r"\b4\b.*\b10\b", note)


def test_the_parity_check_is_skipped_only_by_its_own_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--parity-ticks", "0"]) == 2
    assert "--no-parity" in capsys.readouterr().err
    options = build_parser("export").parse_args(["export", "--no-parity"])
    assert options.parity_ticks == 0


def test_an_export_killed_at_any_moment_leaves_whole_files_and_no_proof_of_other_ones(
    weights: Path, steps: list[TickInput], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there whenever a file is about to be replaced is all that a killed process leaves."""
    export(ExportConfig(weights=weights, out=tmp_path, int8=False, parity_ticks=2), clips=[steps[:2]])
    earlier = (tmp_path / "tiny_fp32.onnx").stat().st_ino
    proven: list[bool] = []
    put_in_place = Path.replace

    def looking(self: Path, target: Path) -> Path:
        for path in tmp_path.glob("*.onnx"):
            assert Engine(path).metadata == read_metadata(path)
        proven.append((tmp_path / "parity.json").exists())
        if proven[-1]:
            assert (tmp_path / "tiny_fp32.onnx").stat().st_ino == earlier
        return put_in_place(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", looking)
        export(ExportConfig(weights=weights, out=tmp_path, int8=False, half=True, parity_ticks=0))
    assert not proven[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"tiny_fp32.onnx", "tiny_fp16.onnx", RECORD_FILE}


def test_fp32_alone_needs_no_calibration(weights: Path, tmp_path: Path) -> None:
    written = export(ExportConfig(weights=weights, out=tmp_path, int8=False, parity_ticks=0))
    assert written.int8 is None
    assert {path.name for path in tmp_path.iterdir()} == {"tiny_fp32.onnx", RECORD_FILE}


def test_a_trained_network_is_not_calibrated_on_made_up_ticks(network: DrivingNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(network, path, trained=True)
    with pytest.raises(ModelError, match="--data"):
        export(ExportConfig(weights=path, out=tmp_path))


def test_a_folder_that_cannot_be_made_is_named(weights: Path, steps: list[TickInput], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        export(ExportConfig(weights=weights, out=tmp_path / "file" / "out"), clips=[steps])


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"format": "engine"}, "trtexec --onnx=FILE"),
        ({"format": "tflite"}, "onnx"),
        ({"dynamic": ("height", "batch")}, "height"),
        ({"opset": 17}, "18, 19"),
        ({"opset": 22, "targets": ("trt",)}, "20"),
        ({"fraction": 0.0}, "above 0"),
        ({"mixed_limit": -1.0}, "above 0"),
        ({"int8": False, "sensitivity": True}, "--no-int8"),
        ({"targets": ("tpu",)}, "ort-cpu"),
        ({"budget": "B7"}, "B100"),
    ],
)
def test_wrong_settings_are_refused(change: dict[str, Any], fact: str) -> None:
    with pytest.raises(ValueError, match=fact) as error:
        ExportConfig(**change)
    if isinstance(error.value, OptionError):
        assert error.value.name == next(iter(change))


def test_one_calibration_serves_every_runtime_and_half_precision_comes_along(
    weights: Path, steps: list[TickInput], tmp_path: Path
) -> None:
    first = export(ExportConfig(weights=weights, out=tmp_path / "a", parity_ticks=0), clips=[steps])
    config = ExportConfig(
        weights=weights,
        out=tmp_path / "b",
        targets=("ort-cpu", "openvino", "trt"),
        half=True,
        calibration=first.calibration,
        parity_ticks=8,
    )
    written = export(config, clips=[steps])
    assert first.int8 is not None
    assert written.others["onnx_int8"].read_bytes() == first.int8.read_bytes()
    targets = {name: read_metadata(path).target for name, path in written.others.items()}
    assert targets == {
        "onnx_int8": "ort-cpu",
        "onnx_int8_openvino": "openvino",
        "onnx_int8_trt": "trt",
        "onnx_fp16": "any",
    }
    assert written.report is not None
    assert {*targets} < {*written.report.comparisons}
    assert written.report.passed


def test_a_share_of_each_clip_is_calibrated_on(weights: Path, steps: list[TickInput], tmp_path: Path) -> None:
    config = ExportConfig(weights=weights, out=tmp_path, fraction=0.5, parity_ticks=0)
    written = export(config, clips=[steps, steps[:8]])
    assert written.int8 is not None
    notes = read_metadata(written.int8).quantization["calibration"]
    assert notes == "6 ticks of 2 rolled-out clips"  # every fourth of 20 and of 4


def test_sensitive_layers_stay_in_float_and_the_metadata_names_them(
    weights: Path, steps: list[TickInput], tmp_path: Path
) -> None:
    config = ExportConfig(weights=weights, out=tmp_path, mixed_limit=1.0, sensitivity_ticks=4, parity_ticks=0)
    written = export(config, clips=[steps])
    assert written.int8 is not None
    assert read_metadata(written.int8).quantization["float_layers"] == "only those of the recipe"
    content = json.loads((tmp_path / "sensitivity.json").read_text())
    assert content["schema_version"] == 1
    measured = content["targets"]["ort-cpu"]
    assert measured["effects"][0]["alone_m"] >= measured["effects"][-1]["alone_m"]


def test_with_a_float_transformer_nothing_is_rounded_to_integers_behind_float_operators(
    weights: Path, steps: list[TickInput], int8_file: Path, tmp_path: Path
) -> None:
    config = ExportConfig(weights=weights, out=tmp_path, float_transformer=True, parity_ticks=0)
    written = export(config, clips=[steps[:8]])
    assert written.int8 is not None
    metadata, model = read_metadata(written.int8), onnx.load(written.int8)
    assert metadata.pair_safe
    assert "cross_attention.0.query" in metadata.quantization["float_layers"]
    assert exact_tensors(model, additions=True) == integer_tensors(model)
    usual = onnx.load(int8_file)
    assert len(exact_tensors(usual)) < len(integer_tensors(usual))


def test_simplifying_changes_no_plan(weights: Path, steps: list[TickInput], tmp_path: Path) -> None:
    written = export(
        ExportConfig(weights=weights, out=tmp_path, simplify=True, int8=False, parity_ticks=8), clips=[steps]
    )
    assert written.report is not None
    assert written.report.passed


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_a_device_that_pytorch_lacks_is_refused(device: str, weights: Path, tmp_path: Path) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA GPU")
    with pytest.raises(UsageError, match="--device"):
        export(ExportConfig(weights=weights, out=tmp_path, device=device))


def test_a_calibration_of_other_weights_is_refused(
    weights: Path, network: DrivingNetwork, steps: list[TickInput], tmp_path: Path
) -> None:
    made = export(ExportConfig(weights=weights, out=tmp_path / "a", parity_ticks=0), clips=[steps[:4]])
    save_weights(network, tmp_path / "other.safetensors", trained=False, notes={"other": True})
    config = ExportConfig(weights=tmp_path / "other.safetensors", out=tmp_path / "b", calibration=made.calibration)
    with pytest.raises(ModelError, match="--calibration"):
        export(config, clips=[steps[:4]])


def test_exporting_twice_gives_the_same_bytes_in_every_file(
    weights: Path, steps: list[TickInput], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        config = ExportConfig(
            weights=weights, out=tmp_path / name, half=True, targets=("ort-cpu", "trt"), parity_ticks=0
        )
        export(config, clips=[steps[:8]])
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.name != RECORD_FILE}
        for name in ("a", "b")
    )
    assert len(first) == 5
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "is_packaged"),
    [([], True), (["--data", str(resources.files("fsd") / "demo_clip")], True), (["--seed", "3"], False)],
)
def test_without_weights_the_packaged_ones_are_exported(
    arguments: list[str], is_packaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[ExportConfig] = []

    def recorded(config: ExportConfig, *_: Any) -> None:
        configs.append(config)
        raise ModelError("only the settings are wanted")

    monkeypatch.setattr("fsd.export.export.export", recorded)
    assert main(["export", *arguments, "--out", str(tmp_path / "out")]) == ModelError.exit_code
    assert configs[0].weights == (packaged_weights() if is_packaged else None)
