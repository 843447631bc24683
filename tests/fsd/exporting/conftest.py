"""A small recurrent network: in one file, split in two, and as a PyTorch module."""

import json
from collections.abc import Iterator
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


FUNCTION = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU()
        )
        self.mix, self.head = nn.Linear(49, 32), nn.Linear(32, 16)

    def forward(self, view, speed, hidden):
        hidden = torch.tanh(self.mix(torch.cat([self.trunk(view).mean((2, 3)), speed, hidden], 1)))
        return {"path": self.head(hidden) + 0.5 * torch.arange(16), "hidden_out": hidden}

def load():
    torch.manual_seed(0)
    return Net(), {"view": torch.zeros(1, 3, 24, 32), "speed": torch.zeros(1, 1), "hidden": torch.zeros(1, 32)}
"""


@pytest.fixture(scope="module")
def folder(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder: the files that docs/export.md names."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "my_drive").symlink_to(small_clip)
    stored = weights()
    onnx.save(made_model([*vision_nodes(), *policy_nodes()], INPUTS, OUTPUTS, **stored), folder / "other.onnx")
    first = {name: stored.pop(name) for name in ("w1", "w2")}
    vision = made_model(vision_nodes(), {"view": INPUTS["view"]}, {"features": [1, 16]}, **first)
    policy = made_model(policy_nodes("seen"), {**INPUTS, "seen": [1, 16]}, OUTPUTS, **stored)
    del policy.graph.input[0]
    onnx.save(vision, folder / "vision.onnx")
    onnx.save(policy, folder / "policy.onnx")
    (folder / "other.json").write_text(json.dumps(ADAPTER))
    (folder / "both.json").write_text(json.dumps({**ADAPTER, "links": [{"output": "features", "input": "seen"}]}))
    (folder / "my_network.py").write_text(FUNCTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
