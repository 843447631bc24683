import hashlib
import json
from pathlib import Path

import pytest

from fsd.data.errors import ModelError, OutputError
from fsd.export.export import ExportConfig, export
from fsd.export.metadata import read_metadata
from fsd.networks.feeds import Step
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import save_weights


def test_export_writes_proven_files_that_know_where_they_come_from(
    weights: Path, steps: list[Step], tmp_path: Path
) -> None:
    written = export(ExportConfig(weights=weights, out=tmp_path / "out", parity_ticks=10), clips=[steps])
    assert written.int8 is not None
    assert written.parity is not None
    metadata = read_metadata(written.int8)
    assert (metadata.precision, metadata.target, metadata.trained) == ("int8", "ort-cpu", False)
    assert metadata.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert "10 ticks of 1 rolled-out clips" in metadata.quantization["calibration"]
    assert json.loads(written.parity.read_text())["passed"] is True


def test_fp32_alone_needs_no_calibration(weights: Path, tmp_path: Path) -> None:
    written = export(ExportConfig(weights=weights, out=tmp_path, int8=False, parity_ticks=0))
    assert written.int8 is None
    assert [path.name for path in tmp_path.iterdir()] == ["tiny_fp32.onnx"]


def test_a_trained_network_is_not_calibrated_on_made_up_ticks(network: DrivingNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(network, path, trained=True)
    with pytest.raises(ModelError, match="must be calibrated on real drives"):
        export(ExportConfig(weights=path, out=tmp_path))


def test_a_folder_that_cannot_be_made_is_named(weights: Path, steps: list[Step], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot make the folder"):
        export(ExportConfig(weights=weights, out=tmp_path / "file" / "out"), clips=[steps])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"target": "tpu"}, "no quantization recipe for 'tpu'"), ({"budget": "B7"}, "no budget 'B7'")],
)
def test_settings_are_checked_at_the_door(change: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExportConfig(**change)
