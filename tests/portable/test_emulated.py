"""An INT8 file of `fsd export` computes the same on processors with other 8-bit instructions."""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

from fsd.compression.budget import BUDGETS
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.recorded_clip import RecordedClip
from fsd.networks.weights import packaged_weights
from tests.portable.emulator import PROCESSORS, is_available, run_on

SCRIPT = Path(__file__).with_name("one_tick.py")
PLAN_TOLERANCE_M = {"Haswell": 1e-3, "Nehalem": 0.02}
"""Without AVX2 the float layers round otherwise, and some of their results then become another integer."""
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
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged network, calibrated on the first ticks of the packaged clip."""
    config = ExportConfig(weights=packaged_weights(), out=tmp_path_factory.mktemp("portable"), parity_ticks=0)
    clip = Path(str(resources.files("fsd") / "demo_clip"))
    written = export(config, [RecordedClip(clip, BUDGETS["B100"], max_ticks=4)]).int8
    assert written is not None
    return written


@pytest.fixture(scope="module")
def integer_model(model: Path) -> Path:
    path = model.with_name("integers.onnx")
    onnx.save(integer_part(onnx.load(model)), path)
    return path


@pytest.fixture(scope="module")
def here(model: Path, integer_model: Path) -> dict[str, Any]:
    return run_on("", SCRIPT, str(model), str(integer_model))


@pytest.mark.parametrize("processor", PROCESSORS)
def test_integer_sums_are_the_same_to_the_bit_and_plans_within_the_rounding_of_floats(
    processor: str, here: dict[str, Any], model: Path, integer_model: Path
) -> None:
    there = run_on(processor, SCRIPT, str(model), str(integer_model))
    assert len(here["integers"]) == 2
    assert there["integers"] == here["integers"]
    plan_m = np.array(there["trajectory"])[:, :2] - np.array(here["trajectory"])[:, :2]
    assert np.abs(plan_m).max() < PLAN_TOLERANCE_M[processor]


def test_the_emulated_processor_without_vnni_is_one_whose_sums_saturate(model: Path) -> None:
    """Otherwise the test above would prove nothing."""
    assert run_on("Haswell", SCRIPT, str(model))["sums_are_exact"] is False
