"""What this machine can do at best, measured before anything is compared with it.

Memory bandwidth is a plain copy; arithmetic peaks are large matrix products and convolutions run by the same runtime as
the network, so that the share of the peak says what the network leaves on the table, not what the runtime does.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fsd.networks.onnx_session import open_session
from fsd.outputs.profile_summary import MachinePeaks
from fsd.profile.operators.onnx_bytes import Constant, Port, one_operator_model

COPY_BYTES = 128 * 2**20
"""Larger than the last-level cache share of any core that this is likely to run on."""

MATRIX = 768
IMAGE_HW, CHANNELS = (40, 40), 128
REPEATS = 12


def measure_peaks(threads: int = 1, repeats: int = REPEATS) -> MachinePeaks:
    """Measure in about two seconds.

    Args:
        threads: as many as the network will be given.
        repeats: runs of each kernel; the best counts, since noise only ever slows down.
    """
    fp32 = {name: _best_gmac_s(model, macs, threads, repeats) for name, model, macs in _float_kernels()}
    int8 = {name: _best_gmac_s(model, macs, threads, repeats) for name, model, macs in _integer_kernels()}
    fp32_kernel, int8_kernel = max(fp32, key=fp32.__getitem__), max(int8, key=int8.__getitem__)
    return MachinePeaks(
        threads=threads,
        copy_gb_s=_copy_gb_s(threads, repeats),
        fp32_gmac_s=fp32[fp32_kernel],
        int8_gmac_s=int8[int8_kernel],
        fp32_kernel=fp32_kernel,
        int8_kernel=int8_kernel,
    )


def _copy_gb_s(threads: int, repeats: int) -> float:
    source = np.ones(COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            # numpy lets go of the interpreter lock while it copies.
            for done in [pool.submit(np.copyto, *part) for part in parts]:
                done.result()

        return 2 * COPY_BYTES / _best_s(copy, repeats) / 1e9


def _best_gmac_s(model: bytes, macs: int, threads: int, repeats: int) -> float:
    session = open_session(model, threads)
    feed = session.get_inputs()[0]
    dtype = np.float32 if "float" in feed.type else np.uint8
    values = np.ones(feed.shape, dtype)
    return macs / _best_s(lambda: session.run(None, {feed.name: values}), repeats) / 1e9


def _best_s(run: Callable[[], object], repeats: int) -> float:
    run()
    best_ns = None
    for _ in range(repeats):
        start_ns = time.perf_counter_ns()
        run()
        took_ns = time.perf_counter_ns() - start_ns
        best_ns = took_ns if best_ns is None else min(best_ns, took_ns)
    assert best_ns is not None
    return best_ns / 1e9


def _float_kernels() -> list[tuple[str, bytes, int]]:
    """(name, model, multiply-accumulates) of a matrix product and a 3x3 convolution."""
    rng = np.random.default_rng(0)
    size, (height, width), channels = MATRIX, IMAGE_HW, CHANNELS
    matrix = Constant("b", rng.normal(size=(size, size)).astype(np.float32))
    kernel = Constant("w", rng.normal(size=(channels, channels, 3, 3)).astype(np.float32))
    image = (1, channels, height, width)
    return [
        (
            "MatMul",
            one_operator_model(
                "MatMul", [Port("a", "float32", (size, size)), matrix], Port("y", "float32", (size, size))
            ),
            size**3,
        ),
        (
            "Conv 3x3",
            one_operator_model(
                "Conv", [Port("x", "float32", image), kernel], Port("y", "float32", image), {"pads": [1, 1, 1, 1]}
            ),
            9 * channels * channels * height * width,
        ),
    ]


def _integer_kernels() -> list[tuple[str, bytes, int]]:
    """The same two with unsigned 8-bit activations and signed 8-bit weights, as the network uses them."""
    rng = np.random.default_rng(0)
    size, (height, width), channels = MATRIX, IMAGE_HW, CHANNELS
    scale, zero_u8, zero_i8 = np.float32(0.05), np.uint8(128), np.int8(0)
    matrix = rng.integers(-127, 128, (size, size), dtype=np.int8)
    kernel = rng.integers(-127, 128, (channels, channels, 3, 3), dtype=np.int8)
    image = (1, channels, height, width)

    def quantized(feed: Port, weights: np.ndarray) -> list[Port | Constant]:
        return [
            feed,
            Constant("a_scale", np.array(scale)),
            Constant("a_zero", np.array(zero_u8)),
            Constant("b", weights),
            Constant("b_scale", np.array(scale)),
            Constant("b_zero", np.array(zero_i8)),
            Constant("y_scale", np.array(scale)),
            Constant("y_zero", np.array(zero_u8)),
        ]

    return [
        (
            "QLinearMatMul",
            one_operator_model(
                "QLinearMatMul", quantized(Port("a", "uint8", (size, size)), matrix), Port("y", "uint8", (size, size))
            ),
            size**3,
        ),
        (
            "QLinearConv 3x3",
            one_operator_model(
                "QLinearConv",
                quantized(Port("a", "uint8", image), kernel),
                Port("y", "uint8", image),
                {"pads": [1, 1, 1, 1]},
            ),
            9 * channels * channels * height * width,
        ),
    ]
