"""Calibration by several processes, without any: what is sent to them and comes back passes through pickles."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("ray", reason="needs the extra `ray`")
import ray

from fsd.data.errors import ClipError
from fsd.export.calibration import Calibration, calibrate
from fsd.export.network_nodes import quantized_nodes
from fsd.export.network_reference import network_feeds
from fsd.export.node_choice import activations_of
from fsd.export.onnx_export import export_onnx
from fsd.export.recorded_clip import RecordedClip
from fsd.export.smoothing import measure_scales
from fsd.exporting import ray_calibration
from fsd.exporting.ray_calibration import FOLDER, _RayCalibration
from fsd.fleet.engine import ATTEMPTS, Ended, Needs, Problem
from fsd.networks.model import DrivingNetwork
from fsd.networks.weights import untrained
from tests.networks._tiny import TINY


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recordings that were measured, by a cluster that this process plays."""
    names: list[str] = []

    def run_on_ray(
        jobs: list[Any], start: Callable[..., Any], arguments: Any, needs: Needs, workers: int | None
    ) -> Iterator[Ended]:
        pickled = [ray.cloudpickle.dumps(job) for job in jobs]
        begin, values = ray.cloudpickle.loads(ray.cloudpickle.dumps((start, arguments)))
        work = begin(*values)
        for job in map(ray.cloudpickle.loads, reversed(pickled)):
            names.append(job.clip.path.name)
            try:
                yield Ended(job, 1, work(job, 1))
            except ClipError as error:
                yield Ended(job, ATTEMPTS, problem=Problem("ClipError", str(error), error.exit_code))

    monkeypatch.setattr(ray_calibration, "run_on_ray", run_on_ray)
    return names


@pytest.fixture(scope="module")
def network() -> DrivingNetwork:
    return untrained(TINY)


@pytest.fixture
def clips(small_clip: Path, tmp_path: Path, network: DrivingNetwork) -> list[RecordedClip]:
    (tmp_path / "again").symlink_to(small_clip)
    budget = network.config.budget
    return [RecordedClip(small_clip, budget, max_ticks=9), RecordedClip(tmp_path / "again", budget, max_ticks=5)]


def test_measured_in_any_order_the_calibration_is_the_same_to_the_bit(
    network: DrivingNetwork, clips: list[RecordedClip], tmp_path: Path, sent: list[str]
) -> None:
    on_ray = _RayCalibration(tmp_path / FOLDER, Needs(1), None)
    assert measure_scales(network, clips, measure_clips=on_ray) == measure_scales(network, clips)
    graph = export_onnx(network)
    nodes = quantized_nodes(graph)
    tensors = activations_of(graph, nodes)

    def calibrated(**how: Any) -> Calibration:
        return calibrate(graph, network_feeds(network), tensors, clips, nodes=nodes, **how)

    found, expected = calibrated(measure_clips=on_ray), calibrated()
    assert (found.ranges, found.ticks, found.clips) == (expected.ranges, expected.ticks, expected.clips) != ({}, 0, 0)
    assert found.layers.keys() == expected.layers.keys() != set()
    for name, layer in expected.layers.items():
        for part in fields(layer):
            np.testing.assert_array_equal(getattr(found.layers[name], part.name), getattr(layer, part.name))
    assert sent == ["again", "small", "again", "small"]
    calibrated(measure_clips=on_ray)
    assert len(sent) == 4  # all was there


def test_a_recording_that_cannot_be_measured_is_listed_and_the_others_are_kept(
    network: DrivingNetwork, clips: list[RecordedClip], tmp_path: Path, sent: list[str]
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "front_main.mp4").write_bytes(b"no video")
    broken = RecordedClip(tmp_path / "broken", network.config.budget)
    on_ray = _RayCalibration(tmp_path / FOLDER, Needs(1), None)
    with pytest.raises(ClipError, match="1 of 3"):
        measure_scales(network, [*clips, broken], measure_clips=on_ray)
    assert len(list((tmp_path / FOLDER).glob("*.npz"))) == 2
    assert len(list((tmp_path / FOLDER).rglob("failures.parquet"))) == 1
