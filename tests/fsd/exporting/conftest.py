"""A small recurrent network in one file, and the same one split in two, with their adapters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

IMAGE = {"name": "view", "camera": "front_wide", "width_px": 32, "height_px": 24}
ADAPTER: dict[str, Any] = {
    "name": "small net",
    "images": [IMAGE],
    "ego": [{"name": "speed", "quantities": ["speed_mps"], "scale": 0.1}],
    "state": [{"output": "hidden_out", "input": "hidden"}],
    "outputs": {"waypoints": {"name": "path", "points": 8, "step_s": 0.5}},
    "trained": False,
}


def made_model(
    nodes: list[Any], inputs: dict[str, list[int]], outputs: dict[str, list[int]], **weights: np.ndarray
) -> Any:
    def values(shapes: dict[str, list[int]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", values(inputs), values(outputs), stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def vision_nodes() -> list[Any]:
    return [
        helper.make_node("Conv", ["view", "w1"], ["c1"], name="first", strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"], name="first_relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], name="second_relu"),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flat"),
    ]


def policy_nodes(features: str = "features") -> list[Any]:
    return [
        helper.make_node("Concat", [features, "speed", "hidden"], ["all"], name="concat", axis=1),
        helper.make_node("Gemm", ["all", "w3"], ["mixed"], name="mix"),
        helper.make_node("Tanh", ["mixed"], ["hidden_out"], name="bound"),
        helper.make_node("Gemm", ["hidden_out", "w4", "b4"], ["path"], name="head"),
    ]


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    straight = np.stack([np.arange(1, 9) * 5.0, np.zeros(8)], axis=1).ravel()
    return {
        "w1": rng.normal(size=(8, 3, 4, 4)) * 0.3,
        "w2": rng.normal(size=(16, 8, 3, 3)) * 0.2,
        "w3": rng.normal(size=(16 + 1 + 32, 32)) * 0.2,
        "w4": rng.normal(size=(32, 16)) * 0.3,
        "b4": straight,
    }


INPUTS = {"view": [1, 3, 24, 32], "speed": [1, 1], "hidden": [1, 32]}
OUTPUTS = {"path": [1, 16], "hidden_out": [1, 32]}


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    onnx.save(made_model([*vision_nodes(), *policy_nodes()], INPUTS, OUTPUTS, **weights()), path)
    return path


@pytest.fixture(scope="session")
def small_adapter(small_model: Path) -> Path:
    path = small_model.with_name("small.json")
    path.write_text(json.dumps(ADAPTER))
    return path


@pytest.fixture(scope="session")
def split_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Vision, policy and adapter; the same network as `small_model`."""
    folder = tmp_path_factory.mktemp("split")
    paths = folder / "vision.onnx", folder / "policy.onnx", folder / "both.json"
    all_weights = weights()
    first = {name: all_weights.pop(name) for name in ("w1", "w2")}
    onnx.save(made_model(vision_nodes(), {"view": INPUTS["view"]}, {"features": [1, 16]}, **first), paths[0])
    inputs = {"seen": [1, 16], "speed": [1, 1], "hidden": [1, 32]}
    onnx.save(made_model(policy_nodes("seen"), inputs, OUTPUTS, **all_weights), paths[1])
    paths[2].write_text(json.dumps({**ADAPTER, "links": [{"output": "features", "input": "seen"}]}))
    return paths
