from pathlib import Path

import numpy as np
import onnx
import pytest

from fsd.data.errors import ModelError
from fsd.export.metadata import write_model
from fsd.export.network_reference import network_reference
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.parity import ParityReport, compare
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.networks.contract import output_shapes
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.model_metadata import describe


@pytest.fixture(scope="module")
def files(
    fp32_model: onnx.ModelProto,
    int8_model: onnx.ModelProto,
    network: DrivingNetwork,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("parity")
    for name, model in (("fp32", fp32_model), ("int8", int8_model)):
        write_model(model, describe("tiny", network.config.budget, False, name, "x", ""), folder / f"{name}.onnx")
    return folder / "fp32.onnx", folder / "int8.onnx"


@pytest.fixture(scope="module")
def report(
    network: DrivingNetwork, make_feeds: MakeFeeds, files: tuple[Path, Path], steps: list[TickInput]
) -> ParityReport:
    return compare(
        network_reference(network),
        make_feeds,
        TrajectoryMeasure(),
        files[0],
        {"onnx_int8": files[1]},
        [steps[:20], steps[:10]],
        unoptimised_ticks=5,
    )


def test_a_sound_export_passes(report: ParityReport) -> None:
    assert report.failures == ()
    assert report.ticks == 30
    assert report.comparisons["onnx_fp32"].anywhere_max_m < 1e-4
    assert report.comparisons["onnx_int8"].sqnr_db["new_k"] > 20


def test_the_report_covers_every_output_and_both_optimiser_settings(report: ParityReport) -> None:
    assert set(report.comparisons) == {"onnx_fp32", "onnx_fp32_unoptimised", "onnx_int8", "onnx_int8_unoptimised"}
    assert set(report.comparisons["onnx_int8"].max_abs) == set(output_shapes())
    assert report.comparisons["onnx_int8_unoptimised"].ticks == 5


def test_the_report_is_plain_json_values(report: ParityReport) -> None:
    import json

    read = json.loads(json.dumps(report.to_dict()))
    assert read["passed"] is True
    assert set(read["comparisons"]["onnx_int8"]["position_mean_m"]) == {"1s", "2s", "3s"}


def test_a_damaged_weight_fails_by_metres(
    network: DrivingNetwork,
    make_feeds: MakeFeeds,
    fp32_model: onnx.ModelProto,
    files: tuple[Path, Path],
    steps: list[TickInput],
    tmp_path: Path,
) -> None:
    damaged = onnx.ModelProto()
    damaged.CopyFrom(fp32_model)
    name = next(node for node in damaged.graph.node if node.name == "plan_head.accelerations/MatMul").input[1]
    weight = next(entry for entry in damaged.graph.initializer if entry.name == name)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + np.float32(0.05), name))
    write_model(damaged, describe("tiny", network.config.budget, False, "fp32", "x", ""), tmp_path / "damaged.onnx")
    report = compare(
        network_reference(network),
        make_feeds,
        TrajectoryMeasure(),
        tmp_path / "damaged.onnx",
        {},
        [steps[:5]],
        unoptimised_ticks=0,
    )
    assert not report.passed
    assert "m from PyTorch" in report.failures[0]


def test_an_output_that_is_not_a_number_fails(
    network: DrivingNetwork, make_feeds: MakeFeeds, fp32_model: onnx.ModelProto, steps: list[TickInput], tmp_path: Path
) -> None:
    damaged = onnx.ModelProto()
    damaged.CopyFrom(fp32_model)
    name = next(node for node in damaged.graph.node if node.name == "plan_head.accelerations/MatMul").input[1]
    weight = next(entry for entry in damaged.graph.initializer if entry.name == name)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32("nan"), name))
    write_model(damaged, describe("tiny", network.config.budget, False, "fp32", "x", ""), tmp_path / "nan.onnx")
    assert not compare(
        network_reference(network),
        make_feeds,
        TrajectoryMeasure(),
        tmp_path / "nan.onnx",
        {},
        [steps[:3]],
        unoptimised_ticks=0,
    ).passed


def test_nothing_to_compare_is_an_error(
    network: DrivingNetwork, make_feeds: MakeFeeds, files: tuple[Path, Path]
) -> None:
    with pytest.raises(ModelError, match="--data"):
        compare(network_reference(network), make_feeds, TrajectoryMeasure(), files[0], {}, [])
