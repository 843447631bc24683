"""Several model files that run as one."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")

from fsd.data.errors import ModelError  # noqa: E402
from fsd.networks.onnx_session import open_session  # noqa: E402
from fsd.third_party.model_chain import ChainedSession  # noqa: E402
from fsd.third_party.state_fields import Link  # noqa: E402
from tests.fsd.third_party._models import node, save  # noqa: E402

HALF = onnx.TensorProto.FLOAT16


@pytest.fixture
def vision(tmp_path: Path) -> onnxruntime.InferenceSession:
    """x (4,) and gain (1,) -> features (1, 4) = x * gain, and seen (4,) = x + x."""
    nodes = [
        node("Mul", ["x", "gain"], "flat"),
        node("Reshape", ["flat", "row"], "features"),
        node("Add", ["x", "x"], "seen"),
    ]
    shapes = {"x": [4], "gain": [1]}, {"features": [1, 4], "seen": [4]}
    return open_session(save(tmp_path / "vision.onnx", nodes, *shapes, row=np.array([1, 4])))


@pytest.fixture
def policy(tmp_path: Path) -> onnxruntime.InferenceSession:
    """state (2,) float16 and gain (1,) -> plan (2,) = state * gain."""
    nodes = [node("Cast", ["state"], "wide", to=onnx.TensorProto.FLOAT), node("Mul", ["wide", "gain"], "plan")]
    model = save(tmp_path / "policy.onnx", nodes, {"state": [2], "gain": [1]}, {"plan": [2]}, {"state": HALF})
    return open_session(model)


def test_links_hand_on_a_part_and_inputs_of_one_name_get_one_value(
    vision: onnxruntime.InferenceSession, policy: onnxruntime.InferenceSession
) -> None:
    chain = ChainedSession([vision, policy], [Link("features", "state", start=1)])
    assert list(chain.inputs) == ["x", "gain"]
    assert list(chain.outputs) == ["features", "seen", "plan"]
    feeds = {"x": np.arange(4, dtype=np.float32), "gain": np.full(1, 3, np.float32)}
    plan, seen = chain.run(["plan", "seen"], feeds)
    assert (plan.tolist(), seen.tolist()) == ([9, 18], [0, 2, 4, 6])


def test_one_model_is_a_chain_too(vision: onnxruntime.InferenceSession) -> None:
    chain = ChainedSession([vision])
    feeds = {"x": np.ones(4, np.float32), "gain": np.ones(1, np.float32)}
    assert chain.run(["seen"], feeds)[0].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("link", "field", "facts"),
    [
        (Link("feature", "state"), "links[0].output", ["'feature'", "features"]),
        (Link("features", "stat"), "links[0].input", ["'stat'", "state, gain"]),
        (Link("plan", "x"), "links[0].input", ["'x'", "order"]),
        (Link("features", "state"), "links[0]", ["4 numbers", "2", "start"]),
        (Link("features", "state", start=3), "links[0]", ["2 numbers from 3", "4"]),
    ],
)
def test_a_link_that_does_not_fit_is_named(
    link: Link, field: str, facts: list[str], vision: onnxruntime.InferenceSession, policy: onnxruntime.InferenceSession
) -> None:
    with pytest.raises(ModelError) as error:
        ChainedSession([vision, policy], [link])
    assert error.value.field == field
    assert all(fact in str(error.value) for fact in facts)


def test_an_output_of_an_earlier_models_name_has_its_files_name_before_it(
    vision: onnxruntime.InferenceSession, tmp_path: Path
) -> None:
    other = open_session(save(tmp_path / "other.onnx", [node("Neg", ["x"], "features")], {"x": [4]}, {"features": [4]}))
    chain = ChainedSession([vision, other], names=["a.onnx", "models/b.onnx"])
    assert list(chain.outputs) == ["features", "seen", "b.features"]
    seen: list[set[str]] = []
    feeds = {"x": np.arange(4, dtype=np.float32), "gain": np.full(1, 3, np.float32)}
    first, second = chain.run(["features", "b.features"], feeds, lambda outputs: seen.append(set(outputs)))
    assert (first.ravel().tolist(), second.tolist()) == ([0, 3, 6, 9], [0, -1, -2, -3])
    assert seen == [{"features"}, {"b.features"}]


def test_outputs_of_one_name_in_files_of_one_name_must_be_renamed(vision: onnxruntime.InferenceSession) -> None:
    with pytest.raises(ModelError, match=r"y/a\.onnx.*'a\.features'.*Rename"):
        ChainedSession([vision, vision, vision], names=["v.onnx", "x/a.onnx", "y/a.onnx"])


def test_inputs_of_one_name_need_one_shape(vision: onnxruntime.InferenceSession, tmp_path: Path) -> None:
    other = open_session(save(tmp_path / "o.onnx", [node("Neg", ["x"], "y")], {"x": [3]}, {"y": [3]}))
    with pytest.raises(ModelError, match=r"'x'.*float32 \[3\].*float32 \[4\]"):
        ChainedSession([vision, other])


def test_a_model_that_fails_is_named(tmp_path: Path) -> None:
    types, table = {"index": onnx.TensorProto.INT64}, np.zeros(2, np.float32)
    nodes = [node("Gather", ["table", "index"], "y")]
    model = save(tmp_path / "m.onnx", nodes, {"index": [1]}, {"y": [1]}, types, table=table)
    chain = ChainedSession([open_session(model)], names=["m.onnx"])
    with pytest.raises(ModelError, match=r"m\.onnx cannot be run"):
        chain.run(["y"], {"index": np.array([7])})
