"""One tick of the network: INT8 ONNX, FP32 ONNX and eager PyTorch, and our engine against a bare `session.run`.

The upper limit is the machine's INT8 rate, measured in the same run on one large quantized convolution. The runners
take turns of ten ticks in one process, so that other load affects all of them; ratios are of medians. The engine adds a
few percent, which the wall clock of a busy machine hides. That is measured in CPU time, call by call, engine and bare
run on the same inputs.

    python benchmarks/network_speed.py [--quick] [--weights FILE] [--model FILE] [--against FILE] [--repeats N]
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import bootstrap

from fsd.export.metadata import read_metadata
from fsd.export.node_choice import node_macs
from fsd.export.onnx_export import export_onnx, serialise
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork
from fsd.networks.onnx_session import open_session
from fsd.networks.weights import load_weights, standard_config, untrained, with_budget
from fsd.runtime.engine import Engine, packaged_model

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish, spread

PEAK_CHANNELS, PEAK_HEIGHT, PEAK_WIDTH, PEAK_IMAGES = 256, 60, 80, 2
BLOCK = 10
"""Ticks per turn of a runner: enough to warm the caches, few enough that other load affects all runners."""


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repeats, under a minute")
    parser.add_argument(
        "--weights", type=Path, default=None, help="safetensors file (default: untrained; the speed is the same)"
    )
    parser.add_argument("--model", type=Path, default=None, help="INT8 ONNX file (default: the packaged one)")
    parser.add_argument(
        "--against", type=Path, default=None, help="another INT8 ONNX file of the budget, to compare with"
    )
    parser.add_argument("--repeats", type=int, default=None, help="ticks per runner (default: 300, quick: 60)")
    arguments = parser.parse_args()
    repeats = arguments.repeats or (60 if arguments.quick else 300)
    model = arguments.model or packaged_model()
    budget = read_metadata(model).budget
    if arguments.weights:
        network = with_budget(load_weights(arguments.weights)[0], budget, str(arguments.weights))
    else:
        network = untrained(standard_config(budget))
    steps = list(synthetic_steps(network.config.budget, 40))
    fp32 = export_onnx(network)
    macs = sum(node_macs(fp32).values())
    print(f"network: {macs / 1e9:.3f} GMAC per tick, budget {network.config.budget.name}")

    metrics: dict[str, float] = {"gmac": round(macs / 1e9, 4), "file_mb": round(model.stat().st_size / 1e6, 3)}
    for threads in (1, 2):
        suffix = "" if threads == 1 else "_2t"
        torch.set_num_threads(threads)
        peak = peak_int8_rate(threads, 6 if arguments.quick else 20)
        print(f"\n{threads} thread(s): peak INT8 rate {peak / 1e9:.0f} GMAC/s (large convolution)")
        times_ms = compare(network, fp32, model, arguments.against, threads, steps, repeats)
        middle = {name: median(values) for name, values in times_ms.items()}
        for name, values in times_ms.items():
            print(f"  {name:14s} {spread(values)} ms")
        share = macs / (middle["INT8 ONNX"] / 1e3) / peak
        print(f"  INT8 reaches {share:.0%} of the peak")
        overhead, low, high = engine_overhead(model, threads, steps, pairs=5 * repeats)
        print(f"  the engine adds {overhead:+.1%} (95%: {low:+.1%} to {high:+.1%}) to a bare session.run")
        metrics |= {
            f"int8_over_fp32{suffix}": round(middle["FP32 ONNX"] / middle["INT8 ONNX"], 3),
            f"int8_over_eager{suffix}": round(middle["eager PyTorch"] / middle["INT8 ONNX"], 3),
            f"int8_tick_ms{suffix}": round(middle["INT8 ONNX"], 3),
            f"int8_tick_min_ms{suffix}": round(min(times_ms["INT8 ONNX"]), 3),
            f"engine_overhead{suffix}": round(overhead, 4),
            f"engine_overhead_high{suffix}": round(high, 4),
            f"share_of_peak{suffix}": round(share, 3),
        }
        if arguments.against:
            metrics[f"int8_over_other_int8{suffix}"] = round(middle["INT8 ONNX"] / middle["other INT8"], 3)
        if "OpenVINO INT8" in middle:
            metrics[f"openvino_int8_tick_ms{suffix}"] = round(middle["OpenVINO INT8"], 3)
    finish("network_speed", metrics, repeats, f"{model.name}, synthetic ticks of budget {network.config.budget.name}")


def compare(
    network: DrivingNetwork,
    fp32: onnx.ModelProto,
    model: Path,
    other: Path | None,
    threads: int,
    steps: list[TickInput],
    repeats: int,
) -> dict[str, list[float]]:
    """Milliseconds per tick of each runner; they take turns."""
    buffers = InputBuffers(network.config.budget)
    inputs = {name: torch.from_numpy(array) for name, array in buffers.arrays.items()}
    float_session = open_session(serialise(fp32), threads)
    int8_session = open_session(model, threads)

    def eager() -> None:
        with torch.inference_mode():
            network(**inputs)

    runners: dict[str, Callable[[], object]] = {
        "FP32 ONNX": lambda: float_session.run(None, buffers.arrays),
        "INT8 ONNX": lambda: int8_session.run(None, buffers.arrays),
        "eager PyTorch": eager,
    }
    if other is not None:
        other_session = open_session(other, threads)
        runners["other INT8"] = lambda: other_session.run(None, buffers.arrays)
    if find_spec("openvino"):
        openvino = import_module("openvino")
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(model), "CPU", options)
        runners["OpenVINO INT8"] = lambda: compiled(buffers.arrays)
    times_ms: dict[str, list[float]] = {name: [] for name in runners}
    for block in range(-1, -(-repeats // BLOCK)):
        for name, runner in runners.items():
            for tick in range(BLOCK + 1):
                buffers.load(steps[(block * BLOCK + tick) % len(steps)])
                start_ns = time.perf_counter_ns()
                runner()
                # The first tick of a block finds the caches full of another network; the first block warms up.
                if tick > 0 and block >= 0:
                    times_ms[name].append((time.perf_counter_ns() - start_ns) / 1e6)
    return times_ms


def engine_overhead(model: Path, threads: int, steps: list[TickInput], pairs: int) -> tuple[float, float, float]:
    """CPU time of `Engine.step` over that of its own `session.run`, minus 1: ratio of medians and its 95% interval."""
    engine = Engine(model, threads)
    session, buffers = engine._session, engine._buffers
    rng = np.random.default_rng(0)
    cpu_ns: dict[str, list[int]] = {"engine": [], "bare": []}
    for pair in range(-20, pairs):
        step = steps[pair % len(steps)]
        for name in rng.permutation(list(cpu_ns)):
            buffers.load(step)
            start_ns = time.process_time_ns()
            if name == "engine":
                engine.step(*step)
            else:
                session.run(None, buffers.arrays)
            if pair >= 0:
                cpu_ns[name].append(time.process_time_ns() - start_ns)
    samples = (np.array(cpu_ns["engine"]), np.array(cpu_ns["bare"]))

    def share(ours: np.ndarray, theirs: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.median(ours, axis) / np.median(theirs, axis) - 1

    found = bootstrap(samples, share, paired=True, n_resamples=1000, method="percentile", rng=rng).confidence_interval
    return float(share(*samples)), float(found.low), float(found.high)


def peak_int8_rate(threads: int, repeats: int) -> float:
    """Multiply-accumulates per second of one large U8S8 convolution, the upper limit for INT8 on this machine."""
    channels, height, width = PEAK_CHANNELS, PEAK_HEIGHT, PEAK_WIDTH
    rng = np.random.default_rng(0)
    constants = {
        "scale": np.array(0.02, np.float32),
        "zero": np.array(128, np.uint8),
        "weight": rng.integers(-127, 128, (channels, channels, 3, 3)).astype(np.int8),
        "weight_scale": np.array(0.002, np.float32),
        "weight_zero": np.array(0, np.int8),
    }
    shape = [PEAK_IMAGES, channels, height, width]
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["x_float"]),
            helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["weight_float"]),
            helper.make_node("Conv", ["x_float", "weight_float"], ["y_float"], pads=[1, 1, 1, 1]),
            helper.make_node("QuantizeLinear", ["y_float", "scale", "zero"], ["y"]),
        ],
        "peak",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    large = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = open_session(serialise(large), threads)
    image = rng.integers(0, 256, shape).astype(np.uint8)
    seconds = []
    for _ in range(repeats + 2):
        start_ns = time.perf_counter_ns()
        session.run(None, {"x": image})
        seconds.append((time.perf_counter_ns() - start_ns) / 1e9)
    return PEAK_IMAGES * height * width * 9 * channels**2 / min(seconds[2:])


if __name__ == "__main__":
    main()
