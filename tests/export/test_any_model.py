import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsd.data.errors import ModelError, UsageError
from fsd.export.any_model import ModelSource, export_model
from fsd.export.calibration import calibrate
from fsd.export.config import ModelExportConfig
from fsd.export.node_choice import activations_of, choose_nodes
from fsd.export.onnx_runner import OnnxRunner, open_model
from fsd.export.pair_safe import saturating_pairs
from fsd.export.prepared_graph import prepare
from fsd.export.quantize import quantize
from fsd.export.recipes import RECIPES
from fsd.export.steps import Exported
from fsd.export.variants import Variant, to_dynamic, to_weights4
from fsd.networks.export_record import EXPORT_KEY, export_record
from tests.export._small_models import SMALL_MODELS, SmallModel


def exported(small: SmallModel, out: Path, **settings: object) -> Exported:
    source = ModelSource("small", small.model, small.make_feeds, plan_outputs=(small.plan,), sha256="ab")
    config = ModelExportConfig(out=out, **{"parity_ticks": 20, "speed_rounds": 0, **settings})
    return export_model(source, config, [small.steps(16), small.steps(12, seed=1)])


def record_of(path: Path) -> dict[str, object]:
    properties = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    return dict(json.loads(properties[EXPORT_KEY]))


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_int8_of_any_structure_holds_its_limits_over_recurrent_ticks(name: str, tmp_path: Path) -> None:
    written = exported(SMALL_MODELS[name](), tmp_path, targets=("ort-cpu", "trt"))
    assert written.report is not None
    assert written.report.failures == ()
    assert written.report.ticks == 20
    # 4 %: twice the largest difference of these four models; 8-bit layers have 25-45 dB.
    assert 0 < written.report.comparisons["onnx_int8"].distances["outputs"].mean < 0.04
    record = record_of(written.others["onnx_int8"])
    assert (record["pair_safe"], record["precision"], record["source_sha256"]) == (True, "int8", "ab")
    assert saturating_pairs(onnx.load(written.others["onnx_int8"])) == 0
    assert not record_of(written.others["onnx_int8_trt"])["pair_safe"]


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_the_fp32_file_computes_what_the_model_computes(name: str, tmp_path: Path) -> None:
    small = SMALL_MODELS[name]()
    written = exported(small, tmp_path, variants=("fp16",))
    before, after = (OnnxRunner(open_model(each), small.make_feeds) for each in (small.model, written.fp32))
    for step in small.steps(3):
        wanted, found = before.step(step), after.step(step)
        np.testing.assert_array_equal(found[small.plan], wanted[small.plan])


def test_other_variants_are_proven_as_well(tmp_path: Path) -> None:
    variants = ("fp16", "weights8", "dynamic")
    written = exported(SMALL_MODELS["recurrent"](), tmp_path, variants=variants, speed_rounds=3)
    assert {*written.others} == {f"onnx_{variant}" for variant in variants}
    assert written.report is not None
    assert written.report.passed
    assert record_of(written.others["onnx_dynamic"])["pair_safe"] is True
    assert written.others["onnx_weights8"].stat().st_size < 0.5 * written.fp32.stat().st_size
    content = json.loads((tmp_path / "parity.json").read_text())
    assert [each["threads"] for each in content["speed"]] == [1, 2]
    assert content["speed"][0]["rounds"] == 3
    assert set(content["speed"][0]["over_fp32"]) == {*written.others}


@pytest.mark.parametrize("make", [to_dynamic, to_weights4])
def test_transposed_weights_with_a_stored_shape_are_no_obstacle(make: Callable[[onnx.ModelProto], Variant]) -> None:
    """As in the graphs of torch's exporter, which state the shape of constants too."""
    small = SMALL_MODELS["attention"]()
    small.model.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(entry.name, entry.data_type, entry.dims)
        for entry in small.model.graph.initializer
    )
    made = make(prepare(small.model)).graph
    assert {"MatMulInteger", "MatMulNBits"} & {node.op_type for node in made.graph.node}


def test_weights_can_stay_in_a_file_of_their_own(tmp_path: Path) -> None:
    small = SMALL_MODELS["recurrent"]()
    source = ModelSource("small", small.model, small.make_feeds, plan_outputs=("plan",), weights_beside=True)
    written = export_model(source, ModelExportConfig(out=tmp_path, parity_ticks=4, speed_rounds=0), [small.steps(8)])
    assert written.report is not None
    assert written.report.passed
    whole = small.model.ByteSize()
    assert written.fp32.stat().st_size < 0.2 * whole
    assert (tmp_path / "small_fp32.onnx.data").stat().st_size > 0.8 * whole


def test_a_limit_that_does_not_hold_is_a_failure_that_names_a_layer(tmp_path: Path) -> None:
    written = exported(SMALL_MODELS["history"](), tmp_path, int8_limit=1e-6)
    assert written.report is not None
    assert written.report.failed == ("onnx_int8", "onnx_int8_unoptimised")
    assert any(f"/{kind}" in written.report.failures[0] for kind in ("Conv", "Gemm", "Relu"))


