import numpy as np
import onnxruntime as ort
import pytest

from fsd.profile.operators.machine_peaks import _float_kernels, _integer_kernels, measure_peaks
from fsd.profile.operators.onnx_bytes import Constant, Port, one_operator_model

onnx = pytest.importorskip("onnx", reason="the checker of the onnx package is the judge here")


@pytest.mark.parametrize("kernel", [*_float_kernels(), *_integer_kernels()], ids=lambda kernel: kernel[0])
def test_the_hand_written_models_pass_the_onnx_checker(kernel: tuple[str, bytes, int]) -> None:
    onnx.checker.check_model(onnx.load_from_string(kernel[1]), full_check=True)


def test_a_hand_written_matrix_product_multiplies() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 200)).astype(np.float32), rng.normal(size=(200, 5)).astype(np.float32)
    model = one_operator_model(
        "MatMul", [Port("a", "float32", (3, 200)), Constant("b", b)], Port("y", "float32", (3, 5))
    )
    (product,) = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"a": a})
    np.testing.assert_allclose(product, a @ b, rtol=1e-5, atol=1e-5)


def test_peaks_are_positive_and_name_their_kernels() -> None:
    peaks = measure_peaks(threads=1, repeats=1)
    assert min(peaks.rates().values()) > 0
    assert peaks.int8_kernel in {"QLinearMatMul", "QLinearConv 3x3"}
