"""How ONNX Runtime runs a model here: threads that hardly spin, on which hardware, and the proof that it really does.

ONNX Runtime drops to the CPU with no more than a warning, when a provider is missing or does not know an operator.
Here both are errors.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import onnxruntime

from fsd.data.errors import ModelError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""`--device` -> ONNX Runtime's name."""

ON_THE_PROCESSOR = ("cpu", "openvino")
"""Devices that are this machine's processor: what is measured of the one may be compared with the other."""

_PACKAGES = {
    "cuda": "`onnxruntime-gpu` in place of `onnxruntime` (never both) with the CUDA libraries it names",
    "tensorrt": "`onnxruntime-gpu` in place of `onnxruntime` (never both), with TensorRT and CUDA",
    "openvino": "`onnxruntime-openvino` in place of `onnxruntime` (never both)",
}
"""Which build of ONNX Runtime brings a device."""

_OPTIONS: dict[str, Callable[[int], dict[str, str]]] = {
    # ACCURACY: the file's own precision; OpenVINO would otherwise take bfloat16 where the processor has it.
    "openvino": lambda threads: {"device_type": "CPU", "precision": "ACCURACY", "num_of_threads": str(threads)},
}
"""Provider options for a number of threads, where the session's own do not reach the provider."""

_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"


SPIN_US = 50
"""How long a thread looks out for more before it sleeps: about the gap between two operators that are shared out.

Measured on two threads: an INT8 tick 3.5 ms when they sleep at once, 2.2 ms so (processor time 5.7 and 4.3 ms, since
waking a thread costs more than waiting for it). ONNX Runtime's default spins for milliseconds, also between ticks:
beside decoder threads that halves the throughput of the whole program.
"""

_SPIN_BOUND_SINCE = (1, 26)
"""The first ONNX Runtime that can bound it; older ones sleep at once."""


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of every session that this program runs: a fixed number of threads, asleep between ticks."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    may_spin = threads > 1 and _runtime_version() >= _SPIN_BOUND_SINCE
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(may_spin)))
    if may_spin:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
        options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options


def _runtime_version() -> tuple[int, int]:
    major, minor = onnxruntime.__version__.split(".")[:2]
    return int(major), int(minor)


def provider_for(device: str) -> str:
    """ONNX Runtime's provider for a device of `PROVIDERS`, if this installation has it.

    Raises:
        ValueError: there is no such device.
        ModelError: the ONNX Runtime installed here was built without it.
    """
    if device not in PROVIDERS:
        raise ValueError(f"device must be one of {', '.join(PROVIDERS)}; got {device!r}.")
    provider, available = PROVIDERS[device], onnxruntime.get_available_providers()
    if provider not in available:
        raise ModelError(
            f"The ONNX Runtime installed here has no {provider} (it has {', '.join(available)}). Install "
            f"{_PACKAGES[device]}, or leave `--device` out."
        )
    return provider


def open_on(device: str, model: bytes | str, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session that runs on this device from the first operator to the last.

    Raises:
        ModelError: the provider is missing, did not start, or left operators to the CPU; ONNX Runtime's own errors for
            a file that does not load pass through.
    """
    provider = provider_for(device)
    if device != "cpu":
        options.add_session_config_entry(_RECORD_ASSIGNMENT, "1")
    settings = _OPTIONS[device](options.intra_op_num_threads) if device in _OPTIONS else {}
    session = onnxruntime.InferenceSession(model, options, providers=[provider], provider_options=[settings])
    if device != "cpu":
        session.disable_fallback()
        check_assignment(session, provider)
    return session


def assignment(session: onnxruntime.InferenceSession) -> dict[str, Counter[str]]:
    """Provider -> operators that it was given; the session must have been opened with the recording on."""
    given: dict[str, Counter[str]] = {}
    subgraphs: list[Any] = session.get_provider_graph_assignment_info()
    for subgraph in subgraphs:
        given.setdefault(subgraph.ep_name, Counter()).update(node.op_type for node in subgraph.get_nodes())
    return given


def check_assignment(session: onnxruntime.InferenceSession, provider: str) -> None:
    """Refuse a session in which anything runs elsewhere than on `provider`.

    Raises:
        ModelError: names what runs elsewhere, or that the provider did not start.
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
            f"{provider} does not run the whole network; left over are {found}. A plan would wait for the copies "
            "between. Use a file exported for this device (`fsd export --target`), or run on the CPU."
        )
