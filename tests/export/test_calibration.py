from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy

from fsd.data.errors import ModelError
from fsd.export.calibration import Calibration, calibrate
from fsd.export.onnx_runner import MakeFeeds
from fsd.networks.input_buffers import TickInput


def test_ranges_come_from_a_memory_that_fills(
    fp32_model: onnx.ModelProto, make_feeds: MakeFeeds, steps: list[TickInput]
) -> None:
    read_from_memory = next(
        node.input[0] for node in fp32_model.graph.node if node.name == "memory_attention.output/Gemm"
    )
    first = calibrate(fp32_model, make_feeds, [read_from_memory], [steps[:1]], every=1)
    assert first.ranges[read_from_memory] == (0.0, 0.0)
    drive = calibrate(fp32_model, make_feeds, [read_from_memory], [steps], every=1)
    low, high = drive.ranges[read_from_memory]
    assert low < -0.1
    assert high > 0.1


def test_every_clip_starts_with_an_empty_memory(
    fp32_model: onnx.ModelProto, make_feeds: MakeFeeds, steps: list[TickInput]
) -> None:
    once = calibrate(fp32_model, make_feeds, ["new_k"], [steps[:8]], every=1)
    twice = calibrate(fp32_model, make_feeds, ["new_k"], [steps[:8], steps[:8]], every=1)
    assert twice.ranges == once.ranges
    assert (twice.ticks, twice.clips) == (16, 2)


def test_a_calibration_survives_its_file(calibration: Calibration, tmp_path: Path) -> None:
    calibration = replace(calibration, scales={"joint_blocks.0.norm": [0.5, 2.0]}, weights_sha256="ab")
    calibration.save(tmp_path / "calibration.safetensors")
    read = Calibration.load(tmp_path / "calibration.safetensors")
    assert replace(read, layers={}) == replace(calibration, layers={})
    assert read.layers.keys() == calibration.layers.keys() != set()
    for name, layer in calibration.layers.items():
        for part in fields(layer):
            np.testing.assert_array_equal(getattr(read.layers[name], part.name), getattr(layer, part.name))


@pytest.mark.parametrize("metadata", [None, {}, {"calibration": "[]"}, {"calibration": '{"ranges": {}, "ticks": 1}'}])
def test_a_damaged_calibration_file_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    content = b"{}" if metadata is None else safetensors.numpy.save({"layer.scale": np.ones(1)}, metadata)
    (tmp_path / "calibration.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="fsd export"):
        Calibration.load(tmp_path / "calibration.safetensors")


def test_clips_without_a_tick_are_refused(fp32_model: onnx.ModelProto, make_feeds: MakeFeeds) -> None:
    with pytest.raises(ModelError, match="--data"):
        calibrate(fp32_model, make_feeds, ["new_k"], [[]])
