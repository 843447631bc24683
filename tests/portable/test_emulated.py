"""The packaged INT8 file computes the same on processors with other 8-bit instructions.

`make portable` also compares the compressor, over several ticks, and emulates ARM processors.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.input_buffers import InputBuffers
from fsd.runtime.engine import Engine, packaged_model
from tests.portable.emulator import PROCESSORS, run_on
from tests.portable.integer_tensors import exact_tensors, integer_tensors, with_integer_tensors

SCRIPT = Path(__file__).with_name("one_tick.py")
EMULATED = [processor for processor in PROCESSORS.values() if processor.is_available and processor.machine == "x86_64"]
PLAN_TOLERANCE_M = 1e-3
"""Float operators round otherwise in the last bit where there is no AVX2."""

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with its 8-bit tensors as outputs, the inputs of a tick, and its results on this machine."""
    folder = tmp_path_factory.mktemp("portable")
    onnx.save(with_integer_tensors(onnx.load(packaged_model())), folder / "model.onnx")
    buffers = InputBuffers(Engine().budget)
    buffers.load(next(iter(synthetic_steps(buffers.budget, 1))))
    np.savez(folder / "inputs.npz", **buffers.arrays)
    return folder


def results(folder: Path, name: str) -> tuple[Arrays, dict[str, Any]]:
    out = folder / f"{name or 'here'}.npz"
    facts = run_on(PROCESSORS.get(name), SCRIPT, str(folder / "model.onnx"), str(folder / "inputs.npz"), str(out))
    return dict(np.load(out)), facts


@pytest.fixture(scope="module")
def here(folder: Path) -> Arrays:
    return results(folder, "")[0]


@pytest.mark.skipif(not EMULATED, reason="needs an x86 machine with qemu-user (apt-get install qemu-user)")
@pytest.mark.parametrize("name", ["Haswell", "Nehalem"])
def test_integer_sums_are_the_same_to_the_bit_and_plans_within_the_rounding_of_floats(
    name: str, here: Arrays, folder: Path
) -> None:
    there, facts = results(folder, name)
    for tensor in exact_tensors(onnx.load(packaged_model())):
        assert (there[tensor] == here[tensor]).all(), tensor
    plan_m = there["trajectory"][:, :2].astype(float) - here["trajectory"][:, :2]
    assert np.abs(plan_m).max() < PLAN_TOLERANCE_M
    # Otherwise the comparison would prove nothing.
    assert facts["integer_sums"] == ("saturating" if name == "Haswell" else "exact")


def test_tensors_behind_float_operators_are_told_from_those_of_integer_sums() -> None:
    scale, zero, gain = "scale", "zero", "gain"
    nodes = [
        onnx.helper.make_node("DequantizeLinear", ["retina", scale, zero], ["pixels"]),
        onnx.helper.make_node("Relu", ["pixels"], ["rectified"]),
        onnx.helper.make_node("QuantizeLinear", ["rectified", scale, zero], ["before"]),
        onnx.helper.make_node("DequantizeLinear", ["before", scale, zero], ["again"]),
        onnx.helper.make_node("LayerNormalization", ["again", gain], ["normalised"]),
        onnx.helper.make_node("QuantizeLinear", ["normalised", scale, zero], ["behind"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.float32(0.1), scale),
        onnx.numpy_helper.from_array(np.uint8(0), zero),
        onnx.numpy_helper.from_array(np.ones(4, np.float32), gain),
    ]
    image = onnx.helper.make_tensor_value_info("retina", onnx.TensorProto.UINT8, [1, 4])
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "norm", [image], [], constants))
    assert integer_tensors(model) == ["before", "behind"]
    assert exact_tensors(model) == ["before"]


def test_the_packaged_file_has_no_integers_behind_float_operators() -> None:
    """So that its plans differ by no more than float operators do."""
    model = onnx.load(packaged_model())
    assert len(integer_tensors(model)) >= 10
    assert exact_tensors(model, additions=True) == integer_tensors(model)
