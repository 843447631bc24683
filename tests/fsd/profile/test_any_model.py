import json
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from fsd.data.errors import ModelError, UsageError
from fsd.data.result_record import RECORD_FILE
from fsd.profile.any_model import profile_model, shape_of
from fsd.profile.config import ProfileConfig
from tests._one_operator import one_operator_model


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A matrix product with nothing of ours inside."""
    model = one_operator_model("MatMul", (16, 64), np.ones((64, 32), np.float32), (16, 32))
    (tmp_path / "foreign.onnx").write_bytes(model)
    return tmp_path / "foreign.onnx"


def settings(out: Path) -> ProfileConfig:
    return ProfileConfig(out=out, ticks=70, warm_up=2, trace_ticks=3, budget_watts=300)


def test_any_onnx_file_can_be_profiled_alone(foreign: Path, tmp_path: Path) -> None:
    summary = profile_model(foreign, {}, settings(tmp_path / "out"), progress=lambda line: None)
    assert list(summary.scenarios) == ["model-only"]
    assert summary.scenarios["model-only"].latency_ms.samples == 70
    assert summary.network_cost.macs == 16 * 64 * 32
    assert summary.devices[0].watts.tag == "modelled"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "summary.json",
        "samples.parquet",
        "trace.json",
        "report.html",
        RECORD_FILE,
    }


def test_its_trace_has_a_span_per_run_and_operator(foreign: Path, tmp_path: Path) -> None:
    profile_model(foreign, {}, settings(tmp_path / "out"), progress=lambda line: None)
    events = json.loads((tmp_path / "out" / "trace.json").read_text())["traceEvents"]
    names = [event["name"] for event in events if event["ph"] == "X"]
    assert names.count("MatMul") == 3
    assert "run 2" in names


def test_a_file_that_is_not_a_model_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"x\.onnx"):
        profile_model(tmp_path / "x.onnx", {}, settings(tmp_path / "out"), progress=lambda line: None)


def test_a_shape_for_an_unknown_input_lists_the_known_ones(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"image.*x"):
        profile_model(foreign, {"image": (1, 3)}, settings(tmp_path / "out"), progress=lambda line: None)


def test_a_wrong_shape_names_the_option(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--shape"):
        profile_model(foreign, {"x": (16, 63)}, settings(tmp_path / "out"), progress=lambda line: None)


@pytest.mark.parametrize("text", ["x", "x=", "=1,2", "x=1,a", "x=0,3"])
def test_shapes_that_cannot_be_read_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=SIZES"):
        shape_of(text)


def test_a_missing_file_exits_as_a_model_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--onnx", str(tmp_path / "none.onnx"), "--out", str(tmp_path / "out")]) == 4
    assert "none.onnx" in capsys.readouterr().err
