from pathlib import Path

import numpy as np
import onnx
import pytest

from fsd.export import model_file
from fsd.export.model_file import file_content, file_sha256, proto_bytes, temporary_file, uses_external_data, write_file
from fsd.export.onnx_runner import OnnxRunner, further_outputs, open_model
from tests.export._small_models import SMALL_MODELS, SmallModel


def plan_of(small: SmallModel, model: onnx.ModelProto | Path) -> np.ndarray:
    return OnnxRunner(open_model(model), small.make_feeds).step(small.steps(1)[0])["plan"]


@pytest.fixture
def small() -> SmallModel:
    return SMALL_MODELS["recurrent"]()


def test_weights_beside_a_model_are_the_same_weights(small: SmallModel, tmp_path: Path) -> None:
    before = small.model.SerializeToString(deterministic=True)
    (tmp_path / "m.onnx").write_bytes(file_content(small.model, tmp_path / "m.onnx", external=True))
    assert small.model.SerializeToString(deterministic=True) == before
    assert uses_external_data(tmp_path / "m.onnx")
    np.testing.assert_array_equal(plan_of(small, tmp_path / "m.onnx"), plan_of(small, small.model))


def test_a_model_too_large_for_one_file_is_run_from_two(
    small: SmallModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = plan_of(small, small.model)
    monkeypatch.setattr(model_file, "SERIALISED_LIMIT", proto_bytes(small.model) // 2)
    monkeypatch.setattr("fsd.export.onnx_runner.SERIALISED_LIMIT", proto_bytes(small.model) // 2)
    np.testing.assert_array_equal(plan_of(small, small.model), wanted)
    write_file(small.model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").is_file()
    with temporary_file(small.model) as path:
        assert path.is_file()
    assert not path.exists()


def test_the_digest_covers_weights_beside_the_file(small: SmallModel, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(file_content(small.model, path, external=True))
    before = file_sha256(path)
    data = tmp_path / "m.onnx.data"
    data.write_bytes(data.read_bytes()[:-1] + b"\x00")
    assert file_sha256(path) != before


def test_further_outputs_are_gone_after_the_block(small: SmallModel) -> None:
    names = [output.name for output in small.model.graph.output]
    with further_outputs(small.model, ["t0_0", "plan"]) as wider:
        assert [output.name for output in wider.graph.output] == [*names, "t0_0"]
    assert [output.name for output in small.model.graph.output] == names
