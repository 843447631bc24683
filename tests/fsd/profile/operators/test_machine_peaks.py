import numpy as np
import onnxruntime as ort
import pytest

from fsd.profile.operators.machine_peaks import FLOAT_KERNELS, INTEGER_KERNELS, MATRIX, kernel_model, measure_peaks

onnx = pytest.importorskip("onnx", reason="the checker of the onnx package is the judge here")


@pytest.mark.parametrize("kernel", [*FLOAT_KERNELS.values(), *INTEGER_KERNELS.values()], ids=lambda kernel: kernel[0])
def test_packaged_kernel_models_are_small_and_pass_the_onnx_checker(kernel: tuple[str, int]) -> None:
    content = kernel_model(kernel[0])
    assert len(content) < 1000
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


def test_the_matrix_product_kernel_multiplies() -> None:
    a = np.random.default_rng(0).normal(size=(MATRIX, MATRIX)).astype(np.float32)
    session = ort.InferenceSession(kernel_model(FLOAT_KERNELS["MatMul"][0]), providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"activations": a})
    np.testing.assert_allclose(product, a @ np.full_like(a, 0.1), rtol=1e-4, atol=1e-4)


def test_peaks_are_positive_and_name_their_kernels() -> None:
    peaks = measure_peaks(threads=1, repeats=1)
    assert min(peaks.rates().values()) > 0
    assert peaks.int8_kernel in INTEGER_KERNELS
