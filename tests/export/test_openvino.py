"""The files in a second runtime; skipped where OpenVINO is not installed (`pip install 'fsd[openvino]'`)."""

import importlib

import numpy as np
import onnx
import pytest

from fsd.export.calibration import Calibration
from fsd.export.network_nodes import quantized_nodes
from fsd.export.onnx_export import serialise
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork

pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'fsd[openvino]'")


def trajectories(model: onnx.ModelProto, network: DrivingNetwork, steps: list[TickInput]) -> np.ndarray:
    """(T, 16, 4) as OpenVINO plans, with its own memory."""
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(serialise(model)), "CPU", options)
    feeds, planned = InputBuffers(network.config.budget), []
    for step in steps:
        feeds.load(step)
        outputs = {port.get_any_name(): value for port, value in compiled(feeds.arrays).items()}
        feeds.commit(step.tick.commit_slots, outputs["new_k"], outputs["new_v"])
        planned.append(outputs["trajectory"].copy())
    return np.stack(planned)


@pytest.fixture(scope="module")
def reference(fp32_model: onnx.ModelProto, network: DrivingNetwork, steps: list[TickInput]) -> np.ndarray:
    runner = OnnxRunner(open_model(fp32_model), lambda: InputBuffers(network.config.budget))
    return np.stack([runner.step(step)["trajectory"] for step in steps])


def test_the_float_file_agrees_to_rounding(
    fp32_model: onnx.ModelProto, network: DrivingNetwork, steps: list[TickInput], reference: np.ndarray
) -> None:
    difference = np.abs(trajectories(fp32_model, network, steps) - reference)
    assert difference[..., :2].max() < 1e-4  # the limit of the parity proof


@pytest.mark.parametrize("target", ["openvino", "ort-cpu"])
def test_the_integer_file_agrees_to_centimetres(
    fp32_model: onnx.ModelProto,
    calibration: Calibration,
    network: DrivingNetwork,
    steps: list[TickInput],
    reference: np.ndarray,
    target: str,
) -> None:
    model = quantize(fp32_model, quantized_nodes(fp32_model), calibration, RECIPES[target])
    difference = np.abs(trajectories(model, network, steps) - reference)
    assert difference[:, 11, :2].mean() < 0.05  # the parity proof's limit at 3 s
