"""One tiny network, exported and quantized once for all tests of this folder."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import numpy as np
import onnx

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.standard_rigs import canonical_rig
from fsd.export.calibration import Calibration, calibrate
from fsd.export.config import ExportConfig
from fsd.export.export import export
from fsd.export.network_nodes import quantized_nodes
from fsd.export.node_choice import activations_of
from fsd.export.onnx_export import export_onnx
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import save_weights, untrained
from tests.networks._tiny import TINY

TICKS = 6
"""Of `recording`."""


@pytest.fixture(scope="session")
def network() -> DrivingNetwork:
    return untrained(TINY)


@pytest.fixture(scope="session")
def make_feeds(network: DrivingNetwork) -> MakeFeeds:
    return lambda: InputBuffers(network.config.budget)


@pytest.fixture(scope="session")
def steps(network: DrivingNetwork) -> list[TickInput]:
    return list(synthetic_steps(network.config.budget, 40, seed=3))


@pytest.fixture(scope="session")
def fp32_model(network: DrivingNetwork) -> onnx.ModelProto:
    return export_onnx(network)


@pytest.fixture(scope="session")
def calibration(fp32_model: onnx.ModelProto, make_feeds: MakeFeeds, steps: list[TickInput]) -> Calibration:
    nodes = quantized_nodes(fp32_model)
    return calibrate(fp32_model, make_feeds, activations_of(fp32_model, nodes), [steps], nodes=nodes)


@pytest.fixture(scope="session")
def int8_model(fp32_model: onnx.ModelProto, calibration: Calibration) -> onnx.ModelProto:
    return quantize(fp32_model, quantized_nodes(fp32_model), calibration, RECIPES["ort-cpu"])


@pytest.fixture(scope="session")
def weights(network: DrivingNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(network, path, trained=False)
    return path


@pytest.fixture(scope="session")
def int8_file(weights: Path, steps: list[TickInput], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `export`, with its stored tick."""
    out = tmp_path_factory.mktemp("int8")
    written = export(ExportConfig(weights=weights, out=out, parity_ticks=0), clips=[steps[:8]])
    assert written.int8 is not None
    return written.int8


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "short"
    texture = np.random.default_rng(0).integers(40, 200, (96, 128, 3), dtype=np.uint8)
    with ClipWriter(folder, canonical_rig(128, 96)) as writer:
        for tick in range(TICKS):
            ego = {"x": 0.3 * tick, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            images = [np.roll(texture, 3 * tick, axis=1)] * 8
            writer.write(images, tick_time_ns(tick), ego=ego | {"v_mps": 10.0, "yaw_rate_rps": 0.0}, command="left")
    return folder
