from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from fsd.profile.operators.runtime_trace import OperatorProfile, chain_shapes_run  # noqa: E402


def save(path: Path, operator: str, taken: str, given: str) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in (taken, given)]
    graph = helper.make_graph(
        [helper.make_node(operator, [taken], [given], name=operator)], "g", values[:1], values[1:]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_operators_of_all_models_of_a_chain_are_in_each_run(tmp_path: Path) -> None:
    models = save(tmp_path / "a.onnx", "Sin", "view", "features"), save(tmp_path / "b.onnx", "Cos", "seen", "plan")
    profile = OperatorProfile(tmp_path / "operators")
    sessions = [profile.open_session(model, 1, "cpu") for model in models]
    view = np.ones((1, 4), np.float32)
    for _ in range(3):
        (features,) = sessions[0].run(None, {"view": view})
        sessions[1].run(None, {"seen": features})
    runs, _ = profile.end()
    assert [[event.kind for event in run] for run in runs] == [["Sin", "Cos"]] * 3
    first, second = runs[0]
    assert second.start_us >= first.start_us + first.duration_us
    assert [event.kind for event in chain_shapes_run(models, {"view": view})] == ["Sin", "Cos"]