def test_mixed_precision_holds_a_limit_in_the_models_own_unit(tmp_path: Path) -> None:
    written = exported(SMALL_MODELS["history"](), tmp_path, mixed_limit=0.008, sensitivity_ticks=6)
    sensitivity = written.sensitivity["ort-cpu"]
    assert sensitivity.unit == "relative"
    assert sensitivity.all_m > 0.008
    notes = record_of(written.others["onnx_int8"])["quantization"]
    assert "/" in notes["float_layers"]
    assert "dB" in notes["mixed"]


def test_a_stored_calibration_gives_the_same_file(tmp_path: Path) -> None:
    small = SMALL_MODELS["attention"]()
    first = exported(small, tmp_path / "a", parity_ticks=0)
    again = exported(small, tmp_path / "b", parity_ticks=0, calibration=first.calibration)
    assert again.others["onnx_int8"].read_bytes() == first.others["onnx_int8"].read_bytes()


def test_int8_is_made_of_the_fine_tuned_weights_and_fp32_of_the_others(tmp_path: Path) -> None:
    small, tuned = SMALL_MODELS["history"](), SMALL_MODELS["history"]()
    for weights in tuned.model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            weights.CopyFrom(numpy_helper.from_array(1.5 * numpy_helper.to_array(weights), weights.name))
    source = ModelSource("small", small.model, small.make_feeds, plan_outputs=(small.plan,), to_quantize=tuned.model)
    config = ModelExportConfig(out=tmp_path, parity_ticks=0, speed_rounds=0)
    written = export_model(source, config, [small.steps(8)])
    step = next(iter(small.steps(1)))

    def plan(model: onnx.ModelProto | Path) -> np.ndarray:
        return OnnxRunner(open_model(model), small.make_feeds).step(step)[small.plan]

    np.testing.assert_array_equal(plan(written.fp32), plan(small.model))
    to_tuned, to_original = (
        np.abs(plan(written.others["onnx_int8"]) - plan(each)).mean() for each in (tuned.model, small.model)
    )
    assert to_tuned < 0.2 * to_original


def test_a_calibration_of_another_model_is_refused(tmp_path: Path) -> None:
    first = exported(SMALL_MODELS["history"](), tmp_path / "a", parity_ticks=0)
    small = SMALL_MODELS["history"]()
    source = ModelSource("other", small.model, small.make_feeds, sha256="cd")
    config = ModelExportConfig(out=tmp_path / "b", calibration=first.calibration)
    with pytest.raises(ModelError, match="another model"):
        export_model(source, config, [small.steps(4)])


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--exclude 'nothing\*'"):
        exported(SMALL_MODELS["history"](), tmp_path, exclude=("nothing*",))


def test_ranges_of_a_rolled_out_state_are_wider_than_those_of_an_empty_one() -> None:
    small = SMALL_MODELS["recurrent"]()
    ranges = [
        calibrate(small.model, small.make_feeds, ["hidden"], [small.steps(16)], roll_out=roll_out).ranges["hidden"]
        for roll_out in (True, False)
    ]
    assert ranges[1] == (0.0, 0.0)
    assert ranges[0][0] < -0.1
    assert ranges[0][1] > 0.1


def test_weights_of_an_unknown_order_get_seven_bits() -> None:
    """A product with a scaled result: its rows are not rounded by us, and it still cannot saturate."""
    small = SMALL_MODELS["history"]()
    graph = prepare(small.model)
    nodes = choose_nodes(graph, ["plan"])
    node = next(node for node in graph.graph.node if node.op_type == "Gemm" and node.name in nodes)
    next(each for each in node.attribute if each.name == "alpha").f = 0.5
    found = calibrate(graph, small.make_feeds, activations_of(graph, nodes), [small.steps(8)], nodes=nodes)
    assert node.input[1] not in found.layers
    made = quantize(graph, nodes, found, RECIPES["ort-cpu"])
    stored = {entry.name: entry for entry in made.graph.initializer}
    assert np.abs(numpy_helper.to_array(stored[f"{node.input[1]}_quantized"]).astype(int)).max() <= 64
    assert saturating_pairs(made) == 0


def test_a_record_that_is_damaged_is_an_error() -> None:
    assert export_record({}, "m.onnx") is None
    with pytest.raises(ModelError, match=r"m\.onnx"):
        export_record({EXPORT_KEY: "[]"}, "m.onnx")


def test_a_state_is_not_rounded_where_its_own_update_reads_it() -> None:
    small = SMALL_MODELS["recurrent"]()
    graph = prepare(small.model)
    nodes = choose_nodes(graph, ["plan"])
    found = calibrate(graph, small.make_feeds, activations_of(graph, nodes), [small.steps(8)], nodes=nodes)
    made = quantize(graph, nodes, found, RECIPES["ort-cpu"])
    readers = [node.op_type for node in made.graph.node if "hidden" in node.input]
    assert sorted(readers) == ["Mul", "QuantizeLinear"]
