"""Measure this machine's peak memory bandwidth and arithmetic rate, the reference for the network's own rates.

Memory bandwidth is a plain copy. Arithmetic peaks are large matrix products and convolutions run by the same runtime as
the network, so that the share of the peak depends on the network and not on the runtime. The models of those kernels
are package data; `benchmarks/make_kernel_models.py` writes them.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import numpy as np

from fsd.meters.machine_load import LoadWatch
from fsd.networks.onnx_session import open_session
from fsd.outputs.profile_summary import MachinePeaks

COPY_BYTES = 128 * 2**20
"""Larger than the share of the last-level cache that one core of a current processor has."""

MATRIX = 768
IMAGE_HW, CHANNELS = (40, 40), 128
MATRIX_MACS, CONVOLUTION_MACS = MATRIX**3, 9 * CHANNELS * CHANNELS * IMAGE_HW[0] * IMAGE_HW[1]
FLOAT_KERNELS = {"MatMul": ("matmul_fp32.onnx", MATRIX_MACS), "Conv 3x3": ("conv_fp32.onnx", CONVOLUTION_MACS)}
INTEGER_KERNELS = {
    "QLinearMatMul": ("matmul_int8.onnx", MATRIX_MACS),
    "QLinearConv 3x3": ("conv_int8.onnx", CONVOLUTION_MACS),
}
"""Kernel -> (model file, multiply-accumulates per run). uint8 activations and int8 weights, as in the network."""

REPEATS = 12


def measure_peaks(threads: int = 1, repeats: int = REPEATS) -> MachinePeaks:
    """Measure in about two seconds.

    Args:
        threads: those of the network.
        repeats: runs of each kernel; the fastest counts, since noise only slows a run down.
    """
    watch = LoadWatch()
    fp32 = {name: _best_gmac_s(*kernel, threads, repeats) for name, kernel in FLOAT_KERNELS.items()}
    int8 = {name: _best_gmac_s(*kernel, threads, repeats) for name, kernel in INTEGER_KERNELS.items()}
    fp32_kernel, int8_kernel = max(fp32, key=fp32.__getitem__), max(int8, key=int8.__getitem__)
    copy_gb_s = _copy_gb_s(threads, repeats)
    return MachinePeaks(
        threads=threads,
        copy_gb_s=copy_gb_s,
        fp32_gmac_s=fp32[fp32_kernel],
        int8_gmac_s=int8[int8_kernel],
        fp32_kernel=fp32_kernel,
        int8_kernel=int8_kernel,
        load=watch.load(),
    )


def _copy_gb_s(threads: int, repeats: int) -> float:
    source = np.ones(COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            # NumPy releases the interpreter lock while it copies.
            for done in [pool.submit(np.copyto, *part) for part in parts]:
                done.result()

        return 2 * COPY_BYTES / _best_s(copy, repeats) / 1e9


def kernel_model(name: str) -> bytes:
    """The content of a packaged kernel model."""
    return resources.files("fsd.profile.operators").joinpath("kernels", name).read_bytes()


def _best_gmac_s(name: str, macs: int, threads: int, repeats: int) -> float:
    session = open_session(kernel_model(name), threads)
    feed = session.get_inputs()[0]
    dtype = np.float32 if "float" in feed.type else np.uint8
    values = np.ones(feed.shape, dtype)
    return macs / _best_s(lambda: session.run(None, {feed.name: values}), repeats) / 1e9


def _best_s(run: Callable[[], object], repeats: int) -> float:
    run()
    times_ns = []
    for _ in range(repeats):
        start_ns = time.perf_counter_ns()
        run()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return min(times_ns) / 1e9
