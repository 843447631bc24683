"""The packaged INT8 file computes the same on processors with other 8-bit instructions."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fsd.runtime.engine import packaged_model
from tests.portable.emulator import PROCESSORS, is_available, run_on

SCRIPT = Path(__file__).with_name("one_tick.py")
PLAN_TOLERANCE_M = 1e-3
INTEGER_OPERATORS = ("QuantizeLinear", "DequantizeLinear", "Conv", "Relu", "Add", "Reshape", "Transpose")

pytestmark = pytest.mark.skipif(not is_available(), reason="needs qemu-user (apt-get install qemu-user)")


def integer_part(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, with the last tensor of each trunk that only integer sums of pixels lead to as output."""
    constants = {entry.name for entry in model.graph.initializer}
    root_of = {root: root for root in ("retina", "patches")}
    last: dict[str, str] = {}
    for node in model.graph.node:
        sources = [name for name in node.input if name not in constants]
        roots = {root_of.get(name, "") for name in sources}
        if node.op_type in INTEGER_OPERATORS and len(roots) == 1 and "" not in roots:
            (root,) = roots
            root_of.update(dict.fromkeys(node.output, root))
            if node.op_type == "QuantizeLinear":
                last[root] = node.output[0]
        elif node.op_type == "DequantizeLinear" and not sources:  # weights and biases
            constants.update(node.output)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in last.values()
    )
    return part


@pytest.fixture(scope="module")
def integer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("portable") / "integers.onnx"
    onnx.save(integer_part(onnx.load(packaged_model())), path)
    return path


@pytest.fixture(scope="module")
def here(integer_model: Path) -> dict[str, Any]:
    return run_on("", SCRIPT, str(packaged_model()), str(integer_model))


@pytest.mark.parametrize("processor", PROCESSORS)
def test_integer_sums_are_the_same_to_the_bit_and_plans_within_a_millimetre(
    processor: str, here: dict[str, Any], integer_model: Path
) -> None:
    there = run_on(processor, SCRIPT, str(packaged_model()), str(integer_model))
    assert len(here["integers"]) == 2
    assert there["integers"] == here["integers"]
    plan_m = np.array(there["trajectory"])[:, :2] - np.array(here["trajectory"])[:, :2]
    assert np.abs(plan_m).max() < PLAN_TOLERANCE_M


def test_the_emulated_processor_without_vnni_is_one_whose_sums_saturate() -> None:
    """Otherwise the test above would prove nothing."""
    assert run_on("Haswell", SCRIPT, str(packaged_model()))["sums_are_exact"] is False
