"""After a failed parity check: run the float model to the worst tick and name the first layer to diverge there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx

from fsd.export.calibration import Clip
from fsd.export.divergence import FLOAT_LIMIT_DB, QUANTIZED_LIMIT_DB, between_files, from_pytorch
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.parity import FP32
from fsd.networks.input_buffers import InputBuffers
from fsd.networks.model import DrivingNetwork


def locate(
    comparison: str,
    worst_tick: int,
    network: DrivingNetwork,
    fp32: onnx.ModelProto,
    others: Mapping[str, Path],
    clips: Iterable[Clip],
) -> str:
    """A sentence; `comparison` is a name of the parity report, `worst_tick` counts over all clips."""
    feeds = _feeds_at(fp32, network, clips, worst_tick)
    if comparison.startswith(FP32):
        found = from_pytorch(network.cpu(), fp32, feeds, FLOAT_LIMIT_DB)
    else:
        name = max((name for name in others if comparison.startswith(name)), key=len)
        found = between_files(fp32, onnx.load(others[name]), feeds, QUANTIZED_LIMIT_DB)
    if found is None:
        return "No layer could be compared."
    return f"At tick {worst_tick}, on the same inputs and memory, {found}."


def _feeds_at(fp32: onnx.ModelProto, network: DrivingNetwork, clips: Iterable[Clip], wanted: int) -> InputBuffers:
    """The float model's inputs and memory at a tick."""
    runner = OnnxRunner(open_model(fp32), network.config.budget)
    tick = 0
    for clip in clips:
        runner.reset()
        for step in clip:
            if tick == wanted:
                runner.feeds.load(step)
                return runner.feeds
            runner.step(step)
            tick += 1
    return runner.feeds
