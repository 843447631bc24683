import json
from importlib import resources
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from fsd.data.errors import ModelError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import METADATA_KEY
from fsd.networks.devices import PROVIDERS
from fsd.networks.onnx_session import (
    SPIN_US,
    assignment,
    check_assignment,
    integer_sums_are_exact,
    open_session,
    provider_for,
    session_options,
)
from fsd.runtime.engine import Engine, packaged_model


def recorded_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return onnxruntime.InferenceSession(str(packaged_model()), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("device", "package"),
    [("cuda", "onnxruntime-gpu"), ("tensorrt", "onnxruntime-gpu"), ("openvino", "onnxruntime-openvino")],
)
def test_a_device_that_is_not_there_is_an_error_and_not_the_cpu(device: str, package: str) -> None:
    if PROVIDERS[device] in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has {PROVIDERS[device]}")
    with pytest.raises(ModelError, match=rf"{PROVIDERS[device]}.*{package}"):
        Engine(device=device)


@pytest.mark.skipif(
    PROVIDERS["openvino"] not in onnxruntime.get_available_providers(), reason="needs onnxruntime-openvino"
)
def test_openvino_runs_the_whole_packaged_network() -> None:
    engine = Engine(device="openvino")
    step = next(synthetic_steps(engine.budget, 1))
    assert np.isfinite(engine.step(*step)["trajectory"]).all()


@pytest.mark.parametrize(
    ("version", "threads", "may_spin"), [("1.31.1", 1, "0"), ("1.25.0", 2, "0"), ("1.31.1", 2, "1")]
)
def test_threads_look_out_for_more_only_where_that_can_be_bounded(
    version: str, threads: int, may_spin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.__version__", version)
    options = session_options(threads)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == may_spin
    if may_spin == "1":
        assert options.get_session_config_entry("session.intra_op.spin_duration_us") == str(SPIN_US)
        assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_an_unknown_device_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"cpu, cuda, tensorrt, openvino.*tpu"):
        provider_for("tpu")


def test_every_operator_is_accounted_for() -> None:
    given = assignment(recorded_session())
    assert set(given) == {"CPUExecutionProvider"}
    assert sum(given["CPUExecutionProvider"].values()) > 100


def test_a_whole_network_on_its_provider_passes() -> None:
    check_assignment(recorded_session(), "CPUExecutionProvider")


def test_a_provider_that_did_not_start_is_an_error() -> None:
    with pytest.raises(ModelError, match="CUDAExecutionProvider"):
        check_assignment(recorded_session(), "CUDAExecutionProvider")


def test_a_single_operator_left_to_the_cpu_is_named_by_its_type() -> None:
    def subgraph(provider: str, *operators: str) -> SimpleNamespace:
        nodes = [SimpleNamespace(op_type=operator) for operator in operators]
        return SimpleNamespace(ep_name=provider, get_nodes=lambda: nodes)

    session = SimpleNamespace(
        get_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        get_provider_graph_assignment_info=lambda: [
            subgraph("CUDAExecutionProvider", "Conv", "Relu"),
            subgraph("CPUExecutionProvider", "Sin"),
        ],
    )
    with pytest.raises(ModelError, match="CPUExecutionProvider: 1 Sin"):
        check_assignment(session, "CUDAExecutionProvider")


def saturating_product() -> bytes:
    """255s times 127s over 64 terms: two neighbouring products do not fit into 16 bits."""
    return (resources.files("fsd.networks") / "integer_sum_probe.onnx").read_bytes()


def test_integer_sums_are_exact_on_every_processor() -> None:
    (sums,) = open_session(saturating_product()).run(None, {"activations": np.full((1, 64), 255, np.uint8)})
    assert (sums == 255 * 127 * 64).all()


@pytest.mark.parametrize("is_exact", [True, False])
def test_exact_sums_are_requested_only_where_the_fast_kernels_saturate(
    is_exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsd.networks.onnx_session.integer_sums_are_exact", lambda: is_exact)
    assert requests_exact_sums(open_session(saturating_product())) is not is_exact


@pytest.mark.parametrize(("metadata", "expected"), [({"pair_safe": True}, False), ({"pair_safe": False}, True)])
def test_a_file_that_cannot_saturate_runs_with_the_fast_kernels_everywhere(
    metadata: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsd.networks.onnx_session.integer_sums_are_exact", lambda: False)
    model = onnx.load_from_string(saturating_product())
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    assert requests_exact_sums(open_session(model.SerializeToString())) is expected


def requests_exact_sums(session: onnxruntime.InferenceSession) -> bool:
    try:
        return session.get_session_options().get_session_config_entry("session.x64quantprecision") == "1"
    except RuntimeError:  # the entry was never made
        return False


def test_the_probe_is_run_once_per_process() -> None:
    integer_sums_are_exact()
    before = integer_sums_are_exact.cache_info().misses
    integer_sums_are_exact()
    assert integer_sums_are_exact.cache_info().misses == before == 1
