"""Open ONNX Runtime sessions. No other module does, so threads, hardware and integer sums are configured here only.

ONNX Runtime falls back to the CPU with no more than a warning when a provider is missing or does not know an operator,
and without VNNI its fast 8-bit kernels saturate. Here the first is an error, and the second is measured and avoided:
files whose weights cannot saturate (`pair_safe`) run at full speed everywhere, others with slower, exact kernels, or in
float where there are none (`integer_kernels` says which), or not at all.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from fsd.data.errors import ModelError
from fsd.networks.contract import METADATA_KEY
from fsd.networks.devices import PROVIDERS
from fsd.networks.export_record import EXPORT_KEY
from fsd.networks.integer_products import integer_products
from fsd.networks.load_errors import check_content, load_error
from fsd.networks.processor import processor_instructions, processor_name

SPIN_US = 50
"""How long an idle thread looks for more work before it sleeps: about the gap between two parallel operators.

Measured with two threads: an INT8 tick takes 3.5 ms if threads sleep at once and 2.2 ms with this setting (CPU time
5.7 and 4.3 ms, since waking a thread costs more than waiting for it). ONNX Runtime's default spins for milliseconds,
between ticks as well; beside decoder threads that halves the throughput of the whole program.
"""

_SPIN_DURATION_SINCE = (1, 26)
"""The first ONNX Runtime with `spin_duration_us`; threads of older versions sleep at once."""

_PACKAGES = {
    "cuda": "`onnxruntime-gpu` in place of `onnxruntime` (never both) with the CUDA libraries it names",
    "tensorrt": "`onnxruntime-gpu` in place of `onnxruntime` (never both), with TensorRT and CUDA",
    "openvino": "`onnxruntime-openvino` in place of `onnxruntime` (never both)",
}
"""Device -> the build of ONNX Runtime that supports it."""

_PROVIDER_OPTIONS: dict[str, Callable[[int], dict[str, str]]] = {
    # ACCURACY keeps the file's own precision; OpenVINO would otherwise use bfloat16 where the CPU has it.
    "openvino": lambda threads: {"device_type": "CPU", "precision": "ACCURACY", "num_of_threads": str(threads)}
}
"""Device -> options for a number of threads, where the session's own options do not reach the provider."""

SESSION_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    UnicodeDecodeError,
)
"""What ONNX Runtime raises for a file that it cannot load or run; these classes share no base but Exception.

UnicodeDecodeError: a message of ONNX Runtime that repeats bytes of the file.
"""

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}

_SLOWER_KERNELS = {"exact": "session.x64quantprecision", "float": "session.disable_quant_qdq"}
"""What runs in place of 8-bit kernels that saturate -> the option that chooses it."""

_CUDA_GRAPH = {"cuda": {"enable_cuda_graph": "1"}, "tensorrt": {"trt_cuda_graph_enable": "1"}}
"""Device -> the option by which a run is launched as one graph, which needs buffers that never move."""

Signature = dict[str, tuple[tuple[int, ...], str]]
"""Tensor name -> (shape, dtype); a dimension that is not a fixed number is -1."""


def open_session(
    model: Path | bytes,
    threads: int = 1,
    device: str = "cpu",
    *,
    optimise: bool = True,
    profile_prefix: Path | None = None,
    prepack: bool = True,
    pad_channels: bool = True,
    is_bound: bool = False,
) -> onnxruntime.InferenceSession:
    """Open a model so that all of it runs on one device.

    Args:
        model: a file, or the bytes of one.
        threads: of the network; they sleep between ticks.
        device: one of `PROVIDERS`.
        optimise: let ONNX Runtime rewrite the graph, as in production.
        profile_prefix: write ONNX Runtime's own profile to a file whose name begins like this. It slows the network.
        prepack: let kernels rearrange weights, as in production. Rearranged weights are missing from that profile.
        pad_channels: let float convolutions run on multiples of 8 or 16 channels, as in production.
        is_bound: every input and output will be bound to a buffer that never moves; GPUs then run a CUDA graph.

    Raises:
        ValueError: there is no such device.
        ModelError: the file is missing or cannot be loaded; the provider is missing, did not start, or left operators
            to the CPU; or this processor has no exact kernels for the file.
    """
    provider = provider_for(device)
    origin = str(model) if isinstance(model, Path) else "The model"
    if isinstance(model, Path):
        require_model_file(model)
    options = session_options(threads)
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    if profile_prefix is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_prefix)
    if not prepack:
        options.add_session_config_entry("session.disable_prepacking", "1")
    if not pad_channels:
        options.add_session_config_entry("optimization.disable_specified_optimizers", "NchwcTransformer")
    if device != "cpu":
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    provider_options = _PROVIDER_OPTIONS[device](threads) if device in _PROVIDER_OPTIONS else {}
    if is_bound:
        provider_options |= _CUDA_GRAPH.get(device, {})

    def load() -> onnxruntime.InferenceSession:
        source = str(model) if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(source, options, providers=[provider], provider_options=[provider_options])

    try:
        session = load()
    except SESSION_ERRORS as error:
        raise load_error(origin, error) from error
    if device == "cpu" and not integer_sums_are_exact() and not _is_pair_safe(session):
        content = model.read_bytes() if isinstance(model, Path) else model
        session = _without_saturation(session, content, origin, options, load)
    if device != "cpu":
        session.disable_fallback()
        check_assignment(session, provider)
    return session


