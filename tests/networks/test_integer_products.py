"""Files whose 8-bit sums saturate on some processors run with other kernels there, or are refused."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

from fsd.data.errors import ModelError
from fsd.networks.integer_products import integer_products
from fsd.networks.onnx_session import integer_kernels, open_session
from fsd.networks.packaged import PACKAGED_MODEL, packaged_file
from tests.networks._quantized import LARGEST_SUM, largest_feeds, quantized_model


@pytest.fixture
def saturating(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose fast kernels saturate, as far as our code can tell."""
    monkeypatch.setattr("fsd.networks.onnx_session.integer_sums_are_exact", lambda: False)


@pytest.mark.usefixtures("saturating")
@pytest.mark.parametrize(
    ("layers", "of_results", "kernels"), [(1, False, "exact"), (2, False, "float"), (1, True, "float")]
)
def test_where_fast_kernels_saturate_others_run(layers: int, of_results: bool, kernels: str) -> None:
    session = open_session(quantized_model(layers, of_results))
    if layers == 1:  # on other processors ONNX Runtime may load what two layers share
        assert integer_kernels(session) == kernels
    (sums,) = session.run(None, largest_feeds(of_results))
    assert (sums == LARGEST_SUM).all()


@pytest.mark.usefixtures("saturating")
def test_a_file_without_right_kernels_is_refused_with_the_operator_and_the_processor() -> None:
    with pytest.raises(ModelError, match=r"saturate on this processor \(.+\).*MatMulInteger"):
        open_session(quantized_model(of_results=True, operator="MatMulInteger"))


@pytest.mark.parametrize("of_results", [False, True])
@pytest.mark.parametrize("operator", ["MatMul", "MatMulInteger"])
def test_every_kind_of_product_is_exact_here_or_refused(operator: str, of_results: bool) -> None:
    """On the processor at hand, whatever it is; `make portable` has others."""
    try:
        session = open_session(quantized_model(1, of_results, operator))
    except ModelError:
        assert (operator, of_results) == ("MatMulInteger", True)
        return
    (sums,) = session.run(None, largest_feeds(of_results))
    assert (sums == LARGEST_SUM).all()


def test_products_are_found_by_what_is_multiplied() -> None:
    assert integer_products(quantized_model(), "m").between_pairs
    assert not integer_products(quantized_model(), "m").of_results
    assert integer_products(quantized_model(of_results=True), "m").of_results == {"MatMul"}
    explicit = integer_products(quantized_model(operator="MatMulInteger"), "m")
    assert explicit.operators == {"MatMulInteger"}
    assert not explicit.between_pairs


@pytest.mark.parametrize("recurrence", ["stored", "computed"])
def test_both_weights_of_a_recurrent_layer_count(recurrence: str) -> None:
    import onnx

    node = onnx.helper.make_node("DynamicQuantizeLSTM", ["x", "w", recurrence], ["y"])
    weights = [onnx.helper.make_tensor(name, onnx.TensorProto.INT8, [1], [127]) for name in ("w", "stored")]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "m", [], [], weights))
    products = integer_products(model.SerializeToString(), "m")
    assert products.operators == {"DynamicQuantizeLSTM"}
    assert bool(products.of_results) == (recurrence == "computed")


def test_the_packaged_file_has_stored_weights_only() -> None:
    content = packaged_file(PACKAGED_MODEL, "model", "").read_bytes()
    products = integer_products(content, "m")
    assert products.between_pairs
    assert not products.operators | products.of_results


@given(st.binary(max_size=64))
@settings(derandomize=True, deadline=None)
def test_any_bytes_give_products_or_a_clear_error(content: bytes) -> None:
    with contextlib.suppress(ModelError):
        integer_products(b"\x3a" + bytes([len(content)]) + content, "m")