def open_bound_session(model: Path, threads: int, device: str) -> onnxruntime.InferenceSession:
    """As `open_session`, for a caller that binds every input and output to a buffer that never moves."""
    return open_session(model, threads, device, is_bound=True)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options that every session shares; `threads` is a fixed number, asleep between ticks."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    may_spin = threads > 1 and version >= _SPIN_DURATION_SINCE
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(may_spin)))
    if may_spin:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
        options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options


def save_optimised(model: Path, path: Path, *, weights_beside: bool = False) -> None:
    """Write a model as ONNX Runtime's basic optimisations rewrite it, which use standard operators only.

    Args:
        weights_beside: keep the weights in `<path>.data`, for a model of more than 2 GiB.

    Raises:
        ModelError: the model cannot be loaded.
    """
    options = session_options(1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    if weights_beside:
        entry = "session.optimized_model_external_initializers_file_name"
        options.add_session_config_entry(entry, f"{path.name}.data")
    try:
        onnxruntime.InferenceSession(str(model), options, providers=[PROVIDERS["cpu"]])
    except SESSION_ERRORS as error:
        raise load_error("The model", error) from error


class _PairSafety(msgspec.Struct):
    """The one field of `ModelMetadata` and of `ExportRecord` that matters here."""

    pair_safe: bool = False


def _is_pair_safe(session: onnxruntime.InferenceSession) -> bool:
    """Whether the model's own metadata states that its 8-bit products cannot saturate."""
    properties = session.get_modelmeta().custom_metadata_map
    text = properties.get(METADATA_KEY, properties.get(EXPORT_KEY))
    try:
        return text is not None and msgspec.json.decode(text, type=_PairSafety).pair_safe
    except msgspec.MsgspecError:
        return False  # not a file of `fsd export`, and slower for it, but right


def _without_saturation(
    session: onnxruntime.InferenceSession,
    content: bytes,
    origin: str,
    options: onnxruntime.SessionOptions,
    load: Callable[[], onnxruntime.InferenceSession],
) -> onnxruntime.InferenceSession:
    """The session with kernels that add 8-bit products exactly; the same one if the file has no such products.

    Raises:
        ModelError: there are none for this file.
    """
    products = integer_products(content, origin)
    if not products:
        return session
    if not products.of_results:
        options.add_session_config_entry(_SLOWER_KERNELS["exact"], "1")
        try:
            return load()
        except SESSION_ERRORS:  # ONNX Runtime 1.31 cannot rewrite weights or zero points that two layers share
            options.add_session_config_entry(_SLOWER_KERNELS["exact"], "0")
    if not products.operators:
        options.add_session_config_entry(_SLOWER_KERNELS["float"], "1")
        return load()
    raise ModelError(
        f"{origin} cannot be computed correctly here: ONNX Runtime's 8-bit sums saturate on this processor "
        f"({processor_name()}, {processor_instructions()}), and it has no exact kernels for "
        f"{', '.join(sorted(products.of_results or products.operators))} as this file uses them. Use a file with Q/DQ "
        "pairs or in FP32, or a processor with VNNI."
    )


def integer_kernels(session: onnxruntime.InferenceSession) -> str:
    """How a session multiplies 8-bit numbers: `fast`, or slower since the fast kernels saturate: `exact` or `float`."""
    options = session.get_session_options()

    def is_chosen(entry: str) -> bool:
        try:
            return bool(options.get_session_config_entry(entry) == "1")
        except RuntimeError:  # the entry was never made
            return False

    return next((name for name, entry in _SLOWER_KERNELS.items() if is_chosen(entry)), "fast")


@cache
def integer_sums_are_exact() -> bool:
    """Whether ONNX Runtime's fast 8-bit kernels add exactly on this CPU; measured once per process, in a millisecond.

    Without VNNI they add two neighbouring uint8 x int8 products in 16 bits, which saturates: a product of 255s and 127s
    over 64 terms gives 1,048,544 instead of 2,072,640.
    """
    model = resources.files("fsd.networks").joinpath("integer_sum_probe.onnx").read_bytes()
    session = onnxruntime.InferenceSession(model, session_options(1), providers=[PROVIDERS["cpu"]])
    (terms,) = session.get_inputs()[0].shape[1:]
    (sums,) = session.run(None, {"activations": np.full((1, terms), 255, np.uint8)})
    return bool((sums == 255 * 127 * terms).all())


def require_model_file(model: Path, option: str = "--model") -> None:
    """Refuse a model that is no file; `option` named it.

    Raises:
        ModelError: there is no such file, it is of another format, empty, or a Git LFS pointer.
    """
    if model.suffix == ".pt2" or (":" in model.name and not model.is_file()):
        raise ModelError(f"{model} is no ONNX file: `fsd export {model} --adapter FILE --data CLIP` writes one.")
    if not model.is_file():
        raise ModelError(f"There is no model file {model}. Make one with `fsd export`, or leave `{option}` out.")
    check_content(model)


def provider_for(device: str, option: str = "--device") -> str:
    """ONNX Runtime's provider for a device of `PROVIDERS`, if this installation has it; `option` named the device.

    Raises:
        ValueError: there is no such device.
        ModelError: the installed ONNX Runtime was built without it.
    """
    if device not in PROVIDERS:
        raise ValueError(f"device must be one of {', '.join(PROVIDERS)}; got {device!r}.")
    provider, available = PROVIDERS[device], onnxruntime.get_available_providers()
    if provider not in available:
        raise ModelError(
            f"The installed ONNX Runtime has no {provider} (it has {', '.join(available)}). Install "
            f"{_PACKAGES[device]}, or leave `{option}` out."
        )
    return provider


def assignment(session: onnxruntime.InferenceSession) -> dict[str, Counter[str]]:
    """Provider -> the operators assigned to it; needs a session opened with `record_ep_graph_assignment_info`."""
    assigned: dict[str, Counter[str]] = {}
    subgraphs: list[Any] = session.get_provider_graph_assignment_info()
    for subgraph in subgraphs:
        assigned.setdefault(subgraph.ep_name, Counter()).update(node.op_type for node in subgraph.get_nodes())
    return assigned


def check_assignment(session: onnxruntime.InferenceSession, provider: str) -> None:
    """Refuse a session in which any operator runs elsewhere than on `provider`.

    Raises:
        ModelError: names the operators that run elsewhere, or states that the provider did not start.
    """
    if provider not in session.get_providers():
        raise ModelError(
            f"{provider} did not start: the session has only {', '.join(session.get_providers())}. Its libraries "
            "or the driver are missing or of another version; ONNX Runtime prints which."
        )
    elsewhere = {name: operators for name, operators in assignment(session).items() if name != provider}
    if elsewhere:
        found = "; ".join(
            f"{name}: {', '.join(f'{count} {operator}' for operator, count in operators.most_common(5))}"
            for name, operators in elsewhere.items()
        )
        raise ModelError(
            f"{provider} does not run the whole network; left over are {found}. A plan would wait for copies between "
            "the two. Use a file exported for this device (`fsd export --target`), or run on the CPU."
        )


def session_signature(tensors: list[onnxruntime.NodeArg]) -> Signature:
    """Shapes and dtypes of a session's inputs or outputs, by name."""
    return {
        tensor.name: (
            tuple(size if isinstance(size, int) else -1 for size in tensor.shape),
            _DTYPES.get(tensor.type, tensor.type),
        )
        for tensor in tensors
    }
